"""How a store is doing, as counters and gauges; docs/store.md says what each is."""

from collections.abc import Sequence
from pathlib import Path

from dongne.stores.writer import Writer


def count_writer(writer: Writer, head: int, listeners_dropped: int) -> dict[str, float]:
    """What every store counts."""
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
    }
    found |= {f"queue_rows_{lane.name.lower()}": depth for lane, depth in writer.depths().items()}
    found |= {f"rejected_{reason}": count for reason, count in writer.rejected.items()}
    found["rejected_queue_full"] = writer.turned_away()
    found |= {f"dropped_{reason}": count for reason, count in writer.dropped.items()}
    return found


def size_files(folder: Path, files: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The size in bytes of each of these (name, file)."""
    paths = {name: folder / file for name, file in files}
    return {f"{name}_bytes": path.stat().st_size if path.exists() else 0 for name, path in paths.items()}
