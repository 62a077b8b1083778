"""Replay: services over a range of the sequence, with what they say compared, counted or thrown away."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dongne.model.graph import ThingGraph
from dongne.model.records import Record, RecordKind
from dongne.runtime.engine import DERIVED, Engine, decode_changes
from dongne.runtime.facts import Fact, Telling
from dongne.runtime.ports import RecordReader
from dongne.runtime.registry import LoadedService

SLICE = 2_000  # records read at once
Progress = Callable[[int, int], None]


def read_all(
    source: RecordReader,
    after: int = 0,
    until: int | None = None,
    progress: Progress | None = None,
    kinds: Sequence[RecordKind] | None = None,
) -> Iterator[Record]:
    """The records after this number, up to and with `until`, read in slices."""
    start = after
    while True:
        records = source.read(after, until, SLICE, kinds)
        if not records:
            return
        yield from records
        after = records[-1].last
        if progress is not None:
            progress(after - start, (until or after) - start)


def replay(
    source: RecordReader,
    services: list[LoadedService],
    zone: ZoneInfo,
    tried: dict[str, dict[str, Any]] | None = None,
    *,
    until: int | None = None,
    keeps: Callable[[int], bool] | None = None,
    progress: Progress | None = None,
) -> Iterator[Fact]:
    """What these services say when the sequence is read from its beginning, up to and with the number `until`.

    What they said when it was recorded is left out of what they read; what other services said is read as recorded.
    `tried` are settings by service that hold at every level from the beginning.
    """
    engine = Engine(services, ThingGraph(), zone, tried, keeps=keeps)
    telling = Telling()
    for record in read_all(source, 0, until, progress):
        emitted = engine.turn(record)
        telling.note_case(record)
        yield from telling.of_emissions(emitted)


def rebuild(source: RecordReader, services: list[LoadedService], zone: ZoneInfo, until: int) -> Engine:
    """An engine as of the number `until`, by a silent replay."""
    engine = Engine(services, ThingGraph(), zone)
    for record in read_all(source, 0, until):
        engine.turn(record)
    return engine


def recorded(
    source: RecordReader, services: set[str], until: int | None = None, progress: Progress | None = None
) -> Iterator[Fact]:
    """What these services said when the sequence was recorded."""
    graph, telling = ThingGraph(), Telling()
    for record in read_all(source, 0, until, progress):
        if record.kind is RecordKind.ENTITIES:
            graph.apply(decode_changes(record.body))
        elif record.origin in services and record.kind in DERIVED:
            yield from telling.of_record(record, graph)
