"""Token buckets: how often each of many may do something, with what was not used saved up for a while.

Turner, J.: New directions in communications (or which way to the information age?). IEEE Communications Magazine 24 (1986).
"""

from collections.abc import Hashable

MOST = 10_000  # buckets kept; who is not among them has a full one


class Buckets:
    """A bucket for each key, filled with `per_s` a second up to `most`."""

    def __init__(self, per_s: float, most: float) -> None:
        self.per_s, self.most = per_s, max(most, 1.0)
        self._kept: dict[Hashable, tuple[float, float]] = {}  # what was in it at the instant

    def take(self, key: Hashable, now_s: float, amount: float = 1.0) -> float:
        """0.0 where so much was there and is taken; else the seconds until it will be, and nothing is taken."""
        level, then_s = self._kept.get(key, (self.most, now_s))
        level = min(self.most, level + (now_s - then_s) * self.per_s)
        if level < amount:
            return (amount - level) / self.per_s
        if key not in self._kept and len(self._kept) >= MOST:
            self._forget(now_s)
        self._kept[key] = (level - amount, now_s)
        return 0.0

    def _forget(self, now_s: float) -> None:
        """The full ones go; where that is few, the half that was used longest ago."""
        fill_s = self.most / self.per_s
        kept = {key: at for key, at in self._kept.items() if now_s - at[1] < fill_s}
        if len(kept) > MOST // 2:
            kept = dict(sorted(kept.items(), key=lambda item: item[1][1])[len(kept) // 2 :])
        self._kept = kept
