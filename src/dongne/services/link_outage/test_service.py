"""home_link and link_outage together: one outage is one incident, and one home alone is one call."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.entities import Datastream, Entity, EntityType, Property, Relation, Remove, Sensor, Thing, Unit, put
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, Record, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.engine import Engine
from dongne.runtime.registry import load_all
from dongne.runtime.runner import Emitted
from dongne.runtime.service import Notify, Open, Result, Step

START = datetime(2026, 11, 2, tzinfo=UTC)
AREA = 900
HOMES = range(1, 101)


class Cells:
    """An area of a hundred homes, heard every five minutes one after the other."""

    def __init__(self) -> None:
        services, _ = load_all(["home_link", "link_outage"])
        self.engine = Engine(services, ThingGraph(), ZoneInfo("Asia/Seoul"))
        self.number = 0
        entities: list[Entity] = [
            Sensor(id=1, name="gateway"), Property(id=1, name="heartbeat"),
            Thing(id=AREA, name="cell", properties={"kind": "link_area"}),
        ]  # fmt: skip
        for home in HOMES:
            entities += [
                Thing(id=home, name=f"home {home}", properties={"kind": "home"}),
                Datastream(
                    id=home, name="heartbeat", unit_of_measurement=Unit(symbol="1"), thing_id=home, sensor_id=1,
                    observed_property_id=1,
                ),
                Relation(id=2 * home, kind="served_by", from_id=home, to_id=AREA),
                Relation(id=2 * home + 1, kind="serves", from_id=AREA, to_id=home),
            ]  # fmt: skip
        self.turn(RecordKind.ENTITIES, 0.0, msgspec.msgpack.encode([put(entity) for entity in entities]))

    def turn(self, kind: RecordKind, at_s: float, body: bytes = b"") -> list[Emitted]:
        self.number += 1
        at_us = to_us(START + timedelta(seconds=at_s))
        return self.engine.turn(Record(self.number, 1, kind, at_us, body))

    def heartbeat(self, home: int, at_s: float) -> list[Emitted]:
        at_us = to_us(START + timedelta(seconds=at_s))
        batch = ObservationBatch(np.array([home], np.int32), np.array([at_us], np.int64), np.array([1.0]))
        return self.turn(RecordKind.OBSERVATIONS, at_s, encode_batch(batch))

    def leave(self, home: int, at_s: float) -> None:
        """The home is gone, with its Datastream and relations."""
        relations = [Remove(EntityType.RELATION, 2 * home), Remove(EntityType.RELATION, 2 * home + 1)]
        gone = [Remove(EntityType.DATASTREAM, home), *relations, Remove(EntityType.THING, home)]
        self.turn(RecordKind.ENTITIES, at_s, msgspec.msgpack.encode(gone))

    def play(self, until_s: float, silent: dict[int, tuple[float, float]]) -> list[Emitted]:
        """All homes are heard, but for those that are silent from some second until another."""
        beats = [(n * 300 + home * 3, home) for n in range(int(until_s // 300) + 1) for home in HOMES]
        out: list[Emitted] = []
        for at_s, home in sorted(beats):
            start_s, end_s = silent.get(home, (until_s, until_s))
            if at_s < until_s and not start_s <= at_s < end_s:
                out += self.heartbeat(home, at_s)
        return out + self.turn(RecordKind.WAKE, until_s)


def opened(emitted: list[Emitted]) -> list[tuple[str, int]]:
    return [(e.emission.name, e.thing) for e in emitted if isinstance(e.emission, Open)]


def test_one_home_that_falls_silent_is_told_and_cleared_when_it_is_heard_again() -> None:
    emitted = Cells().play(7_200, {7: (1_500, 4_000)})
    assert opened(emitted) == [("home_silent", 7)]
    assert [e.emission.to for e in emitted if isinstance(e.emission, Notify)] == ["unit:care_desk"]
    assert [e.emission.action for e in emitted if isinstance(e.emission, Step)] == ["clear"]
    first = next(e for e in emitted if isinstance(e.emission, Result) and e.service == "home_link")
    last_heard = START + timedelta(seconds=4 * 300 + 21)
    assert first.emission.time == last_heard + timedelta(seconds=2 * 300 + 10)


def test_forty_homes_that_fall_silent_together_are_one_incident_and_no_call() -> None:
    emitted = Cells().play(5_000, {home: (1_500, 3_000) for home in range(1, 41)})
    assert opened(emitted) == [("link_outage", AREA)]
    assert [e.emission.action for e in emitted if isinstance(e.emission, Step)] == ["resolve"]


def test_a_home_still_silent_after_the_outage_is_told_by_itself() -> None:
    silent = {home: (1_500.0, 3_000.0) for home in range(1, 41)} | {8: (1_500.0, 9_000.0)}
    assert opened(Cells().play(8_000, silent)) == [("link_outage", AREA), ("home_silent", 8)]


def test_a_heartbeat_that_is_lost_is_no_silence() -> None:
    assert not [e for e in Cells().play(3_000, {9: (900, 1_150)}) if not isinstance(e.emission, Result)]


def test_a_home_that_joins_an_area_is_counted_without_all_being_bound_anew() -> None:
    cells = Cells()
    cells.play(600, {})
    bound = cells.engine._binding.rebind
    cells.engine._binding.rebind = lambda: (_ for _ in ()).throw(AssertionError("all was bound anew"))  # type: ignore[method-assign]
    new: list[Entity] = [
        Thing(id=500, name="new", properties={"kind": "home"}),
        Datastream(id=500, name="heartbeat", unit_of_measurement=Unit(symbol="1"), thing_id=500, sensor_id=1, observed_property_id=1),
        Relation(id=1_000, kind="served_by", from_id=500, to_id=AREA), Relation(id=1_001, kind="serves", from_id=AREA, to_id=500),
    ]  # fmt: skip
    cells.turn(RecordKind.ENTITIES, 600.0, msgspec.msgpack.encode([put(entity) for entity in new]))
    cells.heartbeat(500, 601.0)
    emitted = cells.turn(RecordKind.WAKE, 601.0 + 611.0)
    assert ("homes_silent", AREA) in [
        (e.emission.property.key, e.thing) for e in emitted if isinstance(e.emission, Result)
    ]
    cells.engine._binding.rebind = bound  # type: ignore[method-assign]


def test_homes_that_left_while_they_were_silent_never_make_an_outage() -> None:
    """They would hide for ever that others fall silent."""
    cells = Cells()
    cells.play(3_000, {home: (600, 9_000) for home in (1, 2, 3, 4)})
    for home in (1, 2, 3, 4):
        cells.leave(home, 3_001.0)
    emitted = [e for home in HOMES if home > 5 for e in cells.heartbeat(home, 3_200.0)]
    emitted += cells.turn(RecordKind.WAKE, 3_700.0)
    assert opened(emitted) == [("home_silent", 5)]


def test_an_outage_ends_where_the_homes_that_are_silent_have_left() -> None:
    cells = Cells()
    assert opened(cells.play(3_000, {home: (600, 9_000) for home in range(1, 7)})) == [("link_outage", AREA)]
    for home in (1, 2, 3):
        cells.leave(home, 3_001.0)
    emitted = [e for home in HOMES if home > 6 for e in cells.heartbeat(home, 3_200.0)]
    emitted += cells.turn(RecordKind.WAKE, 3_700.0)
    assert ("resolve", "over") in [
        (e.emission.action, e.emission.cause) for e in emitted if isinstance(e.emission, Step)
    ]
