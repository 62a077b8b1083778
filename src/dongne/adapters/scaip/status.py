"""How the server is doing."""

import msgspec


class ScaipStatus(msgspec.Struct, kw_only=True):
    """Counts are since the start. `received` and `bytes_received` by transport, `requests` by method, `answered` by SIP's
    status, `told` by the word of `snu`, `refused` by reason. `unanswerable`: what held nothing to answer to."""

    address: str = ""
    connections: int = 0
    in_flight: int = 0
    transactions: int = 0
    received: dict[str, int] = {}
    requests: dict[str, int] = {}
    answered: dict[str, int] = {}
    told: dict[str, int] = {}
    refused: dict[str, int] = {}
    events: int = 0  # taken at the door
    repeats: int = 0  # the same message again, as a request of its own
    retransmissions: int = 0  # of a request that was known
    set_aside: int = 0  # fields that were wrong in messages that were taken
    unanswerable: int = 0
    pings: int = 0
    answers_sent: int = 0  # `<mrs>` as a request of our own
    answers_resent: int = 0
    answers_acknowledged: int = 0
    answers_given_up: int = 0
    turned_away: int = 0  # connections, for there were too many
    broken_off: int = 0  # connections, as they did not read or did not end a message
    failed: int = 0  # our own faults; the log has more

    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page; "name.label" where one counts by a label."""
        found: dict[str, float] = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, dict):
                found |= {f"{name}.{label}": float(count) for label, count in sorted(value.items())}
            elif isinstance(value, int):
                found[name] = float(value)
        return found


def count(counts: dict[str, int], label: str) -> None:
    """One more under this label; at most 200 labels, so that nobody outside fills the memory by them."""
    counts[label if label in counts or len(counts) < 200 else "other"] = counts.get(label, 0) + 1
