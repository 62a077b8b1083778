"""People who wait and follow the line: how many stand while there are free seats in the train."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from bench._boarding_city import BenchCity
from bench._boarding_score import Judge, Ridden

from dongne.methods.crowding_scale import class_of
from dongne.services.boarding_line.simulated_line import Trip, draws
from dongne.services.boarding_line.simulated_ride import Counts

FOLLOW_SHARE = 0.5
WALKS = (
    0.5,
    0.3,
    0.2,
)  # of those who follow go one, two, three positions (20 m each) at most; assumed: up to a minute's walk
WORTH_PERCENT = 10.0  # nobody moves for less, where the line says numbers


class Followers:
    """Who waits at a platform and looks at the line; `by_number` where it shows loads in %, else its four classes."""

    def __init__(self, city: BenchCity, seed: int, *, by_number: bool) -> None:
        self.city, self.seed, self.by_number = city, seed, by_number

    def choose(self, trip: Trip, sequence: int, wanted: Counts) -> Counts:
        """Where they get on instead (runtime of a Ride: simulated_ride.Choose)."""
        line = self.city.line.line
        platform = line.platforms[trip.direction_id][sequence - 1].thing
        said = [
            self.city.said.expected.get((platform, int(p))) for p in line.positions_of(trip.train, trip.direction_id)
        ]
        if sequence == 1 or any(one is None for one in said):
            return wanted
        loads = np.array([one[1] for one in said if one is not None])
        shown = loads if self.by_number else np.array([float(class_of(load)) for load in loads])
        chance = draws(self.seed, "followers", trip.number, trip.direction_id, sequence)
        got = wanted.copy()
        for car in range(len(wanted)):
            for reach, people in enumerate(chance.multinomial(chance.binomial(wanted[car], FOLLOW_SHARE), WALKS), 1):
                target = self._target(shown, car, reach)
                got[car] -= people
                got[target] += people
        return got

    def _target(self, shown: np.ndarray, car: int, reach: int) -> int:
        """The emptiest position within reach, the nearest of equal ones; their own where it is not worth while."""
        near = sorted(
            range(max(car - reach, 0), min(car + reach, len(shown) - 1) + 1), key=lambda i: (shown[i], abs(i - car))
        )
        worth = WORTH_PERCENT if self.by_number else 1.0
        return near[0] if shown[car] - shown[near[0]] >= worth else car


def tell_behaviour(seeds: Sequence[int], judges: Sequence[Judge], days: Sequence[date]) -> None:
    """Prints what becomes of the days that count where nobody follows, half follow classes, and half follow numbers. The line is new: on the
    days of learning nobody followed."""
    print(
        f"\n{FOLLOW_SHARE:.0%} of those who wait follow the line: of all passengers stand while a seat is free elsewhere in the train (of those who stand); ride in crowded cars"
    )
    print(f"  {'seed':>6} {'nobody follows':>30} {'the line shows classes':>30} {'the line shows %':>30}")
    for seed, judge in zip(seeds, judges, strict=True):
        ridden = [judge.ridden, *(_follow(judge, seed, days, by_number=by_number) for by_number in (False, True))]
        cells = [
            f"{r.could_sit / max(r.people, 1):.2%} ({r.could_sit / max(r.standing, 1):.1%}); {r.crowded / max(r.people, 1):.1%}"
            for r in ridden
        ]
        print(f"  {seed:>6} {cells[0]:>30} {cells[1]:>30} {cells[2]:>30}", flush=True)


def _follow(judge: Judge, seed: int, days: Sequence[date], *, by_number: bool) -> Ridden:
    city, ridden = judge.city, Ridden()
    city.restore(judge.learned)
    for trip, stop in city.run(days, Followers(city, seed, by_number=by_number).choose):
        if city.is_peak(stop.arrives_us):
            ridden.add(stop, trip.train.seats)
    return ridden
