"""The city's clock: the wall clock, or a faster one, or one that is held in the past while history is written."""

import time
from collections.abc import Callable
from threading import Lock

from dongne.model.errors import BadInput

US_PER_S = 1_000_000


def wall_us() -> int:
    """Microseconds since 1970 by the machine's clock."""
    return time.time_ns() // 1000


class CityClock:
    """Never goes back, whatever the machine's clock does.

    It begins at the later of `start_us` (the last instant in the sequence) and now. `speed` 60 lets an hour of the city
    pass in a minute. While it is held it stands still and moves only by `advance`; `release` lets it go on from the
    later of there and now. `wall` and `ticks` (nanoseconds that only grow) are for tests.
    """

    def __init__(
        self,
        speed: float = 1.0,
        start_us: int = 0,
        wall: Callable[[], int] = wall_us,
        ticks: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if not 0.0 < speed <= 100_000.0:
            raise BadInput(f"speed {speed} is not above 0 and up to 100000")
        self.speed = speed
        self._wall = wall
        self._ticks = ticks
        self._lock = Lock()
        self._last_us = start_us
        self._held = False
        self._set_off()

    def _set_off(self) -> None:
        self._from_us = max(self._wall(), self._last_us)
        self._from_ticks = self._ticks()

    def now_us(self) -> int:
        """Microseconds since 1970, UTC, in the city."""
        with self._lock:
            if not self._held:
                now_us = self._from_us + int((self._ticks() - self._from_ticks) / 1000 * self.speed)
                if self.speed == 1.0 and (wall := self._wall()) > now_us:
                    now_us = wall
                self._last_us = max(self._last_us, now_us)
            return self._last_us

    def hold(self, at_us: int) -> None:
        """Stands still from here on, at `at_us` or where it is already later. For the start, before anybody has read it,
        `at_us` may lie in the past."""
        with self._lock:
            self._held = True
            self._last_us = max(self._last_us, at_us)

    def advance(self, to_us: int) -> None:
        """Moves the clock forward; to an earlier instant it does nothing. A running one goes on from there."""
        with self._lock:
            if to_us > self._last_us:
                self._last_us = to_us
                if not self._held:
                    self._set_off()

    def release(self) -> None:
        """Lets a held clock run from the later of where it is and now."""
        with self._lock:
            if self._held:
                self._held = False
                self._set_off()

    def wait_s(self, until_us: int) -> float:
        """How long to sleep, in seconds of the machine, until the city's clock shows `until_us`."""
        return max(0.0, (until_us - self.now_us()) / US_PER_S / self.speed)
