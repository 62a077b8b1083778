"""car_load: what the scales under each car weigh becomes people; scales that can't be believed are found and done without."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dongne.methods.car_mass import (
    MOVED_SD_KG,
    Load,
    Person,
    coldness,
    count_people,
    empty_run,
    let_drift,
    person_mass,
    weigh_empty,
)
from dongne.methods.crowding_scale import Z_80
from dongne.methods.scale_faults import Scales, believe_again
from dongne.model.cases import CaseEvent
from dongne.model.observed import Observation
from dongne.model.properties import (
    CAR_MASS,
    CURRENT_STATUS,
    CURRENT_STOP_SEQUENCE,
    DIRECTION_ID,
    IN_SERVICE,
    PEOPLE_ABOARD,
    PEOPLE_AFTER_ALIGHTING,
)
from dongne.model.times import format_instant, from_us, to_us
from dongne.runtime.service import Alert, City, Emission, Result, Service, Step, Wake, WorkOrder, on, on_case, wake
from dongne.services.car_load.stop import Seen, close_stop, friction_kg
from dongne.services.car_load.train import (
    MOST_EMPTY,
    Car,
    Place,
    Settings,
    Train,
    car_of,
    cars_from_head,
    fit_length,
    note_weighing,
)

INCOMING_AT, STOPPED_AT, IN_TRANSIT_TO = 0, 1, 2  # VehicleStopStatus of GTFS Realtime
CLOCKS_APART = timedelta(hours=1)  # a clock that was ahead by more once would make all later reports late
SAID_BACK_US = 60_000_000
MOST_UNKNOWN = 20
WAIT_WHILE_OPEN = timedelta(hours=2)  # a train that says nothing for so long has gone unseen


class CarLoad(Service[Settings, Train]):
    """Follows a train from stop to stop. Methods: methods/car_mass.py, dwell_load.py, scale_faults.py; the page tells them in words."""

    kinds = ("train",)
    emits = (PEOPLE_ABOARD, PEOPLE_AFTER_ALIGHTING, WorkOrder, Alert)

    # --- where the train is ----------------------------------------------------------------------------------------

    @on(DIRECTION_ID)
    def heard_direction(self, obs: Observation, train: Train, city: City) -> Iterator[Emission]:
        """Counts from the next status on."""
        yield from self._in_time(obs, train, city)
        if not train.is_behind:
            train.said.direction_id = int(obs.result)

    @on(CURRENT_STOP_SEQUENCE)
    def heard_stop(self, obs: Observation, train: Train, city: City) -> Iterator[Emission]:
        """Counts from the next status on."""
        yield from self._in_time(obs, train, city)
        if not train.is_behind:
            train.said.stop_sequence = int(obs.result)

    @on(CURRENT_STATUS)
    def heard_status(self, obs: Observation, train: Train, city: City) -> Iterator[Emission]:
        """The train stops, or goes on."""
        yield from self._in_time(obs, train, city)
        if train.is_behind or not fit_length(train, city.thing.properties, self.settings):
            return
        status, said = int(obs.result), Place(train.said.direction_id, train.said.stop_sequence)
        if said.stop_sequence < 0:
            return
        if status == STOPPED_AT:
            if train.phase == "dwell" and said == train.at:
                return
            yield from self._leave_unseen(train, obs.time, city)
            self._open(train, said, obs.time)
            yield Wake(obs.time + WAIT_WHILE_OPEN, "settled")
        elif train.phase == "dwell" and (status == IN_TRANSIT_TO or said != train.at):
            train.phase, train.departed_us = "leaving", to_us(obs.time)
            train.to = said if said != train.at else Place(said.direction_id, said.stop_sequence + 1)
            yield Wake(obs.time + timedelta(seconds=self.settings.wait_s), "settled")
        elif not train.phase and status == IN_TRANSIT_TO and said != train.to:
            yield from self._passed(train, said, obs.time, city)

    @on(IN_SERVICE)
    def heard_service(self, obs: Observation, train: Train, city: City) -> Iterator[Emission]:
        """An empty run begins or ends."""
        yield from self._in_time(obs, train, city)
        if train.is_behind or not fit_length(train, city.thing.properties, self.settings):
            return
        if obs.result < 0.5:
            yield from self._leave_unseen(train, obs.time, city)
            train.empty = True
        elif train.empty:
            self._end_empty_run(train, obs.time)

    # --- weighings -------------------------------------------------------------------------------------------------

    @on(CAR_MASS)
    def weighed(self, obs: Observation, train: Train, city: City) -> Iterator[Emission]:
        """One car's scales."""
        yield from self._in_time(obs, train, city)
        if train.is_behind:
            return
        cars = fit_length(train, city.thing.properties, self.settings)
        carriage = int(obs.part) if obs.part.isdecimal() and len(obs.part) < 4 else 0
        if not 1 <= carriage <= cars:
            yield from self._unknown_car(obs.part, cars, train)
            return
        if train.empty:
            weighings = car_of(train, carriage, train.said.direction_id).empty_kg
            if len(weighings) < MOST_EMPTY:
                weighings.append(obs.result)
        elif train.phase:
            note_weighing(train, carriage, round((to_us(obs.time) - train.opened_us) / 1e6, 1), obs.result)
            if train.phase == "leaving" and self._is_complete(train):
                yield from self._close(train, city)

    @wake("settled")
    def settled(self, now: datetime, train: Train, city: City) -> Iterator[Emission]:
        """Some car was not weighed after departure, or the train was never heard to leave."""
        if train.phase == "leaving":
            yield from self._close(train, city)
        elif train.phase == "dwell":
            train.phase, train.rows = "", []
            _forget_loads(train)

    def _is_complete(self, train: Train) -> bool:
        """Whether every car that spoke at this stop was weighed after departure."""
        last = train.rows[-1]
        if last[0] is None or last[0] * 1e6 < train.departed_us - train.opened_us:
            return False
        return all(last[car] is not None or all(row[car] is None for row in train.rows) for car in range(1, len(last)))

    # --- stops -----------------------------------------------------------------------------------------------------

    def _open(self, train: Train, place: Place, time: datetime) -> None:
        if train.empty:
            self._end_empty_run(train, time)
        if (
            place.direction_id != train.at.direction_id
            or place.stop_sequence <= train.at.stop_sequence
            or not train.trip
        ):
            train.trip = format_instant(time)
        if train.to.stop_sequence >= 0 and place != train.to:
            _forget_loads(train)  # it may have stopped unseen
        train.phase, train.at, train.to = "dwell", place, Place()
        train.rows, train.opened_us = [], to_us(time)
        self._drift(train, time)

    def _leave_unseen(self, train: Train, time: datetime, city: City) -> Iterator[Emission]:
        """The train is elsewhere and was not heard to leave: the stop is over, and nobody is told where it goes."""
        if train.phase == "dwell":
            rows = [row[0] for row in train.rows if row[0] is not None]
            train.departed_us = train.opened_us + int((rows[-1] + 1.0) * 1e6) if rows else to_us(time)
            train.to = Place()
        if train.phase:
            was_heard_to_leave = train.phase == "leaving"
            yield from self._close(train, city)
            if not was_heard_to_leave:
                _forget_loads(train)

    def _close(self, train: Train, city: City) -> Iterator[Emission]:
        """The stop is over."""
        person = self._person(from_us(train.departed_us), city)
        before = [car.order for car in train.cars]
        seen = close_stop(train, person, self.settings)
        was_seen_to_leave = train.to.stop_sequence >= 0
        opened, departed = from_us(train.opened_us), from_us(train.departed_us)
        common = self._common(train, len(seen), city)
        for carriage, one in enumerate(seen, 1):
            parameters = {**common, **_band(one.after), **_moved(one), "source": _source(one)}
            yield Result(PEOPLE_AFTER_ALIGHTING, _people(one.after), opened, parameters, str(carriage))
        if was_seen_to_leave:
            yield from self._aboard(train, seen, departed, common)
        yield from self._orders(train, before, departed)
        train.phase, train.rows = "", []
        yield Wake(None, "settled")

    def _aboard(self, train: Train, seen: list[Seen], time: datetime, common: dict[str, object]) -> Iterator[Emission]:
        going = {"to_direction_id": train.to.direction_id, "to_stop_sequence": train.to.stop_sequence}
        for carriage, one in enumerate(seen, 1):
            parameters = {
                **common,
                **going,
                **_band(one.left),
                "boarded": round(one.boarded, 1),
                "source": _source(one),
            }
            yield Result(PEOPLE_ABOARD, _people(one.left), time, parameters, str(carriage))

    def _passed(self, train: Train, to: Place, time: datetime, city: City) -> Iterator[Emission]:
        """The train goes to another stop than was said and has not stopped since: who is in it is who was."""
        train.to = to
        person = self._person(time, city)
        cars = cars_from_head(train, to.direction_id)
        if any(car.left_kg2 < 0.0 for car in cars):
            return
        loads = [_left(car, person, self.settings) for car in cars]
        seen = [Seen(load, load, 0.0, 0.0, 0.0, is_weighed=True) for load in loads]
        yield from self._aboard(train, seen, time, self._common(train, len(seen), city))

    def _common(self, train: Train, cars: int, city: City) -> dict[str, object]:
        return {
            "vehicle_id": str(city.thing.properties.get("vehicle_id", city.thing.id)),
            "direction_id": train.at.direction_id,
            "stop_sequence": train.at.stop_sequence,
            "cars": cars,
            "trip": train.trip,
        }

    def _person(self, time: datetime, city: City) -> Person:
        day = time.astimezone(city.zone).timetuple().tm_yday
        cold = coldness(day, is_southern=self.settings.seasons == "south")
        return person_mass(self.settings.body_kg, self.settings.carried, cold)

    # --- the zero --------------------------------------------------------------------------------------------------

    def _drift(self, train: Train, time: datetime) -> None:
        now_us = to_us(time)
        hours = (now_us - train.drifted_us) / 3.6e9 if train.drifted_us else 0.0
        train.drifted_us = now_us
        for car in train.cars:
            let_drift(car.zero, hours, self.settings.drift_kg_per_day)
            car.zero.variance_kg2 = round(min(car.zero.variance_kg2, MOVED_SD_KG**2), 1)

    def _end_empty_run(self, train: Train, time: datetime) -> None:
        self._drift(train, time)
        for car in train.cars:
            if car.empty_kg and (not car.scales.fault or car.moved):
                if car.moved:
                    car.zero.variance_kg2, car.moved = MOVED_SD_KG**2, False
                weigh_empty(car.zero, *empty_run(car.empty_kg, car.noise_kg, friction_kg(car, self.settings)))
                car.zero.kg = round(car.zero.kg, 1)
                believe_again(car.scales)
            car.empty_kg = []
            car.left_kg, car.left_kg2 = car.zero.kg, car.zero.variance_kg2
        train.empty, train.to = False, Place()

    # --- what is wrong ---------------------------------------------------------------------------------------------

    def _orders(self, train: Train, before: list[str], time: datetime) -> Iterator[Emission]:
        """A work order for scales that begin to be at fault; it is withdrawn when they are well again."""
        for number, (car, order) in enumerate(zip(train.cars, before, strict=True), 1):
            fault = car.scales.fault
            if order and not fault:
                car.order = ""
                name, once = order.split(" ", 1)
                yield Step("work_order", name, once, "cancel", cause="not_needed")
            elif fault and not order:
                car.order = f"scales_{fault} car {number} {format_instant(time)}"
                name, once = car.order.split(" ", 1)
                values = {"car": number, "cars": len(train.cars)}
                yield WorkOrder(name, once, time + timedelta(hours=self.settings.repair_h), values)

    @on_case("work_order", "done")
    def mended(self, event: CaseEvent, train: Train, city: City) -> Iterator[Emission]:
        """Somebody mended the scales: they are looked at as new ones, their zero is open until the next empty run."""
        car = _find_car(train, event)
        if car is not None:
            car.order, car.scales, car.moved = "", Scales(spread=car.scales.spread), True
            car.zero.variance_kg2 = max(car.zero.variance_kg2, self.settings.tare_sd_kg**2)
        yield from ()

    @on_case("work_order", "cancelled")
    def refused(self, event: CaseEvent, train: Train, city: City) -> Iterator[Emission]:
        """Somebody says that the scales are well."""
        car = _find_car(train, event)
        if car is not None:
            car.order, car.scales = "", Scales(spread=car.scales.spread)
        yield from ()

    def _unknown_car(self, part: str, cars: int, train: Train) -> Iterator[Emission]:
        if part not in train.unknown and len(train.unknown) < MOST_UNKNOWN:
            train.unknown.append(part)
            yield Alert("unknown_car", f"car {part[:20]} of {cars}", {"car": part[:20] or "-", "cars": cars})

    def _in_time(self, obs: Observation, train: Train, city: City) -> Iterator[Emission]:
        """Notes whether this is behind what was heard already; that the train's clock went back is said once a day."""
        time_us = to_us(obs.time)
        behind_us = train.seen_us - time_us
        was_behind, train.is_behind = train.is_behind, behind_us > 0 or obs.time > obs.arrived + CLOCKS_APART
        if not train.is_behind:
            train.seen_us = time_us
        elif not was_behind and behind_us > SAID_BACK_US:
            seen = format_instant(from_us(train.seen_us))
            yield Alert("clock_back", f"on {seen[:10]}", {"behind_min": round(behind_us / 60e6), "seen": seen})


def _left(car: Car, person: Person, settings: Settings) -> Load:
    return count_people(car.left_kg, car.left_kg2 + friction_kg(car, settings) ** 2, car.zero, person)


def _forget_loads(train: Train) -> None:
    for car in train.cars:
        car.left_kg2 = -1.0


def _find_car(train: Train, event: CaseEvent) -> Car | None:
    return next((car for car in train.cars if car.order and event.key.endswith("/" + car.order.split(" ", 1)[1])), None)


def _people(load: Load) -> float:
    return PEOPLE_ABOARD.clip(round(load.people, 1))


def _band(load: Load) -> dict[str, float]:
    half = Z_80 * (load.noise_sd**2 + load.lasting_sd**2) ** 0.5
    return {
        "low": round(max(load.people - half, 0.0), 1),
        "high": round(load.people + half, 1),
        "noise_sd": round(load.noise_sd, 2),
        "lasting_sd": round(load.lasting_sd, 2),
    }


def _moved(one: Seen) -> dict[str, float]:
    return {"alighted": round(one.alighted, 1), "alighted_sd": round(one.alighted_sd, 2)}


def _source(one: Seen) -> str:
    return "sensor" if one.is_weighed else "estimated"
