"""What streams into a city: recorded series and simulators, both as columns of Observations between two instants."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.adapters.series.recording import DAY_US, HOUR_US, WEEK_US, Loop
from dongne.model.tasks import Task
from dongne.runtime.simulate import Simulator

REACHES_US = (HOUR_US, DAY_US, WEEK_US, 5 * WEEK_US, 53 * WEEK_US)  # how far the next value is looked for


class Arrivals(msgspec.Struct, frozen=True):
    """Observations by arrival, ascending: columns of equal length; times in microseconds."""

    arrival_us: NDArray[np.int64]
    datastream: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.arrival_us)


class Feed(Protocol):
    """Something that streams in. `id` lasts; its position in the city's time is kept under it. The past it brings is
    limited to `history_us`; None means all that is asked for."""

    id: str
    history_us: int | None

    def between(self, after_us: int, until_us: int) -> Arrivals:
        """What arrives in (after, until]. Called with ranges that follow one another."""

    def next_after(self, us: int) -> int:
        """When something may arrive next, after this instant."""


class RecordedFeed:
    """A recording, repeated by whole weeks. A value arrives `delay_us` after its phenomenonTime: when the interval it is
    about is over, and a little later so that not all sensors of a city speak at once."""

    def __init__(self, feed_id: str, datastream: int, loop: Loop, delay_us: int = 0) -> None:
        self.id = feed_id
        self.history_us: int | None = None
        self.datastream = datastream
        self.loop = loop
        self.delay_us = delay_us

    def between(self, after_us: int, until_us: int) -> Arrivals:
        """See Feed."""
        time_us, value = self.loop.between(after_us - self.delay_us, until_us - self.delay_us)
        return Arrivals(time_us + self.delay_us, np.full(len(time_us), self.datastream, np.int32), time_us, value)

    def next_after(self, us: int) -> int:
        """See Feed."""
        for reach_us in REACHES_US:
            found = self.between(us, us + reach_us)
            if len(found):
                return int(found.arrival_us[0])
        return us + REACHES_US[-1]


class SimulatedFeed:
    """A simulator's rows; those whose (thing, property, part) is not in `streams` are left out. They arrive when they are
    measured. `make` gives a new simulator: one is needed to go back in time after rows could not be stored.
    `list_tasks` gives the open Tasks for its devices."""

    def __init__(
        self,
        feed_id: str,
        make: Callable[[], Simulator],
        streams: Mapping[tuple[int, str, str], int],
        list_tasks: Callable[[], Sequence[Task]] = tuple,
        history_us: int | None = None,
    ) -> None:
        self.id = feed_id
        self.history_us = history_us
        self.make = make
        self._simulator = make()
        self.streams = streams
        self.list_tasks = list_tasks
        self._mark_us: int | None = None
        self._next_us = 0

    def between(self, after_us: int, until_us: int) -> Arrivals:
        """See Feed."""
        self._stand_at(after_us)
        step = self._simulator.step(until_us, self.list_tasks())
        self._mark_us, self._next_us = until_us, step.next_us
        rows = [(row, self.streams.get((row.thing, row.property, row.part))) for row in step.rows]
        kept = [(row.time_us, stream, row.value) for row, stream in rows if stream is not None]
        time_us = np.array([time for time, _, _ in kept], np.int64)
        arrival_us = np.minimum(np.maximum.accumulate(time_us), until_us) if len(time_us) else time_us
        return Arrivals(
            np.maximum(arrival_us, after_us + 1),
            np.array([stream for _, stream, _ in kept], np.int32),
            time_us,
            np.array([value for _, _, value in kept], np.float64),
        )

    def next_after(self, us: int) -> int:
        """See Feed."""
        self._stand_at(us)
        return self._next_us

    def _stand_at(self, us: int) -> None:
        if self._mark_us != us:
            if self._mark_us is not None and us < self._mark_us:
                self._simulator = self.make()
            self._mark_us, self._next_us = us, self._simulator.step(us).next_us


def merge(arrivals: Sequence[Arrivals]) -> Arrivals:
    """All in one, by arrival, then datastream, then time."""
    parts = [part for part in arrivals if len(part)]
    if not parts:
        return Arrivals(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64))
    arrival_us = np.concatenate([part.arrival_us for part in parts])
    datastream = np.concatenate([part.datastream for part in parts])
    time_us = np.concatenate([part.time_us for part in parts])
    order = np.lexsort((time_us, datastream, arrival_us))
    value = np.concatenate([part.value for part in parts])[order]
    return Arrivals(arrival_us[order], datastream[order], time_us[order], value)
