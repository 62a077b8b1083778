"""How the embedded store is doing, as counters and gauges; docs/store.md says what each is."""

from pathlib import Path

from dongne.stores.counters import count_writer, size_files
from dongne.stores.embedded.history import History
from dongne.stores.writer import Writer


def count_all(writer: Writer, history: History, folder: Path, head: int, listeners_dropped: int) -> dict[str, float]:
    """Each by its name."""
    found = count_writer(writer, head, listeners_dropped)
    found |= {
        "history_lag": history.lag(),
        "history_errors": history.errors,
        "history_failing": float(bool(history.last_error)),
        "history_turns": history.turns,
        "history_compactions": history.compactions,
    }
    return found | size_files(folder, (("truth", "truth.db"), ("wal", "truth.db-wal"), ("history", "history.duckdb")))
