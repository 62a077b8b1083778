"""A year in simulated homes: emergencies that were caught, wrongful calls to 119, and checks of inactivity, for each home and year.

    dongne bench homes --homes 100 --seeds 4
    dongne bench homes --homes 1000 --seeds 4 5 --noise low middle high

Each home lives its year through the real service, event by event: sleep, outings, visitors, holidays, devices with faults; fires,
falls, hearts that stop and collapses are injected, and what is true is known. Parameters and their sources: bench/homes.toml.
Nothing in it was measured in homes.
"""

import argparse
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from bench._home_year import KINDS, HomeYear, Year

from dongne.methods.proportions import wilson
from dongne.runtime.manifest import define_case_kinds
from dongne.runtime.registry import LoadedService, load

FIRST = date(2026, 1, 5)
DAYS = 365
S = 1_000_000
KOREA_CHECKS = 0.70  # 139,053 in about 200,000 homes, 2022 (Ministry of Health and Welfare, press figures of 2023)
PARAMETERS = Path(__file__).with_name("homes.toml")


def years(given: dict[str, Any], level: str, seed: int, homes: Sequence[int], days: int) -> list[Year]:
    """The years of these homes, in one process."""
    define_case_kinds()
    service = load("home_alarm")
    assert isinstance(service, LoadedService)
    return [HomeYear(service, given, level, seed, home, FIRST).run(days) for home in homes]


def all_years(given: dict[str, Any], level: str, seed: int, homes: int, days: int, jobs: int) -> Iterator[Year]:
    """Those of all homes, with progress on the error stream."""
    parts = [range(start, min(start + 10, homes)) for start in range(0, homes, 10)]
    with ProcessPoolExecutor(jobs) as pool:
        done = 0
        for found in pool.map(years, *zip(*((given, level, seed, part, days) for part in parts), strict=True)):
            done += len(found)
            print(f"\r{level}, seed {seed}: {done} of {homes} homes", end="", file=sys.stderr, flush=True)
            yield from found
    print(file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Prints the figures of each noise level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=1000)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[4])
    parser.add_argument("--noise", nargs="+", default=["low", "middle", "high"], choices=["low", "middle", "high"])
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args(argv)
    given = tomllib.loads(PARAMETERS.read_text(encoding="utf-8"))
    begun_s = time.monotonic()
    for level in arguments.noise:
        found = [
            year
            for seed in arguments.seeds
            for year in all_years(given, level, seed, arguments.homes, arguments.days, arguments.jobs)
        ]
        report(level, found, arguments.days / 365.0)
    print(f"\n{time.monotonic() - begun_s:.0f} s; simulated, nothing in it was measured in homes")
    return 0


def report(level: str, found: list[Year], years_each: float) -> None:
    """The figures of one noise level."""
    count = len(found) * years_each
    print(
        f"\n{level} noise: {count:,.0f} years of homes, {sum(y.alarms for y in found) / count:.2f} alarms a year and home"
    )
    for kind in KINDS:
        if kind in ("fall", "heart_stops"):  # a wearable sees them; without one there is only the quiet
            _report_kind(kind, found, wears=True)
            _report_kind(kind, found, wears=False)
        else:
            _report_kind(kind, found)
    checks: Counter[str] = Counter()
    for year in found:
        checks.update(year.checks)
    print(
        f"  checks of inactivity where nothing was wrong: {sum(checks.values()) / count:.3f} a year and home (Korea, all: {KOREA_CHECKS:.2f})"
    )
    for reason, number in checks.most_common():
        print(f"    {reason}: {number / count:.3f}")
    wrongful = Counter((name.removeprefix("dispatch_"), reason) for year in found for name, reason in year.wrongful)
    print(
        f"  wrongful calls to 119: {sum(wrongful.values()) / count:.4f} a year and home; {sum(y.cancelled for y in found)} of them told twice 'fine'"
    )
    for (sort, reason), number in wrongful.most_common():
        print(f"    {sort}, {reason}: {number / count:.4f}")
    print(f"  alarms that were not closed at the end: {sum(y.unclosed for y in found)}")


def _report_kind(kind: str, found: list[Year], wears: bool | None = None) -> None:
    mine = [one for year in found for one in year.emergencies if one.kind == kind and wears in (None, one.wears)]
    name = kind if wears is None else f"{kind}, {'wears one' if wears else 'no device'}"
    if not mine:
        return
    caught = [one for one in mine if one.human_us is not None]
    low, high = wilson(len(caught), len(mine))
    waits_s = (
        np.array([(one.human_us - one.us) / S for one in caught if one.human_us is not None])
        if caught
        else np.array([np.nan])
    )
    p50, p95, most = np.percentile(waits_s, [50, 95, 100])
    print(
        f"  {name:23} {len(caught):5} of {len(mine):5} caught ({low:.3f} to {high:.3f}); first person after "
        f"{_span(p50)} (median), {_span(p95)} (95 %), {_span(most)} (longest)"
    )
    for one in [one for one in mine if one.human_us is None][:5]:
        seen = "no alarm" if one.alarm_us is None else "an alarm, and nobody"
        print(
            f"    missed: home {one.home}, {'able' if one.is_able else 'not able'} to answer, {'with' if one.wears else 'without'} a wearable: {seen}"
        )


def _span(s: float) -> str:
    if s < 120:
        return f"{s:.0f} s"
    return f"{s / 60:.0f} min" if s < 7200 else f"{s / 3600:.1f} h"
