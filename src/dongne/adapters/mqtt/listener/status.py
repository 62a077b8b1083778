"""How the listener is doing."""

import msgspec


class ListenStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are since the start. `behind`: sessions that read on from the sequence, as their queue was full or they
    came back. `ended`: connections by why they ended. `too_large`: messages left out because the client takes no packet
    of that length."""

    address: str
    connections: int = 0
    sessions: int = 0
    subscriptions: int = 0
    behind: int = 0
    received: int = 0
    observations_stored: int = 0
    duplicates: int = 0
    rejected: dict[str, int] = {}
    delivered: int = 0
    refused_subscriptions: int = 0
    answers: int = 0
    answers_dropped: int = 0
    too_large: int = 0
    wills_ignored: int = 0
    ended: dict[str, int] = {}
    failed: int = 0  # our own faults: what could not be told, or handled; the log has more

    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page."""
        names = (
            "connections", "sessions", "subscriptions", "behind", "received", "observations_stored", "duplicates",
            "delivered", "refused_subscriptions", "answers", "answers_dropped", "too_large", "failed",
        )  # fmt: skip
        found = {name: float(getattr(self, name)) for name in names}
        found |= {f"rejected.{reason}": float(count) for reason, count in sorted(self.rejected.items())}
        return found | {f"ended.{reason}": float(count) for reason, count in sorted(self.ended.items())}
