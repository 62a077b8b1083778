"""What was taken out, or corrected: which rows of a batch are still there as they came."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dongne.model.records import ObservationBatch, Removal


class Removals:
    """All removals so far. A removal of a whole Datastream takes out what came before it, not what comes after."""

    def __init__(self, removals: Iterable[tuple[int, Removal]] = ()) -> None:
        self._numbers: set[int] = set()
        self._corrected: set[int] = set()
        self._streams: dict[int, int] = {}  # Datastream -> number of its last removal
        self.add(removals)

    def add(self, removals: Iterable[tuple[int, Removal]]) -> None:
        """Takes in more, as (number of the record, removal)."""
        numbers, streams = set(self._numbers), dict(self._streams)
        for number, removal in removals:
            numbers.update(removal.numbers)
            if removal.datastream is not None:
                streams[removal.datastream] = number
        self._numbers, self._streams = numbers, streams  # other threads see the old or the new

    def add_corrected(self, numbers: Iterable[int]) -> None:
        """These Observations are no more as they came."""
        self._corrected = self._corrected.union(numbers)

    def __bool__(self) -> bool:
        return bool(self._numbers or self._streams or self._corrected)

    def took(self, number: int, datastream: int) -> bool:
        """Whether this Observation is gone."""
        return number in self._numbers or self._streams.get(datastream, 0) > number

    def kept(self, first: int, batch: ObservationBatch) -> NDArray[np.bool_] | None:
        """Which rows of a batch are still there as they came; None means all."""
        if not self:
            return None
        kept = np.ones(len(batch), bool)
        for number in (self._numbers | self._corrected).intersection(range(first, first + len(batch))):
            kept[number - first] = False
        for stream, before in self._streams.items():
            if first < before:
                kept &= batch.datastream != stream
        return None if kept.all() else kept
