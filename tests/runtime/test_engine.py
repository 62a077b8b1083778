"""The engine's promises, on toy services."""

import dataclasses
import importlib.util
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, EntityType, Remove, Thing, Unit, put
from dongne.model.errors import BadInput, BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.observed import Observation
from dongne.model.records import JobResult, Record, RecordKind, Resume, SettingChange
from dongne.model.times import to_us
from dongne.runtime.binding import Binding
from dongne.runtime.declared import declare
from dongne.runtime.engine import Engine
from dongne.runtime.examples import ListReader
from dongne.runtime.facts import Fact, Telling, case_event
from dongne.runtime.manifest import CaseEntry
from dongne.runtime.registry import LoadedService, order_by_feeding
from dongne.runtime.replay import replay
from dongne.runtime.runner import next_local
from dongne.runtime.service import (
    Alert,
    City,
    Emission,
    Open,
    Result,
    Service,
    Start,
    Step,
    Wake,
    on,
    on_case,
    wake,
)
from dongne.runtime.settings import find_file_changes

_spec = importlib.util.spec_from_file_location("runtime_toy", Path(__file__).with_name("toy.py"))
assert _spec is not None and _spec.loader is not None
toy = importlib.util.module_from_spec(_spec)
sys.modules["runtime_toy"] = toy
_spec.loader.exec_module(toy)

ZONE = ZoneInfo("Europe/Helsinki")
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def engine(*services: LoadedService, **options: object) -> Engine:
    made = Engine(services or (toy.tanks(), toy.doubler()), ThingGraph(), ZONE, **options)
    made.turn(toy.entities_record(4, START))
    return made


def said(made: Engine, record: Record, kind: type) -> list[object]:
    return [e.emission for e in made.turn(record) if isinstance(e.emission, kind)]


def test_a_value_becomes_a_result_and_what_reads_the_result_follows_in_the_same_turn() -> None:
    made = engine()
    results = said(made, toy.observed(2, START, [(1, START, 40.0)]), Result)
    keys = [r.property.key for r in results]
    assert keys == ["mean_level", "double_mean", "heard", "heard"]
    assert results[1].value == 80.0


def test_a_neighbour_is_heard_within_two_hops_and_not_beyond() -> None:
    made = engine()
    emitted = made.turn(toy.observed(2, START, [(1, START, 40.0)]))
    assert sorted(
        e.thing for e in emitted if isinstance(e.emission, Result) and e.emission.property.key == "heard"
    ) == [2, 3]


def test_the_nearest_latest_value_of_another_thing_arrives_as_the_city() -> None:
    made = engine()
    made.turn(toy.observed(2, START, [(5, START, 120.0)]))
    made.turn(toy.observed(3, START, [(2, START, 40.0)]))
    assert made.runners["doubler"].cells[2].state.light_lx == 120.0


def test_a_wake_fires_once_at_its_instant_and_only_when_time_has_come() -> None:
    made = engine()
    made.turn(toy.observed(2, START, [(1, START, 40.0)]))
    later = START + timedelta(hours=1)
    assert said(made, Record(3, 1, RecordKind.WAKE, to_us(later), b""), Alert) == []
    due = START + timedelta(hours=2)
    alerts = said(made, Record(4, 1, RecordKind.WAKE, to_us(due + timedelta(minutes=5)), b""), Alert)
    assert [a.once for a in alerts] == [due.isoformat()]
    assert said(made, Record(5, 1, RecordKind.WAKE, to_us(due + timedelta(hours=5)), b""), Alert) == []


def test_a_later_value_puts_the_wake_off() -> None:
    made = engine()
    made.turn(toy.observed(2, START, [(1, START, 40.0)]))
    second = START + timedelta(hours=1, minutes=59)
    made.turn(toy.observed(3, second, [(1, second, 41.0)]))
    assert said(made, Record(4, 1, RecordKind.WAKE, to_us(START + timedelta(hours=3)), b""), Alert) == []
    assert len(said(made, Record(5, 1, RecordKind.WAKE, to_us(START + timedelta(hours=4)), b""), Alert)) == 1


def test_daily_runs_at_the_local_hour_of_each_day_for_keys_with_a_state() -> None:
    made = engine(toy.tanks())
    made.turn(toy.observed(2, START, [(1, START, 40.0)]))
    starts = said(made, Record(3, 1, RecordKind.WAKE, to_us(START + timedelta(days=3)), b""), Start)
    assert len(starts) == 3
    assert made.runners["tanks"].cells[1].state.days == 3


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        ("2026-03-28T12:00:00+00:00", "2026-03-29T01:00:00+00:00"),  # 03:00 is skipped: what was 03:00 by winter time
        ("2026-10-24T12:00:00+00:00", "2026-10-25T00:00:00+00:00"),  # 03:00 comes twice: the first
        ("2026-07-01T00:00:00+00:00", "2026-07-02T00:00:00+00:00"),
    ],
)
def test_the_local_hour_is_found_on_the_days_on_which_clocks_change(after: str, wanted: str) -> None:
    assert next_local(datetime.fromisoformat(after), "03:00", ZONE) == datetime.fromisoformat(wanted)


def test_a_setting_of_the_thing_goes_before_the_citys_and_none_takes_it_back() -> None:
    made = engine(toy.tanks())
    change = SettingChange("tanks", "city", {"high_percent": 30})
    made.turn(Record(2, 1, RecordKind.SETTING, to_us(START), msgspec.msgpack.encode(change)))
    own = SettingChange("tanks", "thing:2", {"high_percent": 95})
    made.turn(Record(3, 1, RecordKind.SETTING, to_us(START), msgspec.msgpack.encode(own)))
    assert len(said(made, toy.observed(4, START, [(1, START, 40.0)]), Alert)) == 1
    assert said(made, toy.observed(5, START, [(2, START, 90.0)]), Alert) == []
    back = SettingChange("tanks", "thing:2", {"high_percent": None})
    made.turn(Record(6, 1, RecordKind.SETTING, to_us(START), msgspec.msgpack.encode(back)))
    assert len(said(made, toy.observed(7, START, [(2, START, 90.0)]), Alert)) == 1


def test_a_citys_setting_taken_back_is_again_what_its_files_say() -> None:
    made = engine(toy.tanks())
    (file,) = find_file_changes([], {"tanks": {"high_percent": 30}})
    changes = [file, *(SettingChange("tanks", "city", {"high_percent": value}) for value in (50, None))]
    for change in changes:
        made.turn(Record(2, 1, RecordKind.SETTING, to_us(START), msgspec.msgpack.encode(change)))
    assert made.runners["tanks"].book.resolve(1).high_percent == 30


def test_only_what_a_citys_file_says_otherwise_than_before_is_a_change() -> None:
    recorded = [("tanks", "file", {"high_percent": 30, "silent_h": 1}), ("tanks", "city", {"high_percent": 50})]
    assert find_file_changes(recorded, {"tanks": {"high_percent": 30, "silent_h": 1}}) == []
    (change,) = find_file_changes(recorded, {"tanks": {"high_percent": 40}})
    assert (change.level, change.values) == ("file", {"high_percent": 40, "silent_h": None})


def test_what_a_replay_tries_holds_at_every_level() -> None:
    made = engine(toy.tanks(), tried={"tanks": {"high_percent": 60}})
    own = SettingChange("tanks", "thing:1", {"high_percent": 95})
    made.turn(Record(2, 1, RecordKind.SETTING, to_us(START), msgspec.msgpack.encode(own)))
    assert made.runners["tanks"].book.resolve(1).high_percent == 60


def test_a_wake_due_while_its_key_is_parked_fires_when_the_key_goes_on() -> None:
    made = engine(toy.tanks())
    made.turn(toy.observed(2, START, [(1, START, 1.0)]))
    made.runners["tanks"].cells[1].parked = "for a test"
    later = START + timedelta(hours=5)
    assert said(made, Record(3, 1, RecordKind.WAKE, to_us(later), b""), Alert) == []
    made.turn(Record(4, 1, RecordKind.RESUME, to_us(later), msgspec.msgpack.encode(Resume("tanks", 1))))
    assert len(said(made, Record(5, 1, RecordKind.WAKE, to_us(later), b""), Alert)) == 1


def test_a_setting_out_of_range_is_refused_with_its_range() -> None:
    made = engine(toy.tanks())
    with pytest.raises(BadInput, match=r"high_percent = 5 % is out of 10\.\.100"):
        made.runners["tanks"].book.check({"high_percent": 5})
    with pytest.raises(BadInput, match="no setting 'hight'"):
        made.runners["tanks"].book.check({"hight": 5})


def test_values_that_are_no_numbers_or_out_of_range_never_reach_a_handler() -> None:
    made = engine(toy.tanks())
    rows = [(1, START, float("nan")), (1, START, 101.0), (1, START, -1.0), (1, START, float("inf"))]
    assert made.turn(toy.observed(2, START, rows)) == []
    assert made.skipped == 4


def test_units_are_converted_and_what_cannot_be_is_refused_with_the_reason() -> None:
    made = Engine([toy.tanks()], ThingGraph(), ZONE)
    changed = []
    units = {"level 1": toy.Unit(symbol="1"), "level 2": toy.Unit(symbol="lx")}
    for entity in toy.entities(2):
        unit = units.get(getattr(entity, "name", ""))
        given_unit = msgspec.structs.replace(entity, unit_of_measurement=unit) if unit else entity
        changed.append(toy.put(given_unit))
    made.turn(Record(1, 1, RecordKind.ENTITIES, to_us(START), msgspec.msgpack.encode(changed)))
    results = said(made, toy.observed(2, START, [(1, START, 0.4), (2, START, 40.0)]), Result)
    assert [r.value for r in results] == [pytest.approx(40.0)]
    assert "'lx' can't be turned into '%'" in made.problems[2]


def test_a_failing_key_is_parked_says_why_and_goes_on_after_resume() -> None:
    made = engine(toy.tanks())
    made.turn(toy.observed(2, START, [(1, START, 1.0), (2, START, 1.0)]))
    cell = made.runners["tanks"].cells[1]
    cell.state.total = None
    emitted = made.turn(toy.observed(4, START, [(1, START, 1.0), (2, START, 3.0)]))
    assert [e.thing for e in emitted] == [2]
    assert "record 4: TypeError" in cell.parked
    made.turn(Record(6, 1, RecordKind.RESUME, to_us(START), msgspec.msgpack.encode(Resume("tanks", 1, reset=True))))
    assert [e.thing for e in made.turn(toy.observed(7, START, [(1, START, 1.0)]))] == [1]


def _starts(made: Engine, number: int, at: datetime) -> int:
    return len(said(made, Record(number, 1, RecordKind.WAKE, to_us(at), b""), Start))


def test_a_key_begun_anew_still_has_its_daily_hour() -> None:
    made = engine(toy.tanks())
    made.turn(toy.observed(2, START, [(1, START, 1.0)]))
    made.turn(Record(3, 1, RecordKind.RESUME, to_us(START), msgspec.msgpack.encode(Resume("tanks", 1, reset=True))))
    assert _starts(made, 4, START + timedelta(days=3)) == 3


class Opener(Service[toy.NoSettings, toy.Tank]):
    """Opens a Case at each level, of a kind there is not at 50; cancels at 60 without saying why, at 70 rightly."""

    emits = (Open,)

    @on(toy.LEVEL)
    def measured(self, obs: Observation, tank: toy.Tank, city: City) -> Iterator[Emission]:
        if obs.result in (60.0, 70.0):
            yield Step("work_order", "look", "1", "cancel", cause="not_needed" if obs.result == 70.0 else "")
        else:
            kind = "wish" if obs.result == 50.0 else "work_order"
            due = obs.time + timedelta(hours=1)
            yield Open(kind, "look", "1", {"level": obs.result}, "severe", 0, "east", due, "internal")

    @on_case("work_order", "new")
    def began(self, event: CaseEvent, tank: toy.Tank, city: City) -> Iterator[Emission]:
        tank.count += 1
        yield from ()


def opener() -> LoadedService:
    manifest = msgspec.structs.replace(toy.tanks().manifest, id="opener", cases={"look": CaseEntry("work_order")})
    return LoadedService(manifest, declare("opener", Opener, manifest, []))


def test_a_service_opens_a_case_of_any_kind_with_priority_unit_and_access() -> None:
    made, telling = engine(opener()), Telling()
    (opened,) = made.turn(toy.observed(2, START, [(1, START, 20.0)]))
    event = case_event(opened)
    assert event is not None
    assert (event.key, event.priority, event.unit, event.access) == (
        "opener/1/work_order/look/1",
        0,
        "east",
        "internal",
    )
    assert made.runners["opener"].declared.emits == ("work_order",)
    (fact,) = telling.of_emissions([opened])
    assert '"priority":0' in fact.more and '"unit":"east"' in fact.more
    (closed,) = made.turn(toy.observed(3, START, [(1, START, 70.0)]))
    (fact,) = telling.of_emissions([closed])
    assert (fact.action, '"cause":"not_needed"' in fact.more) == ("cancel", True)


@pytest.mark.parametrize(("level", "why"), [(50.0, "no kind of case 'wish'"), (60.0, "needs a cause")])
def test_a_case_that_could_not_be_stored_parks_its_key(level: float, why: str) -> None:
    made = engine(opener())
    assert made.turn(toy.observed(2, START, [(1, START, level), (2, START, 20.0)]))
    assert why in made.runners["opener"].cells[1].parked and not made.runners["opener"].cells[2].parked


def test_a_service_hears_of_steps_and_not_of_notes() -> None:
    made = engine(opener())
    made.turn(toy.observed(2, START, [(1, START, 20.0)]))
    for number, action in enumerate(("note", "assign", "link", "update", "reopen"), 3):
        event = CaseEvent(
            key="opener/1/work_order/look/1", kind="work_order", action=action, name="look", time=START, thing=1,
            service="opener", state="new",
        )  # fmt: skip
        made.turn(Record(number, 1, RecordKind.CASE, to_us(START), msgspec.msgpack.encode(event)))
    assert made.runners["opener"].cells[1].state.count == 1, "only of the reopening"


def test_a_case_of_another_part_opens_no_key_here() -> None:
    made = engine(toy.tanks(), keeps=lambda thing: thing == 1)
    event = CaseEvent(
        key="tanks/2/alert/high/round 0", kind="alert", action="dismiss", name="high", time=START, thing=2,
        service="tanks", state="dismissed",
    )  # fmt: skip
    made.turn(Record(2, 1, RecordKind.CASE, to_us(START), msgspec.msgpack.encode(event)))
    assert made.runners["tanks"].cells == {}


def test_a_thing_that_is_gone_is_not_woken() -> None:
    made = engine(toy.tanks())
    made.turn(toy.observed(2, START, [(1, START, 40.0), (2, START, 40.0)]))
    gone = msgspec.msgpack.encode([Remove(EntityType.THING, 1)])
    made.turn(Record(4, 1, RecordKind.ENTITIES, to_us(START), gone))
    emitted = made.turn(Record(5, 1, RecordKind.WAKE, to_us(START + timedelta(days=1)), b""))
    assert {e.thing for e in emitted} == {2}


def test_a_wake_that_asks_for_itself_at_once_parks_its_key() -> None:
    @dataclasses.dataclass
    class Count:
        fired: int = 0

    class Restless(Service[toy.NoSettings, Count]):
        @on(toy.LEVEL)
        def heard(self, obs: Observation, state: Count, city: City) -> Iterator[Emission]:
            yield Wake(obs.time, "again")

        @wake("again")
        def again(self, now: datetime, state: Count, city: City) -> Iterator[Emission]:
            state.fired += 1
            yield Wake(now, "again")

    for handler in (Restless.heard, Restless.again):
        handler.__annotations__["state"] = Count
    manifest = toy.doubler().manifest
    made = engine(LoadedService(manifest, declare(manifest.id, Restless, manifest, [])))
    made.turn(toy.observed(2, START, [(1, START, 40.0)]))
    made.turn(Record(3, 1, RecordKind.WAKE, to_us(START), b""))
    cell = made.runners[manifest.id].cells[1]
    assert cell.parked == "record 3: more than 100 Wakes without time going on"
    assert cell.state.fired == 100


def test_a_jobs_outcome_reaches_the_key_it_is_about() -> None:
    made = engine(toy.tanks())
    result = JobResult("tanks", "fit", 3, {"slope": 2.5})
    made.turn(Record(2, 1, RecordKind.JOB, to_us(START), msgspec.msgpack.encode(result)))
    assert made.runners["tanks"].cells[3].state.fitted == 2.5


def test_what_feeds_comes_before_what_it_feeds() -> None:
    assert [s.id for s in order_by_feeding([toy.doubler(), toy.tanks()])] == ["tanks", "doubler"]


def test_many_changes_of_things_in_a_row_bind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Engine([toy.tanks(), toy.doubler()], ThingGraph(), ZONE)
    bound: list[int] = []
    rebind = Binding.rebind
    monkeypatch.setattr(Binding, "rebind", lambda self: (bound.append(1), rebind(self)))
    for number, entity in enumerate(toy.entities(4), 1):
        made.turn(Record(number, 1, RecordKind.ENTITIES, to_us(START), msgspec.msgpack.encode([put(entity)])))
    assert len(said(made, toy.observed(100, START, [(1, START, 40.0)]), Result)) == 4
    assert len(bound) == 1


def test_a_new_thing_and_its_datastream_are_bound_without_binding_all_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made = engine()
    made.turn(toy.observed(2, START, [(1, START, 40.0)]))
    monkeypatch.setattr(Binding, "rebind", lambda self: pytest.fail("all was bound anew"))
    thing = Thing(id=70, name="new tank", properties={"kind": "tank"})
    stream = Datastream(
        id=900, name="level", unit_of_measurement=Unit(definition="ucum:1"), thing_id=70, sensor_id=1,
        observed_property_id=1,
    )  # fmt: skip
    body = msgspec.msgpack.encode([put(stream), put(thing)])
    made.turn(Record(3, 1, RecordKind.ENTITIES, to_us(START), body))
    results = said(made, toy.observed(4, START, [(900, START, 0.4)]), Result)
    assert [(r.property.key, r.value) for r in results] == [("mean_level", 40.0), ("double_mean", 80.0)]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(19)), st.integers(1, 18))
def test_what_is_bound_as_things_come_is_what_is_bound_at_once(order: list[int], stop: int) -> None:
    entities = toy.entities(4)
    assert len(entities) == 22
    first, rest = entities[:3], [entities[3 + i] for i in order]
    growing = Engine([toy.tanks(), toy.doubler()], ThingGraph(), ZONE)
    for part in (first, rest[:stop], rest[stop:]):
        body = msgspec.msgpack.encode([put(e) for e in part])
        growing.turn(Record(1, 1, RecordKind.ENTITIES, to_us(START), body))
        growing.turn(toy.observed(2, START, [(999, START, 1.0)]))
    whole = Engine([toy.tanks(), toy.doubler()], ThingGraph(entities), ZONE)

    def shown(made: Engine) -> tuple[object, object]:
        binding = made._binding
        keys = [
            (thing, key) for thing in range(1, 8) for key in ("level", "light", "mean_level", "double_mean", "heard")
        ]
        routes = {at: [(r.runner.id, r.key, r.handler) for r in binding.routes_at(*at)] for at in keys}
        return routes, {i: (s.thing, s.key, len(s.routes), s.needed) for i, s in binding.streams.items()}

    assert shown(growing) == shown(whole)


def test_services_that_feed_each_other_in_a_circle_are_refused() -> None:
    tanks, doubler = toy.tanks(), toy.doubler()
    back = dataclasses.replace(doubler.declared, results={**doubler.declared.results, "level": toy.LEVEL})
    with pytest.raises(BadSetup, match="in a circle"):
        order_by_feeding([tanks, dataclasses.replace(doubler, declared=back)])


def test_a_handler_with_the_wrong_state_type_is_refused_by_name() -> None:
    loaded = toy.tanks()

    class Wrong(toy.Service[toy.Settings, toy.Doubled]):  # type: ignore[misc, name-defined]
        emits = (toy.MEAN,)

        measured = toy.Tanks.measured

    with pytest.raises(BadSetup, match=r"Wrong\.measured: parameter 'tank' is Tank, but must be Doubled"):
        declare("tanks", Wrong, loaded.manifest, [])


def _history(seed: int, keys: int = 4, steps: int = 60) -> list[Record]:
    chance = random.Random(seed)
    records, number, at = [toy.entities_record(keys, START)], 2, START
    for _ in range(steps):
        at += timedelta(minutes=chance.choice([1, 10, 70, 400]))
        rows = [
            (chance.randint(1, keys + 1), at - timedelta(minutes=chance.choice([0, 0, 5, 90])), chance.uniform(0, 100))
            for _ in range(chance.randint(1, 4))
        ]
        records.append(toy.observed(number, at, rows))
        number += len(rows)
    records.append(Record(number, 1, RecordKind.WAKE, to_us(at + timedelta(days=1)), b""))
    return records


def _facts(records: list[Record], **options: object) -> list[Fact]:
    return list(replay(ListReader(records), [toy.tanks(), toy.doubler()], ZONE, **options))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_all_keys_together_say_what_each_key_alone_says(seed: int) -> None:
    records = _history(seed)
    together = _facts(records)
    for key in range(1, 5):
        alone = _facts(records, keeps=lambda thing, key=key: thing == key)
        # a partition that does not run the neighbour's Tanks still hears its levels, not what they derive
        wanted = [f for f in together if f.thing == key]
        assert alone == wanted


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_a_restart_at_any_record_changes_nothing(seed: int, stop: int) -> None:
    records = _history(seed)
    wanted = _facts(records)
    first = Engine([toy.tanks(), toy.doubler()], ThingGraph(), ZONE)
    telling, found = Telling(), []
    for record in records[:stop]:
        found += list(telling.of_emissions(first.turn(record)))
    second = Engine([toy.tanks(), toy.doubler()], ThingGraph(), ZONE)
    for record in records[:stop]:
        second.prime(record)
    second.load(first.take_changed())
    for record in records[stop:]:
        found += list(telling.of_emissions(second.turn(record)))
    assert found == wanted
