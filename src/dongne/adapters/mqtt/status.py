"""How the adapter is doing, for pages, metrics and whoever operates the broker."""

import msgspec

OK, WRONG, UNKNOWN = "ok", "wrong", "unknown"


class Check(msgspec.Struct, frozen=True):
    """What was found about a setting of the broker: `state` is ok, wrong or unknown (cannot be seen from here);
    docs/mqtt.md has a line on each name. `value` is what was measured or told, in the unit the name ends with, `remedy` what
    to change where it is wrong."""

    name: str
    state: str
    value: str = ""
    remedy: str = ""


class MqttStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are since the start, in messages unless the name says otherwise.

    received = acknowledged + waiting + left with lost connections (`let_go`: the broker sends them again) + those of QoS 0.
    `published` counts what was said of the city, and `left_out` the Observations which were not, as more came than
    are said; `ignored` messages were what the city itself, or another, had said.
    `connected`: and subscribed, so that nothing which is published from now on can pass by. `held_back` are those whose acknowledgement is held back because the store asked to come again later.
    """

    broker: str
    protocol: str
    connected: bool
    trouble: str = ""  # why it isn't connected
    connections: int = 0
    session_kept: bool = False
    received: int = 0
    acknowledged: int = 0
    waiting: int = 0
    held_back: int = 0
    let_go: int = 0
    most_waiting: int = 0
    observations_stored: int = 0
    duplicates: int = 0
    rejected: dict[str, int] = {}
    answers: int = 0
    answers_dropped: int = 0
    tasks_sent: int = 0
    published: int = 0
    left_out: int = 0
    ignored: int = 0
    tasks_skipped: int = 0
    checks: tuple[Check, ...] = ()

    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page."""
        names = (
            "connected", "connections", "received", "acknowledged", "waiting", "held_back", "let_go", "most_waiting",
            "observations_stored", "duplicates", "answers", "answers_dropped", "tasks_sent", "tasks_skipped",
            "published", "left_out", "ignored",
        )  # fmt: skip
        found = {name: float(getattr(self, name)) for name in names}
        return found | {f"rejected.{reason}": float(count) for reason, count in sorted(self.rejected.items())}
