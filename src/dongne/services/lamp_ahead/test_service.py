"""What lamp_ahead promises to whoever walks, to who pays for the power, and to who mends the lamps."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from dongne.model.entities import Location, Relation, Thing, put
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import ILLUMINANCE, LIGHT_LEVEL, PRECIPITATION, PRESENCE
from dongne.model.records import SettingChange
from dongne.model.tasks import Task
from dongne.model.times import to_us
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.simulate import SimulatedRow, SimulatedStream, Step, chance
from dongne.services.lamp_ahead.lamp import Lamp, Settings
from dongne.services.lamp_ahead.trial import Levels, Trial

SECOND_US = 1_000_000
HELSINKI = ZoneInfo("Europe/Helsinki")
MIDNIGHT = to_us(datetime.fromisoformat("2026-11-22T22:00:00+00:00"))  # local midnight, the sun far down
NOON = to_us(datetime.fromisoformat("2026-06-21T10:00:00+00:00"))
SPACING_M = 30.0
WEATHER = 900
DIM, WET, FULL = Settings().dim_percent, Settings().wet_percent, Settings().full_percent


class Devices:
    """Lamps which answer each order after a second, and what a test lets the sensors say: rows as (arrival in s, thing,
    property, phenomenonTime in s, value), seconds from the start."""

    def __init__(self, lamps: Sequence[int], start_us: int) -> None:
        self.lamps, self.start_us = list(lamps), start_us
        self.rows: list[tuple[float, SimulatedRow]] = []
        self.silent: dict[int, tuple[float, float]] = {}  # lamp -> from, to in seconds
        self._mark = start_us
        self._done: set[str] = set()

    def say(
        self, at_s: float, thing: int, what: ObservedProperty, value: float, arrives_s: float | None = None
    ) -> None:
        row = SimulatedRow(thing, what.key, self.start_us + int(at_s * SECOND_US), value)
        self.rows.append((at_s if arrives_s is None else arrives_s, row))

    def datastreams(self) -> list[SimulatedStream]:
        kinds = [
            (PRESENCE, self.lamps),
            (LIGHT_LEVEL, self.lamps),
            (ILLUMINANCE, [WEATHER]),
            (PRECIPITATION, [WEATHER]),
        ]
        return [SimulatedStream(t, p, p.key) for p, things in kinds for t in things]

    def step(self, now_us: int, tasks: Sequence[Task] = ()) -> Step:
        since_s, now_s = ((us - self.start_us) / SECOND_US for us in (self._mark, now_us))
        self._mark = now_us
        rows = [row for at_s, row in sorted(self.rows, key=lambda r: r[0]) if since_s < at_s <= now_s]
        for task in tasks:
            from_s, to_s = self.silent.get(task.thing, (1e9, 1e9))
            if task.key not in self._done and not from_s <= now_s < to_s:
                self._done.add(task.key)
                value = float(task.parameters["value"])
                rows.append(SimulatedRow(task.thing, LIGHT_LEVEL.key, max(now_us, to_us(task.created)), value))
        return Step(rows, now_us + SECOND_US // 4)


@pytest.fixture(scope="module")
def lamp_ahead() -> LoadedService:
    loaded = load("lamp_ahead")
    assert isinstance(loaded, LoadedService)
    return loaded


def street_graph(streets: Sequence[Sequence[int]], *, placed: bool = True) -> ThingGraph:
    """Streets of lamps 30 m apart, 60 m beside each other; a weather station near the first lamp."""
    graph, relation = ThingGraph(), 0
    for row, street in enumerate(streets):
        for column, lamp in enumerate(street):
            lon, lat = 24.94 + column * SPACING_M / 55_400, 60.17 + row * 60 / 111_195
            graph.apply([put(Location(id=lamp, name="", location={"type": "Point", "coordinates": [lon, lat]}))])
            thing = Thing(id=lamp, name=f"lamp {lamp}", properties={"kind": "street_lamp"})
            graph.apply([put(thing if not placed else Thing(**{**_fields(thing), "location_ids": (lamp,)}))])
        for a, b in pairwise(street):
            for one, other in ((a, b), (b, a)):
                relation += 1
                graph.apply(
                    [put(Relation(id=relation, kind="next_lamp", from_id=one, to_id=other, distance_m=SPACING_M))]
                )
    point = {"type": "Point", "coordinates": [24.94, 60.1701]}
    graph.apply([put(Location(id=WEATHER, name="", location=point))])
    graph.apply(
        [put(Thing(id=WEATHER, name="weather", properties={"kind": "weather_station"}, location_ids=(WEATHER,)))]
    )
    return graph


def _fields(thing: Thing) -> dict[str, object]:
    return {name: getattr(thing, name) for name in Thing.__struct_fields__}


class Night:
    """A street of lamps at night, each of which has reported once, and what happens then."""

    def __init__(
        self, loaded: LoadedService, *streets: Sequence[int], start: int = MIDNIGHT, placed: bool = True
    ) -> None:
        self.lamps = [lamp for street in streets for lamp in street]
        self.start = start
        self.devices = Devices(self.lamps, start)
        for lamp in self.lamps:
            self.devices.say(1, lamp, LIGHT_LEVEL, 0.0)
        self.trial = Trial(loaded, street_graph(streets, placed=placed), self.devices, HELSINKI)

    def walk(
        self, path: Sequence[int], speed_m_s: float, start_s: float, delay_s: float = 0.0
    ) -> list[tuple[int, float]]:
        """Somebody passes these lamps; (lamp, second at which they are under it)."""
        passed = [(lamp, start_s + i * SPACING_M / speed_m_s) for i, lamp in enumerate(path)]
        for lamp, at_s in passed:
            self.devices.say(at_s, lamp, PRESENCE, 1.0, at_s + delay_s)
        return passed

    def run(self, seconds: float) -> Levels:
        self.trial.run(self.start, self.start + int(seconds * SECOND_US))
        parked = {k: c.parked for r in self.trial.engine.runners.values() for k, c in r.cells.items() if c.parked}
        assert not parked
        return Levels(self.trial.orders)

    def at(self, seconds: float) -> int:
        return self.start + int(seconds * SECOND_US)

    def state(self, lamp: int) -> Lamp:
        found = self.trial.engine.runners["lamp_ahead"].cells[lamp].state
        assert isinstance(found, Lamp)
        return found

    def alerts(self) -> list[tuple[int | None, str]]:
        return [(event.thing, event.action) for event in self.trial.events]


STREET = list(range(1, 13))


@pytest.mark.parametrize("speed_m_s", [0.7, 1.0, 1.4, 2.5])
def test_whoever_walks_has_full_light_ahead_in_time(lamp_ahead: LoadedService, speed_m_s: float) -> None:
    night = Night(lamp_ahead, STREET)
    passed = night.walk(STREET, speed_m_s, 60)
    levels = night.run(60 + 12 * SPACING_M / speed_m_s)
    for index, (lamp, at_s) in enumerate(passed):
        since = levels.full_since_s(lamp, night.at(at_s), FULL)
        assert since is not None, f"lamp {lamp} is not in full light when somebody passes"
        if index:
            # from the second lamp on: lead_s, or all the time since the first presence told where they go
            known_s = index * SPACING_M / speed_m_s if index == 1 else (index - 1) * SPACING_M / speed_m_s
            assert since >= min(Settings().lead_s, known_s) - 0.3


@pytest.mark.parametrize("speed_m_s", [4.0, 6.0, 8.0])
def test_whoever_cycles_has_full_light_ahead_of_them(lamp_ahead: LoadedService, speed_m_s: float) -> None:
    night = Night(lamp_ahead, STREET)
    passed = night.walk(STREET, speed_m_s, 60)
    levels = night.run(200)
    for index, (lamp, at_s) in enumerate(passed[2:], 2):
        # a lamp hears four lamps far; a speed needs two of them, so it is known three lamps before
        known_s = min(3, index - 1) * SPACING_M / speed_m_s
        since = levels.full_since_s(lamp, night.at(at_s), FULL)
        assert since is not None
        assert since >= min(Settings().lead_s, known_s) - 0.3


def test_a_lamp_which_misses_somebody_does_not_leave_them_in_the_dark(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    passed = night.walk(STREET, 1.4, 60)
    missed = STREET[5]
    night.devices.rows = [(s, r) for s, r in night.devices.rows if (r.thing, r.property) != (missed, PRESENCE.key)]
    levels = night.run(320)
    assert all(levels.at(lamp, night.at(at_s)) == FULL for lamp, at_s in passed)


def test_light_runs_no_farther_ahead_than_needed(lamp_ahead: LoadedService) -> None:
    """Someone strolls: four lamps (90 m and more) ahead is still dim, for it is a minute away."""
    night = Night(lamp_ahead, STREET)
    passed = night.walk(STREET[:6], 1.4, 60)
    levels = night.run(180)
    _, at_s = passed[3]
    assert levels.at(STREET[7], night.at(at_s + 1)) == DIM


def test_light_does_not_run_ahead_of_nobody(lamp_ahead: LoadedService) -> None:
    """Somebody walks from lamp 6 on to lamp 12: lamps 1 to 4 behind them stay dim."""
    night = Night(lamp_ahead, STREET)
    night.walk(STREET[5:], 1.4, 60)
    night.run(300)
    lit = {order.thing for order in night.trial.orders if order.percent == FULL}
    assert lit == set(STREET[4:])  # lamp 5 too: at the first sign nobody knows where they go


def test_the_street_beside_stays_dim(lamp_ahead: LoadedService) -> None:
    beside = list(range(101, 113))
    night = Night(lamp_ahead, STREET, beside)
    night.walk(STREET, 1.4, 60)
    levels = night.run(400)
    assert {levels.at(lamp, night.at(s)) for lamp in beside for s in range(10, 400)} == {DIM}


def test_nobody_there_and_the_lamp_dims_softly(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.walk([6], 1.0, 60)
    levels = night.run(300)
    hold_s, soft_s = Settings().hold_s, Settings().soft_s
    seen = [levels.at(6, night.at(s)) for s in (59, 61, 60 + hold_s - 1, 60 + hold_s + 1, 60 + hold_s + soft_s + 1)]
    assert seen == [DIM, FULL, FULL, (FULL + DIM) / 2, DIM]


def test_who_sits_under_a_lamp_keeps_their_light(lamp_ahead: LoadedService) -> None:
    """A sensor which says when it is clear says 1 once while somebody sits there for ten minutes."""
    night = Night(lamp_ahead, STREET)
    night.devices.say(20, 6, PRESENCE, 0.0)
    night.devices.say(60, 6, PRESENCE, 1.0)
    night.devices.say(660, 6, PRESENCE, 0.0)
    levels = night.run(800)
    assert {levels.at(6, night.at(s)) for s in range(61, 690)} == {FULL}
    assert levels.at(6, night.at(720)) == DIM
    assert levels.at(5, night.at(662)) == levels.at(7, night.at(662)) == FULL  # they may go either way


def test_orders_are_given_only_for_a_change(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    for s in range(60, 120, 2):
        night.devices.say(s, 6, PRESENCE, 1.0)
    night.run(110)
    assert [o.percent for o in night.trial.orders if o.thing == 6] == [DIM, FULL]


def test_late_presence_and_out_of_order_presence_still_light_the_way(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    passed = night.walk(STREET[:3], 1.4, 60) + night.walk(STREET[3:], 1.4, 60 + 3 * SPACING_M / 1.4, delay_s=4)
    # lamp 3's word comes 25 s late, after lamp 4's
    late = [(s, r) for s, r in night.devices.rows if (r.thing, r.property) == (3, PRESENCE.key)]
    night.devices.rows = [row for row in night.devices.rows if row not in late]
    night.devices.rows += [(s + 25, r) for s, r in late]
    levels = night.run(320)
    assert all(levels.at(lamp, night.at(at_s)) == FULL for lamp, at_s in passed)


def test_presence_of_an_hour_ago_lights_nothing(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.devices.say(10, 6, PRESENCE, 1.0, arrives_s=3700)
    night.run(3720)
    assert FULL not in {order.percent for order in night.trial.orders}


def test_a_lamp_which_does_not_answer_gets_full_light_and_one_alert(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.devices.silent[6] = (0, 600)
    night.walk(STREET, 1.4, 120)
    levels = night.run(500)
    assert night.alerts() == [(6, "open")]
    assert {levels.at(6, night.at(s)) for s in range(30, 500)} == {FULL}
    orders = [o.percent for o in night.trial.orders if o.thing == 6]
    assert orders == [DIM, DIM, FULL]  # asked again once, then full light


def test_a_lamp_which_answers_again_is_dimmed_and_its_alert_cleared(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.devices.silent[6] = (0, 100)
    night.devices.say(160, 6, LIGHT_LEVEL, 0.0)  # back from a power cut
    levels = night.run(300)
    assert night.alerts() == [(6, "open"), (6, "clear")]
    assert levels.at(6, night.at(299)) == DIM


def test_a_city_that_was_away_accuses_no_lamp(lamp_ahead: LoadedService) -> None:
    """The city stops just after an order and comes back an hour later: nobody heard the answers."""
    night = Night(lamp_ahead, STREET)
    night.trial.run(night.start, night.at(1.1))
    assert len(night.trial.orders) == len(STREET)
    night.devices.silent = {lamp: (0, 3602) for lamp in STREET}
    night.devices.say(3600, WEATHER, PRECIPITATION, 0.0)
    night.trial.run(night.at(3600), night.at(3700))
    assert night.alerts() == []
    assert all(night.state(lamp).answered for lamp in STREET)


def test_a_lamp_changed_by_hand_is_told_again(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.devices.say(60, 6, LIGHT_LEVEL, 0.0)
    night.run(100)
    assert [o.percent for o in night.trial.orders if o.thing == 6] == [DIM, DIM]
    assert night.state(6).answered
    assert night.alerts() == []


def test_beside_a_lamp_that_stays_dark_its_neighbours_give_more_light(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.devices.silent[6] = (30, 10_000)
    night.walk([6], 1.0, 60)
    levels = night.run(300)
    more = Settings().beside_silent_percent
    assert [levels.at(lamp, night.at(299)) for lamp in (4, 5, 7, 8)] == [DIM, more, more, DIM]


def test_by_day_lamps_are_off_and_nobody_lights_them(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET, start=NOON)
    night.walk(STREET, 1.4, 60)
    night.run(400)
    assert {order.percent for order in night.trial.orders} == {0.0}


def test_a_dark_day_lights_the_lamps_by_the_light_sensor(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET, start=NOON)
    for minute in range(60):
        night.devices.say(minute * 60 + 2, WEATHER, ILLUMINANCE, 12.0)
    levels = night.run(3000)
    assert 0 < levels.at(6, night.at(2990)) < DIM  # the sky still helps


def test_a_sensor_blinded_by_a_torch_does_not_darken_the_night(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    for minute in range(30):
        night.devices.say(minute * 60 + 0.5, WEATHER, ILLUMINANCE, 50_000.0)
    levels = night.run(1500)
    assert levels.at(6, night.at(1490)) == DIM


def test_rain_makes_the_street_brighter_until_it_has_dried(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    night.devices.say(100, WEATHER, PRECIPITATION, 2.0)
    night.devices.say(700, WEATHER, PRECIPITATION, 0.0)
    levels = night.run(4000)
    assert levels.at(6, night.at(90)) == DIM
    assert levels.at(6, night.at(100 + Settings().sky_s + 1)) == WET
    assert levels.at(6, night.at(3900)) == DIM


def test_where_neither_sky_nor_place_is_known_there_is_full_light(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET, start=NOON, placed=False)
    levels = night.run(60)
    assert {levels.at(lamp, night.at(50)) for lamp in STREET} == {FULL}


def test_a_setting_of_one_lamp_holds_for_that_lamp(lamp_ahead: LoadedService) -> None:
    night = Night(lamp_ahead, STREET)
    runner = night.trial.engine.runners["lamp_ahead"]
    runner.change_setting(SettingChange("lamp_ahead", "thing:6", {"dim_percent": 70}))
    levels = night.run(60)
    assert [levels.at(lamp, night.at(50)) for lamp in (5, 6, 7)] == [DIM, 70.0, DIM]


def test_energy_saved_is_what_full_light_had_taken_more(lamp_ahead: LoadedService) -> None:
    """From local midnight to noon with nobody about: dim from the start until it is light."""
    night = Night(lamp_ahead, STREET[:2])
    night.run(12.1 * 3600)
    switched_off_s = (
        next(o.at_us for o in night.trial.orders if o.thing == 1 and o.percent == 0.0) / 1e6 - night.start / 1e6
    )
    wanted = Settings().power_w * (1 - DIM / 100) * switched_off_s / 3600
    saved = {thing: value for thing, key, value in night.trial.results if key == "energy_saved"}
    assert set(saved) == {1, 2}
    assert saved[1] == pytest.approx(wanted, rel=0.01)


def test_walkers_of_any_speed_are_never_in_the_dark(lamp_ahead: LoadedService) -> None:
    """Thirty people with seeded speeds and starts, in both directions, some at once; at the lamp where somebody appears
    from nowhere the light comes with the next look at the sensors."""
    night = Night(lamp_ahead, STREET)
    passed = []
    for number in range(30):
        way = STREET if chance(1, "way", number) < 0.5 else STREET[::-1]
        speed = 0.6 + 1.8 * chance(1, "speed", number)
        first, *rest = night.walk(way, speed, 60 + 1800 * chance(1, "start", number))
        passed += [(first[0], first[1] + 0.3), *rest]
    levels = night.run(2700)
    assert [p for p in passed if levels.at(p[0], night.at(p[1])) != FULL] == []
