"""A job: a long pure computation about one Thing, run beside the sequence; its outcome comes back as a record."""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.observed import ObservedProperty

O = TypeVar("O")  # noqa: E741  the outcome: a frozen dataclass or Struct


class Series(msgspec.Struct, frozen=True):
    """A Datastream's history in the property's unit: microseconds UTC ascending, and values of the same length."""

    time_us: NDArray[np.int64]
    value: NDArray[np.float64]


class JobInput(msgspec.Struct, frozen=True):
    """What a job gets: the key, the instant at which it runs, the zone's name, settings, and a Series per property key."""

    thing: int
    now_us: int
    zone: str
    settings: Any
    series: dict[str, Series]


class Job(Generic[O]):
    """Base of a job. `run` is pure, and limited by iterations and not by the clock, so that it can be repeated.

    `name` is what Start and @on_job call it; `reads` the properties whose history at the key it gets, `days` back.
    `outcome` is the class of what `run` returns.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[ObservedProperty, ...]]
    days: ClassVar[float]
    outcome: ClassVar[type]

    def run(self, given: JobInput) -> O:
        """The outcome; raises BadInput where the history does not suffice, with what is missing."""
        raise NotImplementedError
