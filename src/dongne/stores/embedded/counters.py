"""How the store is doing, as counters and gauges; docs/store.md says what each is."""

from pathlib import Path

from dongne.stores.embedded.history import History
from dongne.stores.embedded.writer import Writer


def count_all(writer: Writer, history: History, folder: Path, head: int, listeners_dropped: int) -> dict[str, float]:
    """Each by its name."""
    found: dict[str, float] = {
        "head": head,
        "rows": writer.rows,
        "commits": writer.commits,
        "failed_commits": writer.failed_commits,
        "last_commit_s": writer.last_commit_s,
        "observations": writer.observations,
        "observations_before": writer.observations_before,
        "observations_emitted": writer.emitted,
        "queue_rows": writer.depth(),
        "queue_limit_rows": writer.max_rows,
        "queue_limit_bytes": writer.max_bytes,
        "disk_full": float(writer.disk_full),
        "callback_errors": writer.callback_errors,
        "listeners_dropped": listeners_dropped,
        "history_lag": history.lag(),
        "history_errors": history.errors,
        "history_failing": float(bool(history.last_error)),
        "history_turns": history.turns,
        "history_compactions": history.compactions,
    }
    found |= {f"queue_rows_{lane.name.lower()}": depth for lane, depth in writer.depths().items()}
    found |= {f"rejected_{reason}": count for reason, count in writer.rejected.items()}
    found["rejected_queue_full"] = writer.turned_away()
    found |= {f"dropped_{reason}": count for reason, count in writer.dropped.items()}
    for name, file in (("truth", "truth.db"), ("wal", "truth.db-wal"), ("history", "history.duckdb")):
        path = folder / file
        found[f"{name}_bytes"] = path.stat().st_size if path.exists() else 0
    return found
