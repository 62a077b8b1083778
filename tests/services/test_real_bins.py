"""smart_bins on what real bins sent, where DONGNE_DATA has it. The figures in docs/methods.md come from `-s`."""

import json
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dongne.adapters.series import dtu, edinburgh
from dongne.model.entities import Thing
from dongne.model.graph import ThingGraph
from dongne.model.times import EPOCH, format_instant, from_us
from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.facts import Fact
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import replay
from dongne.services.smart_bins.simulate import DAY_US, HOUR_US, Simulator

NOTICED_WITHIN = timedelta(hours=3)


def facts(rows: list[tuple[int, int, float]], zone: str, folder: Path) -> list[Fact]:
    """What smart_bins says on (microseconds, thing, percent)."""
    things = sorted({thing for _, thing, _ in rows})
    lines: list[dict[str, Any]] = [{"thing": {"id": thing, "kind": "waste_basket"}} for thing in things]
    lines += [{"at": format_instant(from_us(us)), "observe": [[thing, "fill_level", v]]} for us, thing, v in rows]
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    loaded = load("smart_bins")
    assert isinstance(loaded, LoadedService)
    records = read_example(file, "smart_bins", loaded.manifest.list_properties())
    return list(replay(ListReader(records), [loaded], ZoneInfo(zone)))


@pytest.fixture(scope="module")
def recordings(data_folder: Path) -> dict[str, dtu.Recording]:
    return dtu.read(data_folder / "bins_dtu_copenhagen")


def test_bins_that_send_noise_are_not_ordered_all_the_time(
    recordings: dict[str, dtu.Recording], tmp_path: Path
) -> None:
    rows = [
        (us, number, value)
        for number, record in enumerate(recordings.values(), 1)
        for us, value in zip(record.local_us.tolist(), record.value.tolist(), strict=True)
    ]
    found = facts(sorted(rows), "Europe/Copenhagen", tmp_path)
    opened = [f.name for f in found if f.action == "open" and "/work_order/" in f.name]
    bin_days = sum((int(r.local_us[-1]) - int(r.local_us[0])) / DAY_US for r in recordings.values())
    print(f"\nDTU: {len(rows)} readings of {len(recordings)} bins, {bin_days:.0f} bin days; orders: {opened}")
    assert len(opened) == len(set(opened))
    assert len(opened) <= bin_days / 5


def test_real_collections_in_edinburgh_are_noticed(data_folder: Path, tmp_path: Path) -> None:
    """Times and levels of the collections are real; readings between them are simulated with noise, echoes and gaps."""
    file = data_folder / "bins_edinburgh/enevo_collections_2016-06-03_2016-08-09.parquet"
    sites = dict(list(edinburgh.read_collections(file).items())[:20])
    things = [Thing(id=n, name=s, properties={"kind": "waste_basket"}) for n, s in enumerate(sites, 1)]
    parameters = {
        "zone": "UTC", "interval_min": [20.0, 30.0], "noise_percent": 2.0, "echo_share": 0.01, "lost_share": 0.02,
        "silent_share": 0.0, "silent_days": [0.5, 1.0], "collections": sites,
    }  # fmt: skip
    simulator = Simulator(ThingGraph(things), parameters, 5)
    start_us = max(c[0].local_us for c in sites.values())
    simulator.step(start_us)
    step = simulator.step(start_us + 28 * DAY_US)
    found = facts([(r.time_us, r.thing, r.value) for r in step.rows], "UTC", tmp_path)
    low_us, high_us = start_us + 2 * DAY_US, start_us + 28 * DAY_US
    noticed = emptied = falls_seen = falls_true = 0
    for thing, collections in enumerate(sites.values(), 1):
        at = [
            EPOCH + timedelta(microseconds=c.local_us)
            for c in collections
            if low_us < c.local_us < high_us - 4 * HOUR_US
        ]
        big = [t for t, c in _drops(collections) if t in at and c >= 35]
        falls = [t for t in _falls(found, thing) if low_us < (t - EPOCH) // timedelta(microseconds=1) < high_us]
        emptied, falls_seen = emptied + len(big), falls_seen + len(falls)
        noticed += sum(any(timedelta() <= fall - t <= NOTICED_WITHIN for fall in falls) for t in big)
        real = [t for t, _ in _drops(collections)]
        falls_true += sum(any(timedelta() <= fall - t <= NOTICED_WITHIN for t in real) for fall in falls)
    print(
        f"\nEdinburgh: {len(step.rows)} readings of {len(sites)} bins; {noticed} of {emptied} emptyings noticed; "
        f"{falls_seen - falls_true} of {falls_seen} falls were none"
    )
    assert emptied > 100
    assert noticed / emptied > 0.97
    assert falls_true / falls_seen > 0.97


def _drops(collections: list[edinburgh.Collection]) -> list[tuple[datetime, float]]:
    return [(EPOCH + timedelta(microseconds=c.local_us), c.before_percent - c.after_percent) for c in collections]


def _falls(found: list[Fact], thing: int) -> list[datetime]:
    """When the level that is told fell at once by 25 % or more."""
    told = [f for f in found if f.thing == thing and f.name == "fill_level_filtered"]
    return [b.time for a, b in pairwise(told) if (a.value or 0) - (b.value or 0) >= 25]
