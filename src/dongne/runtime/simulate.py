"""What stands in for devices a city doesn't have yet: a simulator, always marked as one.

A service that has one keeps it in `services/<id>/simulate.py` as `class Simulator`, made with
`(graph, parameters, seed)`; `parameters` is its table in `cities/<city>/simulated.toml`. Everything follows from the
seed, the Thing and the time, never from a generator's state: a simulator that starts again in the middle goes on with
the same values.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from dongne.model.observed import ObservedProperty
from dongne.model.tasks import Task


class SimulatedStream(msgspec.Struct, frozen=True):
    """A Datastream that a simulator feeds; `parameters` are shown beside it, with the seed. `part` is which part of the Thing
    it observes, where there are several."""

    thing: int
    property: ObservedProperty
    name: str
    parameters: dict[str, Any] = {}
    part: str = ""


class SimulatedRow(msgspec.Struct, frozen=True, gc=False):
    """A value of one of the simulator's streams; `property` is the key; `time_us` the phenomenonTime."""

    thing: int
    property: str
    time_us: int
    value: float
    part: str = ""


class Step(msgspec.Struct, frozen=True):
    """Rows in the order in which they arrive, and when the next step is due (a time after the step's `now_us`)."""

    rows: Sequence[SimulatedRow]
    next_us: int


class Simulator(Protocol):
    """Devices that are not there. Synchronous and without I/O."""

    def datastreams(self) -> list[SimulatedStream]:
        """What it feeds; the same list every time."""

    def step(self, now_us: int, tasks: Sequence[Task] = ()) -> Step:
        """The rows after the last step's `now_us` up to and with this one. The first step of a new simulator only
        sets the mark and gives no rows. `tasks` are the open Tasks of its Things that it has to carry out."""


def chance(seed: int, *what: object) -> float:
    """A number in [0, 1) that follows from the seed and the words alone, the same on every machine."""
    digest = blake2b(repr((seed, *what)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64
