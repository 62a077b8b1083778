"""Timetables of real cities: every row is used or named, and both planners agree in them."""

from pathlib import Path

import pytest
from bench.transit import compare

from dongne.standards.gtfs.fault import Severity
from dongne.standards.gtfs.read import read

FEEDS = {
    "gtfs_kuopio/gtfs_kuopio_finland.zip": (79_123, {"value_spaces"}),
    "porto_alegre/poa_trensurb.zip": (14_855, {"column_spaces"}),
    "gtfs_berlin/ber_gtfs.zip": (8_865, {"reference_passed_over"}),
}


@pytest.mark.parametrize("place", FEEDS)
def test_every_row_of_a_real_feed_is_used_and_its_slips_are_named(data_folder: Path, place: str) -> None:
    feed, report = read((data_folder / place).read_bytes())
    calls, rules = FEEDS[place]
    assert feed is not None
    assert (report.used, report.count()[Severity.DROPPED]) == (report.rows, 0)
    assert (len(feed.stop_times.trip), {fault.rule for fault in report.faults}) == (calls, rules)


@pytest.mark.parametrize("place", ["gtfs_kuopio/gtfs_kuopio_finland.zip", "porto_alegre/poa_trensurb.zip"])
def test_nigiri_and_raptor_agree_in_real_timetables(data_folder: Path, place: str) -> None:
    pytest.importorskip("pynigiri", reason="there is no wheel of pynigiri for this machine")
    found = compare(data_folder / place, 15, seed=7)
    assert (found.same, found.different) == (15, [])
    assert found.with_journey > 3
