"""The latest values of Datastreams with what a reader needs beside them: how old, and where they come from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from dongne.model.entities import Datastream
from dongne.web.names import unit_of
from dongne.web.seen import SeenCity
from dongne.web.texts import Words

LATE_AFTER = 3.0  # intervals without a value, and it is old
LATE_AT_LEAST_US = 300_000_000
YES_OR_NO = frozenset({"", "1"})  # units of what says less on its own


@dataclass(frozen=True)
class Origin:
    """Where a Datastream's values come from. `kind`: measured, rehomed, simulated or derived."""

    kind: str
    where: str = ""
    what: str = ""
    service: str = ""


@dataclass(frozen=True)
class Reading:
    """The latest value of one Datastream; `time_us` 0 and value NaN where it has none yet."""

    stream: Datastream
    key: str
    unit: str
    time_us: int
    value: float
    is_stale: bool
    origin: Origin

    @property
    def is_there(self) -> bool:
        """Whether there is a number to show."""
        return self.time_us > 0 and isfinite(self.value)


def origin_of(stream: Datastream) -> Origin:
    """Where a Datastream says its values come from."""
    properties = stream.properties
    said = properties.get("origin")
    origin = said if isinstance(said, dict) else {}
    kind = (
        "simulated" if properties.get("simulated") else "derived" if properties.get("service") else
        "rehomed" if origin else "measured"
    )  # fmt: skip
    return Origin(
        kind,
        where=str(origin.get("where", "")),
        what=str(origin.get("what", "")),
        service=str(properties.get("service") or properties.get("simulator") or ""),
    )


def say_origin(origin: Origin, words: Words, service_name: str = "") -> str:
    """The origin in a few words: "measured in Auckland, replayed here"."""
    where = words.find([f"where.{origin.where}"]) or origin.where
    return words.say(f"origin.{origin.kind}", where=where, service=service_name or origin.service)


def promised_s(stream: Datastream) -> float | None:
    """A value is due each so many seconds, as the Datastream says (`promised_s`, else `interval_s`); None where it promises
    nothing."""
    said = stream.properties.get("promised_s") or stream.properties.get("interval_s")
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and said > 0 else None


def is_stale(stream: Datastream, time_us: int, now_us: int) -> bool:
    """Whether the next value is long overdue, by what the Datastream promises; where it promises nothing nobody can say."""
    due_s = promised_s(stream)
    if due_s is None or not time_us:
        return False
    return now_us - time_us > max(LATE_AFTER * due_s * 1e6, LATE_AT_LEAST_US)


def read_streams(city: SeenCity, streams: Sequence[Datastream], now_us: int) -> list[Reading]:
    """The readings of these Datastreams, in their order."""
    if not streams:
        return []
    numbers, times, values = city.latest_of(np.array([s.id for s in streams], np.int64))
    graph = city.graph
    return [
        Reading(
            stream,
            graph.property_key(stream),
            unit_of(stream),
            int(time_us) if number else 0,
            float(value) if number else float("nan"),
            is_stale(stream, int(time_us) if number else 0, now_us),
            origin_of(stream),
        )
        for stream, number, time_us, value in zip(streams, numbers, times, values, strict=True)
    ]


def read_thing(city: SeenCity, thing_id: int, now_us: int) -> list[Reading]:
    """The readings of a Thing's Datastreams: measured ones first, then what services make of them; the parts of one property
    together, in their order."""
    readings = read_streams(city, city.graph.list_datastreams(thing_id), now_us)
    first: dict[tuple[str, str], int] = {}
    for reading in readings:  # by id
        first.setdefault((reading.origin.service, reading.key), reading.stream.id)

    def place(reading: Reading) -> tuple[bool, bool, int, int, str, int]:
        stream, origin = reading.stream, reading.origin
        together = first[origin.service, reading.key] if stream.part else stream.id
        number = int(stream.part) if stream.part.isdecimal() else 0
        return origin.kind == "derived", reading.unit in YES_OR_NO, together, number, stream.part, stream.id

    return sorted(readings, key=place)


def newest(readings: Iterable[Reading]) -> Reading | None:
    """The reading with the youngest value."""
    return max((r for r in readings if r.is_there), key=lambda r: r.time_us, default=None)
