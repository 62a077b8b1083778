"""A simulated night of lamp_ahead: the energy it takes against full light all night, and whether anybody walked in the dark.

    dongne bench lamps --lamps 100 --hours 20.1

A made-up district (streets of 20 lamps 30 m apart, joined at both ends) with the service's own simulator: nothing in it is measured.
"""

import argparse
import sys
import time
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from dongne.model.entities import Location, Relation, Thing, put
from dongne.model.graph import ThingGraph
from dongne.model.times import to_us
from dongne.runtime.registry import LoadedService, load
from dongne.services.lamp_ahead.lamp import Settings
from dongne.services.lamp_ahead.simulate import Simulator
from dongne.services.lamp_ahead.trial import Levels, Trial

ZONE = "Europe/Helsinki"
COLUMNS, SPACING_M, STREETS_M = 20, 30.0, 80.0
LON, LAT = 24.94, 60.17


def grid(lamps: int) -> ThingGraph:
    """Streets of 20 lamps, the first and last lamps of neighbouring streets joined."""
    graph = ThingGraph()
    numbers = list(range(1, lamps + 1))
    for n in numbers:
        row, column = divmod(n - 1, COLUMNS)
        point = [LON + column * SPACING_M / 55_400, LAT + row * STREETS_M / 111_195]
        graph.apply([put(Location(id=n, name="", location={"type": "Point", "coordinates": point}))])
        graph.apply([put(Thing(id=n, name=f"lamp {n}", properties={"kind": "street_lamp"}, location_ids=(n,)))])
    along = [(n, n + 1, SPACING_M) for n in numbers[:-1] if n % COLUMNS]
    across = [(n, n + COLUMNS, STREETS_M) for n in numbers[:-COLUMNS] if n % COLUMNS in (0, 1)]
    for i, (a, b, metres) in enumerate(along + across):
        for j, (one, other) in enumerate(((a, b), (b, a))):
            graph.apply(
                [put(Relation(id=2 * i + j + 1, kind="next_lamp", from_id=one, to_id=other, distance_m=metres))]
            )
    return graph


class Walked(NamedTuple):
    """How the passings of a night went: seconds of full light before each, NaN where there was none."""

    first: np.ndarray
    later: np.ndarray


def passings(trial: Trial, start_us: int, end_us: int) -> Walked:
    """Full light before each passing while lamps are on, the first lamp of a walk apart: nobody can know it before."""
    simulator = trial.simulator
    assert isinstance(simulator, Simulator)
    levels, full = Levels(trial.orders), Settings().full_percent
    seen: set[tuple[int, int]] = set()
    first, later = [], []
    for hour_us in range(start_us, end_us, 3_600_000_000):
        for p in simulator.people.passings(hour_us, min(hour_us + 3_600_000_000, end_us)):
            begins = p.walk not in seen
            seen.add(p.walk)
            if simulator.is_silent(p.thing) or levels.at(p.thing, p.at_us) == 0.0:
                continue  # its order says nothing; or it is day
            since = levels.full_since_s(p.thing, p.at_us, full)
            (first if begins else later).append(np.nan if since is None else since)
    return Walked(np.array(first), np.array(later))


def main(argv: list[str] | None = None) -> int:
    """Prints the figures of one night."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lamps", type=int, default=200)
    parser.add_argument("--hours", type=float, default=20.0)
    parser.add_argument("--start", default="2026-11-22T16:00:00+02:00")
    parser.add_argument("--walkers", type=float, default=60.0, help="who set out in the busiest hour")
    parser.add_argument("--missed", type=float, default=0.01, help="share of people a sensor misses")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    loaded = load("lamp_ahead")
    assert isinstance(loaded, LoadedService)
    graph = grid(given.lamps)
    parameters = {"walkers_per_hour": given.walkers, "missed_share": given.missed, "zone": ZONE}
    trial = Trial(loaded, graph, Simulator(graph, parameters, given.seed), ZoneInfo(ZONE))
    start_us = to_us(datetime.fromisoformat(given.start))
    end_us = start_us + int(given.hours * 3.6e9)
    began = time.process_time()
    trial.run(start_us, end_us)
    took_s = time.process_time() - began
    say = sys.stdout.write
    say(
        f"simulated: {given.lamps} lamps, {given.walkers:g} walkers in the busiest hour, from {given.start}, {given.hours:g} h, seed {given.seed}\n"
    )
    say(f"{trial.observations:,} observations, {len(trial.orders):,} orders, {took_s:.1f} s of processor time\n")
    say_energy(trial)
    walked = passings(trial, start_us, end_us)
    dark = int(np.isnan(walked.later).sum())
    say(
        f"passings at night: {len(walked.later):,}, not in full light: {dark} ({dark / max(1, len(walked.later)):.3%})\n"
    )
    since = walked.later[~np.isnan(walked.later)]
    if len(since):
        quick = float((since >= Settings().lead_s).mean())
        say(f"full light {Settings().lead_s:g} s or more before: {quick:.1%}; median {np.median(since):.0f} s before\n")
    opened = sum(event.action == "open" for event in trial.events)
    simulator = trial.simulator
    assert isinstance(simulator, Simulator)
    silent = sum(simulator.is_silent(lamp) for lamp in simulator.lamps)
    say(f"lamps that never answer: {silent}; alerts opened: {opened}\n")
    parked = sum(bool(c.parked) for r in trial.engine.runners.values() for c in r.cells.values())
    say(f"parked keys: {parked}\n")
    return 1 if parked else 0


def say_energy(trial: Trial) -> None:
    """Energy of the night by the lamps' own accounts."""
    saved = sum(value for _, key, value in trial.results if key == "energy_saved")
    full = sum(parameters["full_wh"] for parameters in trial.parameters)
    if full:
        line = f"energy: {(full - saved) / 1000:.1f} kWh instead of {full / 1000:.1f} kWh of full light all night: "
        sys.stdout.write(f"{line}{saved / full:.0%} saved\n")
    else:
        sys.stdout.write("energy: the account is made at 12:00; run past it\n")


if __name__ == "__main__":
    sys.exit(main())
