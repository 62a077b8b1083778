"""What homes observed is kept for as long as the city says, and then taken out."""

import logging
import time
from datetime import timedelta

from dongne.compose.homes import HomeSide
from dongne.model.times import from_us

log = logging.getLogger("dongne")
EVERY_S = 3_600.0


class Retention:
    """Follows the clock: at the start and each hour, what arrived before `keep_days` is taken out."""

    def __init__(self, side: HomeSide) -> None:
        self._side, self._next_s = side, 0.0
        self.position = 0

    def step(self) -> bool:
        """Takes out what is due, when it is time to look."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            self._take_out()
        self.position = self._side.store.head()
        return False

    def _take_out(self) -> None:
        side = self._side
        before = from_us(side.clock.now_us()) - timedelta(days=side.config.homes.keep_days)
        if purged := side.store.purge(before):
            log.info("%d records of homes from before %s were taken out", purged, before.date())
