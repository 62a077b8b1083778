"""Journeys: RAPTOR against a search that knows nothing of rounds, nigiri against RAPTOR; nights, days without service, days on
which clocks change, blocks, headways, changes and walks."""

import random
from collections.abc import Iterator
from datetime import date, datetime
from heapq import heappop, heappush
from importlib.util import find_spec
from zoneinfo import ZoneInfo

import pytest
from tests.standards.little_gtfs import LITTLE, change

from dongne.adapters.nigiri import Nigiri, can_plan, open_planner
from dongne.methods.journeys import plan_while
from dongne.methods.raptor import LONGEST_MIN, Raptor
from dongne.methods.timetable import Call, Journey, Planner, Ride, Run, Timetable, Walk, build_timetable, find_walk
from dongne.standards.gtfs.feed import Feed
from dongne.standards.gtfs.planning import plan_in
from dongne.standards.gtfs.read import read

HELSINKI = ZoneInfo("Europe/Helsinki")


def little(**files: str) -> Feed:
    feed, report = read(change(**files))
    assert feed is not None, report.faults
    return feed


def minute(text: str) -> int:
    """Minutes since 1970 of a local time in Helsinki."""
    return int(datetime.fromisoformat(text).replace(tzinfo=HELSINKI).timestamp()) // 60


def ask(planner: Planner, feed: Feed, start: str, end: str, at: str) -> list[tuple[str, int]]:
    """(local time of arrival, transfers) of the journeys found."""
    ids = {stop.id: number for number, stop in enumerate(feed.stops)}
    found = planner.plan({ids[start]: 0}, {ids[end]: 0}, minute(at))
    return [(f"{datetime.fromtimestamp(j.arrival_min * 60, HELSINKI):%m-%d %H:%M}", j.transfers) for j in found]


def both(feed: Feed) -> list[Planner]:
    return list_planners(plan_in(feed))


def list_planners(timetable: Timetable) -> list[Planner]:
    """Our own, and nigiri where it is."""
    return [Raptor(timetable), *([Nigiri(timetable)] if find_spec("pynigiri") else [])]


@pytest.fixture(params=[0, 1], ids=["raptor", "nigiri"])
def number(request: pytest.FixtureRequest) -> int:
    if request.param:
        pytest.importorskip("pynigiri", reason="there is no wheel of pynigiri for this machine")
    return int(request.param)


def test_a_direct_train_is_found(number: int) -> None:
    assert ask(both(little())[number], little(), "W", "E", "2026-11-30T07:50") == [("11-30 08:12", 0)]


def test_a_change_needs_its_time(number: int) -> None:
    """The train is at platform 1 at 08:05; from platform 2, two minutes on foot, a bus leaves at 08:10, or at 08:06."""
    feed = little()
    assert ask(both(feed)[number], feed, "W", "E", "2026-11-30T07:50") == [("11-30 08:12", 0)]
    no_train = little(stop_times=LITTLE["stop_times.txt"].replace("E1,08:12:00,08:12:00,E,3\n", ""))
    assert ask(both(no_train)[number], no_train, "W", "E", "2026-11-30T07:50") == [("11-30 08:30", 1)]
    hurried = little(
        stop_times=LITTLE["stop_times.txt"]
        .replace("E1,08:12:00,08:12:00,E,3\n", "")
        .replace("BUS,08:10:00,08:10", "BUS,08:06:00,08:06")
    )
    assert ask(both(hurried)[number], hurried, "W", "E", "2026-11-30T07:50") == []


def test_a_night_train_of_yesterday_is_boarded_after_midnight(number: int) -> None:
    feed = little()
    assert ask(both(feed)[number], feed, "M1", "E", "2026-12-02T00:01") == [("12-02 00:09", 0)]
    assert ask(both(feed)[number], feed, "M1", "E", "2026-12-05T00:01") == [("12-05 00:09", 0)]  # Friday's, on Saturday
    assert ask(both(feed)[number], feed, "M1", "E", "2026-12-06T00:01") == [("12-06 08:12", 0)]  # an added Sunday


def test_a_day_that_was_taken_out_has_no_service(number: int) -> None:
    feed = little()
    assert ask(both(feed)[number], feed, "W", "E", "2026-12-07T07:50") == []
    assert ask(both(feed)[number], feed, "W", "E", "2026-12-08T07:50") == [("12-08 08:12", 0)]


DAILY = (
    "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "WEEK,1,1,1,1,1,1,1,20260301,20261231\n"
)


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        ("2026-03-29T00:30", "03-29 02:09"),  # at 03:00 clocks go to 04:00: the day of service began at 23:00
        ("2026-10-25T00:30", "10-25 03:09"),  # at 04:00 clocks go to 03:00: the day of service began at 01:00
        ("2026-10-26T00:30", "10-26 03:09"),
    ],
)
def test_on_days_when_clocks_change_times_count_from_noon_minus_twelve_hours(
    number: int, asked: str, arrives: str
) -> None:
    times = LITTLE["stop_times.txt"].replace("NIGHT,23:55:00,23:55:00", "NIGHT,02:55:00,02:55:00")
    times = times.replace("NIGHT,24:02:00,24:03:00", "NIGHT,03:02:00,03:03:00")
    times = times.replace("NIGHT,24:09:00,24:09:00", "NIGHT,03:09:00,03:09:00")
    feed = little(calendar=DAILY, calendar_dates="service_id,date,exception_type\n", stop_times=times)
    assert ask(both(feed)[number], feed, "W", "E", asked) == [(arrives, 0)]


def test_passengers_of_a_block_stay_seated(number: int) -> None:
    """The train to the middle goes on as the bus: no change, whatever the change time."""
    trips = "route_id,service_id,trip_id,direction_id,block_id\nR1,WEEK,E1,0,B\nR1,WEEK,W1,1,\nB7,WEEK,BUS,0,B\nR1,WEEK,NIGHT,0,\n"
    times = (
        LITTLE["stop_times.txt"]
        .replace("E1,08:12:00,08:12:00,E,3\n", "")
        .replace("BUS,08:10:00,08:10:00,M2", "BUS,08:06:00,08:07:00,M1")
    )
    feed = little(trips=trips, stop_times=times)
    assert ask(both(feed)[number], feed, "W", "E", "2026-11-30T07:50") == [("11-30 08:30", 0)]
    linked = little(
        stop_times=times, transfers="from_stop_id,to_stop_id,transfer_type,from_trip_id,to_trip_id\nM1,M1,4,E1,BUS\n"
    )
    assert ask(both(linked)[number], linked, "W", "E", "2026-11-30T07:50") == [("11-30 08:30", 0)]
    apart = little(
        trips=trips, stop_times=times,
        transfers="from_stop_id,to_stop_id,transfer_type,from_trip_id,to_trip_id\nM1,M1,5,E1,BUS\n",
    )  # fmt: skip
    assert ask(both(apart)[number], apart, "W", "E", "2026-11-30T07:50") == [("11-30 08:30", 1)]


def test_headways_are_runs(number: int) -> None:
    feed = little(frequencies="trip_id,start_time,end_time,headway_secs\nE1,09:00:00,10:00:00,900\n")
    assert ask(both(feed)[number], feed, "W", "E", "2026-11-30T09:31") == [("11-30 09:57", 0)]
    assert ask(both(feed)[number], feed, "W", "E", "2026-11-30T07:50") == [("11-30 09:12", 0)]  # only by its headway
    assert (
        ask(both(feed)[number], feed, "W", "E", "2026-11-30T09:46") == []
    )  # the last one left at 09:45, the night train is 12 h away


def test_no_door_no_boarding(number: int) -> None:
    times = LITTLE["stop_times.txt"].replace("stop_sequence\n", "stop_sequence,pickup_type,drop_off_type\n")
    times = "".join(
        line + ("" if line.startswith("trip") else ",1,0" if line.startswith("E1,08:00") else ",0,0") + "\n"
        for line in times.splitlines()
    )
    feed = little(stop_times=times.replace("pickup_type,drop_off_type,0,0", "pickup_type,drop_off_type"))
    assert ask(both(feed)[number], feed, "W", "E", "2026-11-30T07:50") == []


def test_where_one_can_walk_slower_rides_are_not_told(number: int) -> None:
    feed = little()
    [walk] = both(feed)[number].plan({2: 0}, {3: 0}, minute("2026-11-30T07:50"))
    assert (walk.transfers, walk.legs) == (0, (Walk(2, 3, walk.arrival_min - 2, walk.arrival_min),))


def test_change_times_of_single_stops_are_our_own_planners_work() -> None:
    timetable = plan_in(little(transfers="from_stop_id,to_stop_id,transfer_type,min_transfer_time\nW,W,2,600\n"))
    assert not can_plan(timetable)
    assert isinstance(open_planner(timetable), Raptor)
    assert isinstance(open_planner(plan_in(little())), Nigiri if find_spec("pynigiri") else Raptor)


def test_nigiris_trips_are_found_again() -> None:
    feed = little(stop_times=LITTLE["stop_times.txt"].replace("E1,08:12:00,08:12:00,E,3\n", ""))
    mine, *others = (planner.plan({0: 0}, {4: 0}, minute("2026-11-30T07:50")) for planner in both(feed))
    assert all(mine == theirs for theirs in others)
    assert [feed.trips[leg.trip].id for leg in mine[0].legs if isinstance(leg, Ride)] == ["E1", "BUS"]


# --- random networks


def draw_network(seed: int) -> Timetable:
    """Some stops, lines with runs by day and by night, and footpaths."""
    chance = random.Random(seed)
    stops, runs = 12, []
    for line in range(8):
        way = [chance.randrange(stops) for _ in range(chance.randint(2, 7))]
        for _ in range(chance.randint(1, 8)):
            at, calls = chance.randrange(5 * 3600, 27 * 3600), []
            for stop in way:
                calls.append(
                    Call(stop, at, at + chance.choice((0, 0, 90)), chance.random() > 0.1, chance.random() > 0.1, line)
                )
                at = calls[-1].departure_s + chance.randrange(60, 1500)
            runs.append(Run(tuple(calls), chance.randrange(2)))
    walks = [(*chance.sample(range(stops), 2), chance.randint(2, 6)) for _ in range(5)]
    first = date(2026, 10, 22).toordinal()
    calendars = [frozenset(range(first, first + 8)), frozenset(range(first, first + 8, 2))]
    return build_timetable(HELSINKI, [2] * stops, walks, runs, calendars, 8)


def list_connections(timetable: Timetable) -> Iterator[tuple[int, int, int, int, tuple[int, int, int], bool, bool]]:
    """(from, to, departure, arrival, run, boarding, alighting) between neighbouring stops, on every day."""
    for number, pattern in enumerate(timetable.patterns):
        for run, calendar in enumerate(pattern.calendar):
            for day in timetable.calendars[calendar]:
                start = timetable.day_start_min(day)
                for place in range(len(pattern.stops) - 1):
                    yield (
                        pattern.stops[place], pattern.stops[place + 1], start + int(pattern.departure[run, place]),
                        start + int(pattern.arrival[run, place + 1]), (number, run, day, place),
                        pattern.boarding[place], pattern.alighting[place + 1],
                    )  # fmt: skip


class PlainSearch:
    """The Pareto set by a search over (stop or vehicle, vehicles used): no rounds, no patterns, no pruning."""

    def __init__(self, timetable: Timetable) -> None:
        self.timetable = timetable
        self.leaving: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        self.on: dict[tuple[int, ...], tuple[int, int, bool]] = {}
        for a, b, departure, arrival, run, boards, alights in list_connections(timetable):
            self.on[run] = (b, arrival, alights)
            if boards:
                self.leaving.setdefault(a, []).append((departure, run))

    def run(self, start: int, end: int, at: int) -> list[tuple[int, int]]:
        walk = find_walk(self.timetable, {start: 0}, {end: 0}, at)
        best: dict[int, int] = {0: walk.arrival_min} if walk else {}
        queue: list[tuple[int, int, bool, tuple[int, ...]]] = [(at, 0, False, (start,))]
        seen: set[tuple[int, bool, tuple[int, ...]]] = set()
        while queue:
            time, used, riding, where = heappop(queue)
            if (used, riding, where) in seen or used > 8:
                continue
            seen.add((used, riding, where))
            for step in self.list_steps(time, used, riding, where):
                if step[0] <= at + LONGEST_MIN:
                    heappush(queue, step)
            for stop, there in self.list_arrivals(where) if riding else ():
                if stop == end and there <= at + LONGEST_MIN:
                    best[used - 1] = min(there, best.get(used - 1, there))
        ordered = [(best[transfers], transfers) for transfers in sorted(best)]
        return [one for place, one in enumerate(ordered) if all(one[0] < other[0] for other in ordered[:place])]

    def list_arrivals(self, run: tuple[int, ...]) -> list[tuple[int, int]]:
        stop, arrival, alights = self.on[run]
        near = [(other, arrival + minutes) for other, minutes in self.timetable.footpaths[stop]]
        return [(stop, arrival), *near] if alights else []

    def list_steps(
        self, time: int, used: int, riding: bool, where: tuple[int, ...]
    ) -> Iterator[tuple[int, int, bool, tuple[int, ...]]]:
        if not riding:
            yield from ((at, used + 1, True, run) for at, run in self.leaving.get(where[0], ()) if at >= time)
            return
        if (further := (*where[:3], where[3] + 1)) in self.on:
            yield time, used, True, further
        here = self.on[where][0]
        for stop, there in self.list_arrivals(where):
            yield there + (self.timetable.change_min[stop] if stop == here else 0), used, False, (stop,)


def pareto(journeys: list[Journey]) -> list[tuple[int, int]]:
    return [(journey.arrival_min, journey.transfers) for journey in journeys]


@pytest.mark.parametrize("seed", range(6))
def test_raptor_and_nigiri_find_what_a_plain_search_finds(seed: int) -> None:
    timetable = draw_network(seed)
    planners, plain = list_planners(timetable), PlainSearch(timetable)
    chance = random.Random(seed)
    found = 0
    for _ in range(25):
        start, end = chance.sample(range(12), 2)
        at = timetable.day_start_min(date(2026, 10, 23).toordinal() + chance.randrange(5)) + chance.randrange(1440)
        right = plain.run(start, end, at)
        found += bool(right)
        for planner in planners:
            assert pareto(planner.plan({start: 0}, {end: 0}, at)) == right
    assert found > 5


@pytest.mark.parametrize("seed", range(3))
def test_the_legs_of_a_journey_fit_together(seed: int) -> None:
    timetable = draw_network(seed)
    chance = random.Random(seed)
    for _ in range(40):
        start, end = chance.sample(range(12), 2)
        at = timetable.day_start_min(date(2026, 10, 23).toordinal()) + chance.randrange(1440)
        for journey in Raptor(timetable).plan({start: 0}, {end: 0}, at):
            stop, ready = start, at
            for before, leg in zip((None, *journey.legs), journey.legs, strict=False):
                changed = timetable.change_min[stop] if isinstance(before, Ride) and isinstance(leg, Ride) else 0
                assert leg.from_stop == stop
                assert leg.departure_min >= ready + changed
                stop, ready = leg.to_stop, leg.arrival_min
            assert (stop, ready) == (end, journey.arrival_min)
            assert sum(isinstance(leg, Ride) for leg in journey.legs) in (journey.transfers + 1, 0)


@pytest.mark.parametrize("seed", range(4))
def test_all_journeys_worth_taking_in_a_while_are_those_of_every_minute(seed: int) -> None:
    timetable = draw_network(seed)
    planners = list_planners(timetable)
    chance = random.Random(seed)
    for _ in range(4):
        start, end = chance.sample(range(12), 2)
        first = timetable.day_start_min(date(2026, 10, 23).toordinal()) + chance.randrange(6 * 60, 20 * 60)
        last = first + 90
        every = [
            (journey.departure_min, journey.arrival_min, journey.transfers)
            for minute_ in range(first, last + 1)
            for journey in planners[0].plan({start: 0}, {end: 0}, minute_)
            if any(isinstance(leg, Ride) for leg in journey.legs)
        ]
        right = {
            one
            for one in every
            if one[0] <= last
            and not any(b[0] >= one[0] and b[1] <= one[1] and b[2] <= one[2] and b != one for b in every)
        }
        for planner in planners:
            found = plan_while(planner, {start: 0}, {end: 0}, first, last)
            rides = [journey for journey in found if any(isinstance(leg, Ride) for leg in journey.legs)]
            told = {(one.departure_min, one.arrival_min, one.transfers) for one in rides}
            assert {one for one in told if one[0] <= last} == right
            assert right or all(one[0] > last for one in told)
