"""Journeys by nigiri and by our own RAPTOR in the same timetables: the same Pareto sets? And how long each takes.

    dongne bench transit --data ../datasets
    dongne bench transit --data ../datasets --queries 200 --seed 9

Random pairs of stops, days of service (days on which clocks change are drawn often) and times of day. Nigiri alone is timed as
it is called; the whole answer, with its trips found again in our timetable, stands beside it. Every difference is counted and printed.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench._running import machine

from dongne.adapters.nigiri import Nigiri, can_plan
from dongne.methods.raptor import Raptor
from dongne.methods.timetable import Journey, Timetable, find_walk, list_best
from dongne.standards.gtfs.feed import Feed
from dongne.standards.gtfs.planning import plan_in
from dongne.standards.gtfs.read import read

FEEDS = {
    "Kuopio": "gtfs_kuopio/gtfs_kuopio_finland.zip",
    "Porto Alegre, buses": "porto_alegre/poa_eptc.zip",
    "Porto Alegre, trains": "porto_alegre/poa_trensurb.zip",
}
SHOWN = 5


@dataclass
class Comparison:
    """What was found in one timetable; times are milliseconds of the processor."""

    queries: int = 0
    with_journey: int = 0
    same: int = 0
    nigiri_ms: list[float] = field(default_factory=list)
    with_trips_ms: list[float] = field(default_factory=list)
    raptor_ms: list[float] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    retold: int = 0


def main(argv: Sequence[str]) -> int:
    """Compares; 1 where Pareto sets differ."""
    parser = argparse.ArgumentParser(prog="dongne bench transit", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--queries", type=int, default=2_000, help="in each timetable (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random questions (%(default)s)")
    arguments = parser.parse_args(argv)
    print(machine())
    differences = 0
    for name, place in FEEDS.items():
        found = compare(arguments.data / place, arguments.queries, arguments.seed)
        differences += len(found.different)
        print(
            f"{name}: {found.same:,} of {found.queries:,} Pareto sets the same, {found.with_journey:,} with a journey, "
            f"{found.retold} told anew\n"
            f"  nigiri        {_spread(found.nigiri_ms)}\n"
            f"  with trips    {_spread(found.with_trips_ms)}\n"
            f"  own RAPTOR    {_spread(found.raptor_ms)}"
        )
        for line in found.different[:SHOWN]:
            print(f"  differs: {line}")
    return 1 if differences else 0


def compare(file: Path, queries: int, seed: int) -> Comparison:
    """The same random questions to both planners."""
    feed, _ = read(file.read_bytes())
    if feed is None:
        raise SystemExit(f"{file} can't be used; `dongne gtfs check {file}` says why")
    timetable = plan_in(feed)
    if not can_plan(timetable):
        raise SystemExit(f"{file} has change times that nigiri doesn't know")
    nigiri, raptor = Nigiri(timetable), Raptor(timetable)
    found = Comparison()
    for start, end, at_min in draw(feed, timetable, queries, seed):
        began = time.process_time()
        raw = nigiri.query({start: 0}, {end: 0}, at_min)
        asked = time.process_time()
        theirs = nigiri.plan({start: 0}, {end: 0}, at_min)
        told = time.process_time()
        ours = raptor.plan({start: 0}, {end: 0}, at_min)
        walk = find_walk(timetable, {start: 0}, {end: 0}, at_min)
        found.nigiri_ms.append((asked - began) * 1e3)
        found.with_trips_ms.append((told - asked) * 1e3)
        found.raptor_ms.append((time.process_time() - told) * 1e3)
        found.queries += 1
        found.with_journey += bool(ours)
        bare = list_best([*([walk] if walk else []), *(Journey(one.dest_time, one.transfers, ()) for one in raw)])
        if _pareto(bare) != _pareto(theirs):  # also where our own planner told a journey anew
            found.different.append(
                f"{start} -> {end} at minute {at_min}: nigiri's own {_pareto(bare)} told as {_pareto(theirs)}"
            )
        elif _pareto(theirs) == _pareto(ours):
            found.same += 1
        else:
            found.different.append(
                f"{feed.stops[start].id} -> {feed.stops[end].id} at minute {at_min}: nigiri {_pareto(theirs)}, own {_pareto(ours)}"
            )
    found.retold = nigiri.retold
    return found


def draw(feed: Feed, timetable: Timetable, queries: int, seed: int) -> list[tuple[int, int, int]]:
    """(stop, stop, minute since 1970); every fourth on a day around a change of the clocks, where the feed has one. Sorted by
    time, so that what runs on a day is worked out once."""
    chance = random.Random(seed)
    served = [stop for stop, patterns in enumerate(timetable.serving) if patterns]
    first, last = (day.toordinal() for day in feed.get_span())
    lengths = {day: timetable.day_start_min(day + 1) - timetable.day_start_min(day) for day in range(first, last)}
    odd = [near for day, minutes in lengths.items() if minutes != 1440 for near in (day - 1, day, day + 1)]
    found = []
    for number in range(queries):
        day = chance.choice(odd) if odd and number % 4 == 0 else chance.randint(first, last)
        start, end = chance.sample(served, 2)
        found.append((start, end, timetable.day_start_min(day) + chance.randrange(1440)))
    return sorted(found, key=lambda one: one[2])


def _pareto(journeys: list[Journey]) -> list[tuple[int, int]]:
    return [(journey.arrival_min, journey.transfers) for journey in journeys]


def _spread(times_ms: list[float]) -> str:
    ordered = sorted(times_ms)
    return (
        f"{statistics.mean(ordered):8.3f} ms mean, {statistics.median(ordered):8.3f} median, "
        f"{ordered[int(len(ordered) * 0.95)]:8.3f} p95, of the processor"
    )
