"""What if a setting were another: counted beside what is in force, in this process and in one of its own."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from dongne.lab.laboratory import Laboratory
from dongne.model.city import CityConfig
from dongne.model.errors import BadInput
from dongne.model.records import RecordKind, SettingChange
from dongne.model.times import to_us
from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.manifest import SERVICES, read_manifest
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.what_if import WhatIf, compare
from dongne.stores.embedded import EmbeddedStore, SequenceFile

SINCE, UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
START = datetime(2026, 11, 2, tzinfo=UTC)


class Clock:
    def now_us(self) -> int:
        return to_us(START)


@pytest.fixture
def fillings(tmp_path: Path) -> Path:
    """One basket, filled by 2 % an hour to 96 % and emptied, four times over."""
    lines = [msgspec.json.encode({"thing": {"id": 1, "kind": "waste_basket"}})]
    for hour in range(4 * 48):
        at = (START + timedelta(hours=hour)).isoformat()
        lines.append(msgspec.json.encode({"at": at, "observe": [[1, "fill_level", 2.0 * (hour % 48)]]}))
    file = tmp_path / "records.jsonl"
    file.write_bytes(b"\n".join(lines))
    return file


def opened(found: WhatIf) -> tuple[int, int]:
    (row,) = [row for row in found.rows if row.sort == "work_order/collect open"]
    return row.present, row.tried


def test_bins_that_may_never_be_ordered_are_not_and_the_present_stays(fillings: Path) -> None:
    properties = read_manifest(SERVICES / "smart_bins").list_properties()
    records = ListReader(read_example(fillings, "smart_bins", properties))
    values = {"full_percent": 100.0, "least_percent": 100.0}
    found = compare(records, "smart_bins", "Europe/Helsinki", values, SINCE, UNTIL)
    assert opened(found) == (4, 0)
    assert (found.things_changed, found.things) == (1, 1)


def test_only_facts_of_the_asked_time_count(fillings: Path) -> None:
    properties = read_manifest(SERVICES / "smart_bins").list_properties()
    records = ListReader(read_example(fillings, "smart_bins", properties))
    since = START + timedelta(days=2)
    found = compare(
        records, "smart_bins", "Europe/Helsinki", {"full_percent": 100.0, "least_percent": 100.0}, since, UNTIL
    )
    assert opened(found) == (3, 0)


def test_a_recorded_change_of_a_tried_setting_counts_for_the_present_only(fillings: Path) -> None:
    properties = read_manifest(SERVICES / "smart_bins").list_properties()
    records = read_example(fillings, "smart_bins", properties)
    change = SettingChange("smart_bins", "city", {"full_percent": 100.0, "least_percent": 100.0})
    setting = msgspec.structs.replace(
        records[0], number=2, kind=RecordKind.SETTING, body=msgspec.msgpack.encode(change)
    )
    moved = [records[0], setting, *(msgspec.structs.replace(r, number=r.number + 1) for r in records[1:])]
    tried = {"full_percent": 85.0, "least_percent": 50.0}
    found = compare(ListReader(moved), "smart_bins", "Europe/Helsinki", tried, SINCE, UNTIL)
    assert opened(found) == (0, 4)


def test_an_answer_has_nothing_to_compare() -> None:
    with pytest.raises(BadInput, match="emits nothing"):
        compare(ListReader([]), "whats_near", "Europe/Helsinki", {}, SINCE, UNTIL)


def test_the_laboratory_replays_in_another_process_beside_the_open_store(fillings: Path, tmp_path: Path) -> None:
    properties = read_manifest(SERVICES / "smart_bins").list_properties()
    store = EmbeddedStore.open(tmp_path / "city", Clock())
    entries = [Entry(r.kind, r.body, r.count) for r in read_example(fillings, "smart_bins", properties)]
    store.submit(Transaction(entries)).result()
    config = CityConfig(id="x", name={"en": "X"}, zone="Europe/Helsinki", bounds=(24.0, 60.0, 25.0, 61.0))
    laboratory = Laboratory(config, partial(SequenceFile, tmp_path / "city"))
    values = {"full_percent": 100.0, "least_percent": 100.0}
    future = laboratory.ask("smart_bins", values, SINCE, UNTIL, store.head())
    assert laboratory.ask("smart_bins", values, SINCE, UNTIL, store.head()) is future
    assert opened(future.result(timeout=60)) == (4, 0)
    laboratory.close()
    store.close()
