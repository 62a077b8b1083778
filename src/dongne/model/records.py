"""The numbered sequence: what a city's history is made of.

Each record covers `count` numbers from `number` on: a batch of n Observations takes n numbers, and the number of an
Observation is its `@iot.id` for ever. Everything else takes one number.
"""

from datetime import datetime
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.times import from_us

FORMAT = 1  # of an observations body: packed little-endian columns and a msgpack tail


class RecordKind(IntEnum):
    """What a record says. The values are stored; never renumber."""

    OBSERVATIONS = 1  # ObservationBatch
    ENTITIES = 2  # list[EntityChange], msgpack
    CASE = 3  # CaseEvent, msgpack
    SETTING = 4  # SettingChange, msgpack
    WAKE = 5  # empty: the city's clock has reached `at`; whatever was due fires
    JOB = 6  # JobResult, msgpack
    TASK = 7  # TaskEvent, msgpack
    REMOVAL = 8  # Removal, msgpack: Observations taken out of history
    START = 9  # JobStart, msgpack
    RESUME = 10  # Resume, msgpack: a parked key goes on
    CORRECTION = 11  # Correction, msgpack: an Observation is now so
    NOTICE = 12  # NoticeEvent, msgpack


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row of the sequence.

    `at_us` is the city's clock when it arrived, never decreasing along the sequence; what a service emitted has the
    `at_us` of its cause, or of the record before it where services lag. `origin` is the service which emitted it, "" for what came from outside; `cause` is the
    number of the record it followed from.
    """

    number: int
    count: int
    kind: RecordKind
    at_us: int
    body: bytes
    origin: str = ""
    cause: int = 0

    @property
    def at(self) -> datetime:
        """When the city got it."""
        return from_us(self.at_us)

    @property
    def last(self) -> int:
        """The last number it covers."""
        return self.number + self.count - 1


class ObservationExtra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an Observation has beyond (datastream, start of phenomenonTime, number).

    `result` is set where the result is not a number (its column then holds NaN). Times are microseconds.
    """

    result: Any = None
    phenomenon_end_us: int | None = None
    result_time_us: int | None = None
    result_quality: Any = None
    valid_start_us: int | None = None
    valid_end_us: int | None = None
    parameters: dict[str, Any] | None = None
    feature_id: int | None = None


class ObservationBatch(msgspec.Struct, frozen=True):
    """Observations as columns of equal length; `extras` by row, only where a row has any."""

    datastream: NDArray[np.int32]
    time_us: NDArray[np.int64]
    result: NDArray[np.float64]
    extras: dict[int, ObservationExtra] = {}

    def __len__(self) -> int:
        return len(self.datastream)


_tail_encoder = msgspec.msgpack.Encoder()
_tail_decoder = msgspec.msgpack.Decoder(dict[int, ObservationExtra])


def encode_batch(batch: ObservationBatch) -> bytes:
    """The body of an OBSERVATIONS record: a format byte, three columns, and a msgpack tail where there are extras."""
    columns = (
        np.ascontiguousarray(batch.datastream, "<i4").tobytes()
        + np.ascontiguousarray(batch.time_us, "<i8").tobytes()
        + np.ascontiguousarray(batch.result, "<f8").tobytes()
    )
    tail = _tail_encoder.encode(batch.extras) if batch.extras else b""
    return bytes((FORMAT,)) + columns + tail


def decode_batch(body: bytes, count: int) -> ObservationBatch:
    """The batch of `count` Observations that `encode_batch` wrote; arrays are views of the body, read-only."""
    if body[0] != FORMAT:
        raise ValueError(f"unknown format {body[0]} of an observations record; this version reads format {FORMAT}")
    at_time, at_result, at_tail = 1 + 4 * count, 1 + 12 * count, 1 + 20 * count
    return ObservationBatch(
        np.frombuffer(body, "<i4", count, 1),
        np.frombuffer(body, "<i8", count, at_time),
        np.frombuffer(body, "<f8", count, at_result),
        _tail_decoder.decode(body[at_tail:]) if len(body) > at_tail else {},
    )


class SettingChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """From now on these settings of a service hold at this level.

    `level` is "city", "thing:<id>" or "arm:<experiment>/<arm>". A value of None takes the setting back to the level above.
    """

    service: str
    level: str
    values: dict[str, Any]
    by: str = ""


class JobStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A service asked for a job about a Thing, at the instant `time_us`."""

    service: str
    job: str
    thing: int
    time_us: int = 0


class JobResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job found. `outcome` is the job's outcome class as builtins; `error` says why there is none.

    The number of its record is the version of the asset it becomes.
    """

    service: str
    job: str
    thing: int
    outcome: Any = None
    error: str = ""
    started: int = 0  # number of the JobStart


class Removal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Observations taken out: by number, or all of a datastream. The numbers stay used."""

    numbers: tuple[int, ...] = ()
    datastream: int | None = None
    why: str = ""


class Correction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The Observation of this number is now so; its number stays. `result` is NaN where `extra.result` holds one that is
    no number. Services have acted on what was there before; a replay meets that again.
    """

    number: int
    datastream: int
    time_us: int
    result: float
    extra: ObservationExtra | None = None
    by: str = ""


class Resume(msgspec.Struct, frozen=True):
    """A parked key goes on from here; its state is kept unless `reset`."""

    service: str
    thing: int
    reset: bool = False
    by: str = ""
