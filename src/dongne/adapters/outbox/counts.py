"""What the outbox counts."""

from collections import Counter
from typing import Any

LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Counts:
    """Since the start of the process. `by_channel[what, channel]`: attempts, receipts, failures, repeats, answers, broken (found
    at the start without an outcome). `latency[i]` counts first attempts within LATENCY_S[i] of the request, the last one all."""

    def __init__(self) -> None:
        self.by_channel: Counter[tuple[str, str]] = Counter()
        self.dead: Counter[str] = Counter()  # by whom they were to reach
        self.sent_unrecorded = 0
        self.faults = 0
        self.latency = [0] * (len(LATENCY_S) + 1)
        self.latency_sum_s = 0.0

    def add(self, what: str, channel: str) -> None:
        """One more."""
        self.by_channel[what, channel] += 1

    def first_attempt(self, after_s: float) -> None:
        """A notice was attempted for the first time, so long after it was requested."""
        after_s = max(0.0, after_s)
        self.latency[next((i for i, edge_s in enumerate(LATENCY_S) if after_s <= edge_s), len(LATENCY_S))] += 1
        self.latency_sum_s += after_s

    def shown(self) -> dict[str, Any]:
        """As values for pages: by what, then by channel."""
        found: dict[str, dict[str, int]] = {}
        for (what, channel), n in sorted(self.by_channel.items()):
            found.setdefault(what, {})[channel] = n
        edges = [*(f"{edge_s:g}" for edge_s in LATENCY_S), "+Inf"]
        return {
            "by_channel": found,
            "dead": dict(self.dead),
            "sent_unrecorded": self.sent_unrecorded,
            "faults": self.faults,
            "first_attempt_s": {"le": dict(zip(edges, self.latency, strict=True)), "sum": self.latency_sum_s},
        }
