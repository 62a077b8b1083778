"""The default store: SQLite as truth, the latest values in memory, DuckDB as a follower for history."""

from dongne.stores.embedded.sequence_file import SequenceFile
from dongne.stores.embedded.store import EmbeddedStore

__all__ = ["EmbeddedStore", "SequenceFile"]
