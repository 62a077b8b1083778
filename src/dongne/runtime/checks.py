"""The checks that every service must pass, run on its example: what makes live, replay and parts the same.

Each yields what it finds wrong, in words; nothing means passed.
"""

import random
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import inf, isnan, nan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.errors import BadInput
from dongne.model.graph import ThingGraph
from dongne.model.observed import Observation
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch, encode_batch
from dongne.runtime.engine import Engine
from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.facts import Fact, Telling
from dongne.runtime.manifest import SERVICES
from dongne.runtime.ports import StateRow
from dongne.runtime.registry import LoadedAnswer, LoadedService, load
from dongne.runtime.replay import replay
from dongne.runtime.runner import Emitted
from dongne.runtime.words import find_missing_words

ZONE = ZoneInfo("Europe/Helsinki")
SPEED_FLOOR_PER_S = 20_000  # observations through the engine; a tenth of what the best service is asked for
MOST_RESTARTS, RESTARTS_ALONE = 40, 4
PAGE_NAMES = ("README.md", "service.toml", "texts/ko.po", "texts/en.po", "example/records.jsonl")

Check = Callable[["Subject"], Iterator[str]]


class Subject:
    """A service with its example read."""

    def __init__(self, loaded: LoadedService, folder: Path) -> None:
        self.loaded = loaded
        self.folder = folder
        self.records = read_example(folder / "example/records.jsonl", loaded.id, loaded.manifest.list_properties())

    def engine(self, **options: Any) -> Engine:
        """A fresh engine with this service alone."""
        return Engine([self.loaded], ThingGraph(), ZONE, **options)

    def facts(self, records: list[Record] | None = None, **options: Any) -> list[Fact]:
        """What it says on the records (the example's where None)."""
        return list(replay(ListReader(self.records if records is None else records), [self.loaded], ZONE, **options))

    @property
    def expected_file(self) -> Path:
        """Where the golden emissions are."""
        return self.folder / "example/expected.jsonl"


def _first_difference(name: str, wanted: list[Fact], found: list[Fact]) -> Iterator[str]:
    for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
        if one != other:
            yield f"{name}: emission {index + 1} is\n  {other.line()}\nbut should be\n  {one.line()}"
            return
    if len(wanted) != len(found):
        yield f"{name}: {len(found)} emissions, but should be {len(wanted)}"


def example_gives_its_recorded_emissions(subject: Subject) -> Iterator[str]:
    """The example gives what `example/expected.jsonl` says."""
    if not subject.expected_file.exists():
        yield f"{subject.expected_file} is missing; look at `dongne check {subject.loaded.id} --write` and read what it writes"
        return
    lines = subject.expected_file.read_text(encoding="utf-8").splitlines()
    wanted = [msgspec.json.decode(line, type=Fact) for line in lines if line.strip()]
    yield from _first_difference("example", wanted, subject.facts())
    if not wanted:
        yield "the example makes the service say nothing; give it one that does"


def replay_twice_is_the_same(subject: Subject) -> Iterator[str]:
    """A second replay says the same."""
    yield from _first_difference("second replay", subject.facts(), subject.facts())


def restart_anywhere_is_the_same(subject: Subject) -> Iterator[str]:
    """Storing all states at any record and going on from them in a new engine says the same; states survive JSON."""
    wanted = subject.facts()
    count = len(subject.records)
    chance = random.Random(count)
    stops = list(range(1, count)) if count <= MOST_RESTARTS else sorted(chance.sample(range(1, count), MOST_RESTARTS))
    alone = chance.sample(stops, min(RESTARTS_ALONE, len(stops)))
    if _facts_with_restarts(subject, stops) != wanted:
        alone = stops  # one of them is it, and which shows when it is the only one
    for stop in alone:
        found = _facts_with_restarts(subject, [stop])
        if found != wanted:
            yield from _first_difference(f"restart after record {subject.records[stop - 1].number}", wanted, found)
            return
    if alone is stops:
        yield from _first_difference(f"{len(stops)} restarts", wanted, _facts_with_restarts(subject, stops))


def _facts_with_restarts(subject: Subject, stops: list[int]) -> list[Fact]:
    """What is said where a new engine goes on after each of these records, with the states that were stored by then."""
    engine, telling = subject.engine(), Telling()
    found: list[Fact] = []
    stored: dict[tuple[str, int], StateRow] = {}
    for start, stop in pairwise([0, *stops, len(subject.records)]):
        if start:
            stored |= {(row.service, row.thing): row for row in engine.take_changed()}
            engine = subject.engine()
            for record in subject.records[:start]:
                engine.prime(record)
            engine.load(stored.values())
        for record in subject.records[start:stop]:
            emitted = engine.turn(record)
            telling.note_case(record)
            found += telling.of_emissions(emitted)
    return found


def all_keys_together_are_each_key_alone(subject: Subject) -> Iterator[str]:
    """What is said of a key does not depend on which other keys the engine keeps: this permits partitions."""
    together: dict[int, list[Fact]] = {}
    for fact in subject.facts():
        together.setdefault(fact.thing, []).append(fact)
    for key in sorted(together)[:50]:
        alone = subject.facts(keeps=lambda thing, key=key: thing == key)
        yield from _first_difference(f"key {key} alone", together[key], alone)


def _rows(record: Record) -> list[tuple[int, int, float]]:
    batch = decode_batch(record.body, record.count)
    return list(zip(batch.datastream.tolist(), batch.time_us.tolist(), batch.result.tolist(), strict=True))


def _record(rows: list[tuple[int, int, float]], like: Record, number: int) -> Record:
    columns = list(zip(*rows, strict=True))
    batch = ObservationBatch(
        np.array(columns[0], np.int32), np.array(columns[1], np.int64), np.array(columns[2], np.float64)
    )
    return Record(number, len(rows), RecordKind.OBSERVATIONS, like.at_us, encode_batch(batch))


def _spoiled(subject: Subject, seed: int) -> list[Record]:
    """The example with late, doubled, missing-valued and out-of-range observations."""
    chance = random.Random(seed)
    records: list[Record] = []
    held: list[tuple[int, int, float]] = []
    number = 1
    for record in subject.records:
        kept = record
        if record.kind is RecordKind.OBSERVATIONS:
            rows: list[tuple[int, int, float]] = []
            for row in _rows(record):
                fate = chance.random()
                if fate < 0.1:
                    held.append(row)
                    continue
                rows.append(row)
                if fate < 0.2:
                    rows.append(row)
                elif fate < 0.3:
                    rows.append((row[0], row[1], chance.choice([nan, inf, -inf, -1e12, 1e12, 0.0])))
            if held and chance.random() < 0.3:
                rows.append(held.pop(0))
            if not rows:
                continue
            kept = _record(rows, record, number)
        records.append(msgspec.structs.replace(kept, number=number))
        number += kept.count
    return records


def bad_input_is_no_harm(subject: Subject) -> Iterator[str]:
    """Late, duplicate, NaN and out-of-range observations: no key parked, no NaN out, only what is declared."""
    for seed in range(5):
        engine = subject.engine()
        for record in _spoiled(subject, seed):
            for emitted in engine.turn(record):
                if _is_nan(emitted):
                    yield f"seed {seed}: emits NaN: {emitted}"
        for runner in engine.runners.values():
            for key, cell in runner.cells.items():
                if cell.parked:
                    yield f"seed {seed}: key {key} is parked: {cell.parked}"
                    return


def _is_nan(emitted: Emitted) -> bool:
    value = getattr(emitted.emission, "value", 0.0)
    return isinstance(value, float) and isnan(value)


def no_key_is_parked(subject: Subject) -> Iterator[str]:
    """The example itself parks nothing (an undeclared or out-of-range emission would)."""
    engine = subject.engine()
    for record in subject.records:
        engine.turn(record)
    for runner in engine.runners.values():
        for key, cell in runner.cells.items():
            if cell.parked:
                yield f"key {key} is parked: {cell.parked}"


def a_failing_key_stops_alone(subject: Subject) -> Iterator[str]:
    """A handler that raises parks its key and says so; the others go on as before."""
    if not subject.loaded.declared.on:
        return
    wanted = subject.facts()
    keys = sorted({fact.thing for fact in wanted})
    if len(keys) < 2:
        yield "the example needs at least two keys that say something"
        return
    bad = keys[0]
    engine, telling, found = subject.engine(), Telling(), []
    for record in subject.records:
        for runner in engine.runners.values():
            if bad in runner.cells:
                runner.cells[bad].state = None  # the next handler of this key raises
        emitted = engine.turn(record)
        telling.note_case(record)
        found += list(telling.of_emissions(emitted))
    if not any(runner.cells[bad].parked for runner in engine.runners.values() if bad in runner.cells):
        yield f"key {bad} raised but is not parked"
    rest = [fact for fact in wanted if fact.thing != bad]
    yield from _first_difference("other keys", rest, [fact for fact in found if fact.thing != bad])


def speed_is_above_the_floor(subject: Subject) -> Iterator[str]:
    """At least SPEED_FLOOR_PER_S observations a second on one core, or the rate of a bare loop / 1,000 on a slow machine."""
    observations = [r for r in subject.records if r.kind is RecordKind.OBSERVATIONS]
    count = sum(r.count for r in observations)
    if count < 200:
        return
    best = 0.0
    for _ in range(3):
        engine = subject.engine()
        start = time.process_time()
        for record in subject.records:
            engine.turn(record)
        best = max(best, count / max(time.process_time() - start, 1e-9))
    floor = min(SPEED_FLOOR_PER_S, _bare_rate_per_s() / 1_000)
    if best < floor:
        yield f"{best:,.0f} observations/s; the floor is {floor:,.0f}"


def _bare_rate_per_s() -> float:
    start = time.process_time()
    for number in range(100_000):
        Observation(number, 1, 1, "level", None, 1.0, None)  # type: ignore[arg-type]  # only the cost of making one
    return 100_000 / max(time.process_time() - start, 1e-9)


def folder_is_whole(subject: Subject) -> Iterator[str]:
    """Page, catalogue in ko and en, example; every setting, property and case has words and stands on the page."""
    yield from check_folder(subject.loaded, subject.folder)


def check_folder(loaded: LoadedService | LoadedAnswer, folder: Path) -> Iterator[str]:
    """What a service folder lacks."""
    names = PAGE_NAMES if isinstance(loaded, LoadedService) else PAGE_NAMES[:4]
    for name in names:
        if not (folder / name).exists():
            yield f"{folder.name}/{name} is missing"
    page = folder / "README.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    manifest = loaded.manifest
    settings = (
        list(getattr(loaded.declared.settings, "__dataclass_fields__", {})) if isinstance(loaded, LoadedService) else []
    )
    for name in (*settings, *manifest.properties, *manifest.cases, *manifest.case_kinds):
        if f"`{name}`" not in text:
            yield f"{folder.name}/README.md does not name `{name}`"
    yield from find_missing_words(folder, manifest, settings)
    if manifest.privacy == "personal" and "rivacy" not in text:
        yield f"{folder.name}/README.md needs a part on privacy: its data are personal"


def cases_are_declared(subject: Subject) -> Iterator[str]:
    """Each Case the example opens is in service.toml with its kind."""
    for fact in subject.facts():
        if fact.what == "case":
            kind, name = fact.name.split("/")[2:4]
            entry = subject.loaded.manifest.cases.get(name)
            if entry is None or entry.kind != kind:
                yield f'service.toml needs [cases.{name}] with kind = "{kind}"'
                return


CHECKS: tuple[Check, ...] = (
    example_gives_its_recorded_emissions,
    replay_twice_is_the_same,
    restart_anywhere_is_the_same,
    all_keys_together_are_each_key_alone,
    bad_input_is_no_harm,
    no_key_is_parked,
    a_failing_key_stops_alone,
    cases_are_declared,
    speed_is_above_the_floor,
    folder_is_whole,
)


def check_service(service_id: str, folder: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """(name of the check, what it found wrong) for each check of a service or answer."""
    folder = folder or SERVICES / service_id
    loaded = load(service_id)
    if isinstance(loaded, LoadedAnswer):
        yield "folder_is_whole", list(check_folder(loaded, folder))
        return
    subject = Subject(loaded, folder)
    for check in CHECKS:
        yield check.__name__, list(check(subject))


def write_expected(service_id: str) -> Path:
    """Writes what the example gives now as golden emissions; returns the file. Read it before you commit it."""
    loaded = load(service_id)
    if isinstance(loaded, LoadedAnswer):
        raise BadInput(f"{service_id} is an answer; it has no emissions to record")
    subject = Subject(loaded, SERVICES / service_id)
    lines = "".join(fact.line() + "\n" for fact in subject.facts())
    subject.expected_file.write_text(lines, encoding="utf-8")
    return subject.expected_file
