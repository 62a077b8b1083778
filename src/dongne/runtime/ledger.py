"""The ledger: what became of each Observation that came, by the way it came in.

received = stored + duplicate + rejected + waiting. Rejected are those which the sender was told are not stored, also
where the same may succeed later (`queue_full`, `disk_full`): when it comes again it is received again.
"""

import threading
from collections import Counter
from collections.abc import Mapping

import msgspec

SINGLE = "single"  # one Observation in one HTTP request
DATA_ARRAY = "data_array"  # CreateObservations over HTTP
BATCH = "batch"  # in a $batch
DEEP_INSERT = "deep_insert"  # with the Thing or Datastream it belongs to
MQTT = "mqtt"
IMPORT = "import"  # a table, while the city does not run
STREAMS = "streams"  # recorded series and simulators
WAYS = (SINGLE, DATA_ARRAY, BATCH, DEEP_INSERT, MQTT, IMPORT, STREAMS)


class Account(msgspec.Struct, frozen=True):
    """What became of the Observations that came by one way, or by all."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: Mapping[str, int] = {}  # by reason

    @property
    def refused(self) -> int:
        """Rejected for any reason."""
        return sum(self.rejected.values())

    @property
    def waiting(self) -> int:
        """Received and without an outcome yet."""
        return self.received - self.stored - self.duplicate - self.refused


class Way:
    """The account of one way in while it is kept. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = self._stored = self._duplicates = 0
        self._rejected: Counter[str] = Counter()

    def count(self, received: int, duplicates: int, reasons: Mapping[str, int]) -> None:
        """So many came, and of these so many are settled already."""
        with self._lock:
            self._received += received
            self._duplicates += duplicates
            self._rejected.update(reasons)

    def count_received(self, rows: int = 1) -> None:
        """So many passed the check."""
        with self._lock:
            self._received += rows

    def count_stored(self, rows: int = 1) -> None:
        """So many are durable."""
        with self._lock:
            self._stored += rows

    def count_duplicate(self) -> None:
        """One came that was there already."""
        self.count(1, 1, {})

    def count_rejected(self, reason: str, rows: int = 1, *, received: bool = True) -> None:
        """So many were turned away; not `received`: they were counted as received before."""
        if rows:
            self.count(rows if received else 0, 0, {reason: rows})

    def account(self) -> Account:
        """As it stands, in one moment."""
        with self._lock:
            return Account(self._received, self._stored, self._duplicates, dict(self._rejected))


class Ledger:
    """All ways, since the start of the process."""

    def __init__(self) -> None:
        self._ways = {name: Way() for name in WAYS}

    def way(self, name: str) -> Way:
        """Where a way in counts."""
        return self._ways[name]

    def accounts(self) -> dict[str, Account]:
        """Each way's account, in their order."""
        return {name: way.account() for name, way in self._ways.items()}


def total_of(accounts: Mapping[str, Account]) -> Account:
    """All ways together."""
    rejected: Counter[str] = Counter()
    for account in accounts.values():
        rejected.update(account.rejected)
    return Account(
        sum(account.received for account in accounts.values()),
        sum(account.stored for account in accounts.values()),
        sum(account.duplicate for account in accounts.values()),
        dict(sorted(rejected.items())),
    )
