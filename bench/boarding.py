"""The boarding line on a simulated metro: load of each car at the next station, classes, bands, faulty scales; and people who follow it.

    dongne bench boarding                                three seeds at half, normal and double noise
    dongne bench boarding --data FOLDER                  with loads measured on Seoul Line 2
    dongne bench boarding --seeds 7 8 --start 2027-06-07 --noise 1

The real services run over what the scales of simulated trains say; the simulation (docs/simulated-line.md) knows the truth. Counted are cars of
trains that come in from 07:00 to 09:00 and from 18:00 to 20:00 on the days after those of learning, at all stops but the first and the last.

"as it is now": people in the car as it left the station before, from the same calibrated scales. "usual share off" and "usual load" know the truth
of the days of learning, which nobody has; "mean of train" says the same of each car; "mass / 70 kg" takes the tare from the papers.

Figures asked for: error at least 30 % below "as it is now", macro-F1 at least 0.15 above; the 80 % band holds 75 to 85 %; faulty scales
found within 3 stations.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from bench._boarding_behaviour import tell_behaviour
from bench._boarding_city import BenchCity, load_services, read_parameters
from bench._boarding_score import (
    FORECAST,
    METHODS,
    NOW,
    Judge,
    coverage,
    score,
    score_faults,
    score_likeliest,
)

from dongne.adapters.places import get_city_folder
from dongne.methods.crowding_scale import STEPS_PERCENT
from dongne.services.boarding_line.simulated_ride import Stop

SEEDS = (101, 202, 303)
NOISE = (0.5, 1.0, 2.0)


def main(argv: list[str] | None = None) -> int:
    """Prints the figures; 1 where a key was parked."""
    given = _arguments(argv)
    days = [given.start + timedelta(days=n) for n in range(given.learn + given.days)]
    folder = get_city_folder(given.city)
    parameters = read_parameters(folder, given.data)
    services = [service.id for service in load_services()]
    origin = parameters.get("loads_origin") or "invented loads (no --data)"
    print(
        f"services: {', '.join(services) or 'none'}; loads: {origin}; learning {days[0]} to {days[given.learn - 1]}, counted {', '.join(map(str, days[given.learn :]))}"
    )
    kept: dict[int, dict[Any, list[Stop]]] = {seed: {} for seed in given.seeds}
    parked = 0
    for noise in given.noise:
        began = time.process_time()
        judges = []
        for seed in given.seeds:
            city = BenchCity(folder, given.data, {**parameters, "noise": noise}, seed, kept[seed])
            judges.append(run(city, days, given.learn))
            parked += tell_parked(city)
        tell(noise, given.seeds, judges)
        rows = sum(judge.city.observations for judge in judges)
        print(f"  {rows:,} observations, {time.process_time() - began:.0f} s of processor time", flush=True)
        if given.behaviour and "boarding_line" in services and noise == min(given.noise, key=lambda n: abs(n - 1.0)):
            tell_behaviour(given.seeds, judges, days[given.learn :])
    return 1 if parked else 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="of the simulation (%(default)s)")
    parser.add_argument(
        "--noise", type=float, nargs="+", default=list(NOISE), help="of the scales; 1 is normal (%(default)s)"
    )
    parser.add_argument(
        "--start", type=date.fromisoformat, default=date(2026, 11, 2), help="the first day of learning (%(default)s)"
    )
    parser.add_argument("--learn", type=int, default=2, help="days of learning (%(default)s)")
    parser.add_argument("--days", type=int, default=1, help="days that count (%(default)s)")
    parser.add_argument("--city", default="helsinki", help="whose first line (%(default)s)")
    parser.add_argument("--data", type=Path, help="a folder with seoul_metro_crowding")
    parser.add_argument(
        "--no-behaviour", dest="behaviour", action="store_false", help="without people who follow the line"
    )
    return parser.parse_args(argv)


def run(city: BenchCity, days: Sequence[date], learn: int) -> Judge:
    """A simulated line over these days, the first `learn` of them for learning."""
    judge = Judge(city)
    for number, day in enumerate(days):
        if number == learn:
            judge.learned = city.snapshot()
        for trip, stop in city.run([day]):
            judge.watch(trip, stop, learning=number < learn)
    return judge


def tell_parked(city: BenchCity) -> int:
    """Says which keys failed; how many."""
    parked = city.parked()
    for text in parked[:3]:
        print(f"  parked: {text}")
    return len(parked)


def tell(noise: float, seeds: Sequence[int], judges: Sequence[Judge]) -> None:
    """The table of one level of noise: each seed, and the mean."""
    print(f"\nnoise {noise:g}")
    classes = np.concatenate([np.digitize(judge.sheet.truth, STEPS_PERCENT) for judge in judges])
    shares = ", ".join(f"{share:.0%}" for share in np.bincount(classes, minlength=4) / max(len(classes), 1))
    missing = sum(len(judge.sheet.truth) - len(judge.sheet.list_kept()) for judge in judges)
    print(
        f"  {len(classes):,} cars; relaxed, normal, caution, crowded: {shares}; {missing} left out, of which nothing was said"
    )
    print(f"  {'':18} {'MAE in people':>30} {'macro-F1':>30}   (mean; seeds {', '.join(map(str, seeds))})")
    means: dict[str, tuple[float, float]] = {}
    for name in METHODS:
        scores = [found for judge in judges if (found := score(judge.sheet, name)) is not None]
        if scores:
            means[name] = (float(np.mean([s.mae_people for s in scores])), float(np.mean([s.macro_f1 for s in scores])))
            mae = f"{means[name][0]:.2f} ({', '.join(f'{s.mae_people:.2f}' for s in scores)})"
            f1 = f"{means[name][1]:.3f} ({', '.join(f'{s.macro_f1:.3f}' for s in scores)})"
            print(f"  {name:18} {mae:>30} {f1:>30}")
    if FORECAST in means and NOW in means:
        print(
            f"  forecast against as it is now: error {means[FORECAST][0] / means[NOW][0] - 1:+.0%}, macro-F1 {means[FORECAST][1] - means[NOW][1]:+.3f} (asked: -30%, +0.150)"
        )
        bands = [band for judge in judges if (band := coverage(judge.sheet)) is not None]
        likely = [found for judge in judges if (found := score_likeliest(judge.sheet)) is not None]
        print(
            f"  80 % band holds {np.mean(bands):.1%} (asked: 75 to 85; {', '.join(f'{b:.1%}' for b in bands)}); macro-F1 of the likeliest class {np.mean(likely):.3f}"
        )
    _tell_faults(judges)


def _tell_faults(judges: Sequence[Judge]) -> None:
    scores = [score_faults(judge) for judge in judges]
    faults, stops = sum(s.faults for s in scores), [n for s in scores for n in s.stops_until_found]
    within = sum(n <= 3 for n in stops)
    missed = [kind for s in scores for kind in s.missed]
    false, car_stops = sum(s.false_reports for s in scores), sum(s.car_stops for s in scores)
    found = (
        f"{len(stops)} found, {within} within 3 stations (at the {np.median(stops):.0f}. in the median, {max(stops)}. at most)"
        if stops
        else "none found"
    )
    print(
        f"  scales: {faults} faults, {found}; missed: {', '.join(missed) or 'none'}; {false} false reports in {car_stops:,} cars at stops"
    )


if __name__ == "__main__":
    sys.exit(main())
