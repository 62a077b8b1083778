"""Small services to test the runtime with: a counter that warns, one that reads what it says, and one that fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from dongne.model.entities import Datastream, Entity, Location, Property, Relation, Sensor, Thing, Unit, put
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.records import ObservationBatch, Record, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.declared import declare
from dongne.runtime.job import Job, JobInput
from dongne.runtime.manifest import CaseEntry, Manifest, PropertyEntry, SettingEntry
from dongne.runtime.registry import LoadedService
from dongne.runtime.service import (
    Alert,
    CaseEvent,
    City,
    Emission,
    Latest,
    Neighbours,
    Result,
    Service,
    Start,
    Step,
    Wake,
    daily,
    on,
    on_case,
    on_job,
    wake,
)

LEVEL = ObservedProperty("level", "%", 0.0, 100.0)
LIGHT = ObservedProperty("light", "lx", 0.0, 1e5)
MEAN = ObservedProperty("mean_level", "%", 0.0, 100.0)
DOUBLE = ObservedProperty("double_mean", "%", 0.0, 200.0)
HEARD = ObservedProperty("heard", "1", 0.0, 1e6)
NEXT = Neighbours("next", hops=2)
NEAR = Latest(LIGHT, within_m=500)


@dataclass(frozen=True)
class Settings:
    high_percent: float = 80.0
    silent_h: float = 2.0


@dataclass
class Tank:
    count: int = 0
    total: float = 0.0
    round: int = 0
    warned: bool = False
    days: int = 0
    fitted: float = 0.0


@dataclass(frozen=True)
class Fitted:
    slope: float


class Fit(Job[Fitted]):
    name = "fit"
    reads = (LEVEL,)
    days = 7.0
    outcome = Fitted

    def run(self, given: JobInput) -> Fitted:
        return Fitted(float(given.series["level"].value.mean()))


class Tanks(Service[Settings, Tank]):
    """Means, a warning per filling, silence, a daily count, a job."""

    kinds = ("tank",)
    emits = (MEAN, Alert, Start)

    @on(LEVEL)
    def measured(self, obs: Observation, tank: Tank, city: City) -> Iterator[Emission]:
        tank.count += 1
        tank.total += obs.result
        yield Result(MEAN, tank.total / tank.count)
        if obs.result > self.settings.high_percent and not tank.warned:
            tank.warned = True
            yield Alert("high", f"round {tank.round}", {"level_percent": obs.result})
        elif obs.result < 10 and tank.warned:
            tank.warned = False
            yield Step("alert", "high", f"round {tank.round}", "clear")
            tank.round += 1
        yield Wake(obs.time + timedelta(hours=self.settings.silent_h), "silent")

    @wake("silent")
    def silent(self, now: datetime, tank: Tank, city: City) -> Iterator[Emission]:
        yield Alert("silent", now.isoformat())

    @daily("03:00")
    def count_days(self, now: datetime, tank: Tank, city: City) -> Iterator[Emission]:
        tank.days += 1
        yield Start("fit")

    @on_case("alert", "dismissed")
    def dismissed(self, event: CaseEvent, tank: Tank, city: City) -> Iterator[Emission]:
        tank.warned = False
        tank.round += 1
        yield from ()

    @on_job("fit")
    def fitted(self, outcome: Fitted, tank: Tank, city: City) -> Iterator[Emission]:
        tank.fitted = outcome.slope
        yield from ()


@dataclass(frozen=True)
class NoSettings:
    pass


@dataclass
class Doubled:
    heard: int = 0
    light_lx: float = 0.0


class Doubler(Service[NoSettings, Doubled]):
    """Reads what Tanks say, and hears its neighbours."""

    kinds = ("tank",)
    needs = (NEXT, NEAR)
    emits = (DOUBLE, HEARD)

    @on(MEAN)
    def mean(self, obs: Observation, state: Doubled, city: City) -> Iterator[Emission]:
        readings = city.readings(NEAR)
        state.light_lx = readings[0].value if readings else -1.0
        yield Result(DOUBLE, 2 * obs.result)

    @on(LEVEL, of=NEXT)
    def neighbour(self, obs: Observation, state: Doubled, city: City) -> Iterator[Emission]:
        state.heard += 1
        yield Result(HEARD, float(state.heard))


def _manifest(
    service_id: str,
    *properties: ObservedProperty,
    cases: tuple[str, ...] = (),
    settings: dict[str, SettingEntry] | None = None,
) -> Manifest:
    return Manifest(
        id=service_id, area="test", origin="test", privacy="public", owner="test", maturity="lab",
        properties={p.key: PropertyEntry(p.unit, p.low, p.high) for p in properties},
        cases={name: CaseEntry("alert") for name in cases}, settings=settings or {},
    )  # fmt: skip


def tanks() -> LoadedService:
    manifest = _manifest("tanks", MEAN, cases=("high", "silent"), settings={"high_percent": SettingEntry("%", 10, 100)})
    return LoadedService(manifest, declare("tanks", Tanks, manifest, [Fit]))


def doubler() -> LoadedService:
    manifest = _manifest("doubler", DOUBLE, HEARD)
    return LoadedService(manifest, declare("doubler", Doubler, manifest, []))


def entities(count: int) -> list[Entity]:
    """Tanks in a row 50 m apart, each with a level Datastream of its own number; the last Datastream is light at tank 1."""
    found: list[Entity] = [Property(id=1, name="level"), Property(id=2, name="light"), Sensor(id=1, name="probe")]
    for i in range(1, count + 1):
        point = {"type": "Point", "coordinates": [24.94 + i * 0.0009, 60.17]}
        found.append(Location(id=i, name=f"at {i}", location=point))
        found.append(Thing(id=i, name=f"tank {i}", properties={"kind": "tank"}, location_ids=(i,)))
        found.append(
            Datastream(
                id=i,
                name=f"level {i}",
                unit_of_measurement=Unit(symbol="%"),
                thing_id=i,
                sensor_id=1,
                observed_property_id=1,
            )
        )
    for i in range(1, count):
        found.append(Relation(id=2 * i, kind="next", from_id=i, to_id=i + 1, distance_m=50.0))
        found.append(Relation(id=2 * i + 1, kind="next", from_id=i + 1, to_id=i, distance_m=50.0))
    found.append(
        Datastream(
            id=count + 1,
            name="light",
            unit_of_measurement=Unit(symbol="lx"),
            thing_id=1,
            sensor_id=1,
            observed_property_id=2,
        )
    )
    return found


def entities_record(count: int, at: datetime) -> Record:
    body = msgspec.msgpack.encode([put(e) for e in entities(count)])
    return Record(1, 1, RecordKind.ENTITIES, to_us(at), body)


def batch(rows: list[tuple[int, datetime, float]]) -> bytes:
    return encode_batch(
        ObservationBatch(
            np.array([r[0] for r in rows], np.int32),
            np.array([to_us(r[1]) for r in rows], np.int64),
            np.array([r[2] for r in rows], np.float64),
        )
    )


def observed(number: int, at: datetime, rows: list[tuple[int, datetime, float]]) -> Record:
    return Record(number, len(rows), RecordKind.OBSERVATIONS, to_us(at), batch(rows))
