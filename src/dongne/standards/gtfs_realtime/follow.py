"""A feed over time: what was said newest, and what was refused."""

from collections import Counter
from datetime import datetime

from dongne.model.errors import BadInput, Conflict
from dongne.standards.gtfs_realtime.decode import Fault, Known, decode
from dongne.standards.gtfs_realtime.message import Feed


class Follower:
    """Takes one body after another. `newest` is the last feed that was taken; `counts` has what was left out by reason,
    and "taken", "same", "backwards" and "unreadable" of whole feeds; `faults` are those of the newest."""

    def __init__(self, known: Known | None = None) -> None:
        self.known = known
        self.newest: Feed | None = None
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()

    def take(self, body: bytes) -> Feed:
        """The feed of these bytes. Raises Conflict for one that is older than the last, BadInput for one that can't be
        read; `newest` stays what it was."""
        try:
            feed, faults = decode(body, self.known)
        except BadInput:
            self.counts["unreadable"] += 1
            raise
        if self.newest is not None and feed.time < self.newest.time:
            self.counts["backwards"] += 1
            raise Conflict(
                f"header.timestamp = {_text(feed.time)} is older than the {_text(self.newest.time)} taken before; "
                "let one server alone make the feed, with a clock that is right",
                reason="backwards",
            )
        self.counts["same" if self.newest is not None and feed.time == self.newest.time else "taken"] += 1
        self.counts.update(fault.reason for fault in faults)
        self.newest, self.faults = feed, faults
        return feed


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
