"""Tables people have, into the real store."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dongne.adapters.clock import CityClock
from dongne.adapters.table_import import ImportOptions, import_table
from dongne.adapters.tables import Layout, Quantity, guess_layout, property_key, read_instant
from dongne.model.entities import Datastream
from dongne.model.errors import BadInput
from dongne.runtime.intake import Intake
from dongne.stores.embedded.store import EmbeddedStore

SEOUL = Layout(time="", zone="Asia/Seoul")
WIDE = "time;station;temperature (°C);humidity [%]\n" + "".join(
    f"2026-11-0{day} 0{hour}:00;{station};{day + hour / 10};{50 + hour}\n"
    for day in (1, 2)
    for hour in (0, 1, 2)
    for station in ("roof", "yard")
)


@pytest.fixture
def store(open_store: Callable[..., EmbeddedStore]) -> EmbeddedStore:
    now = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1e6)
    return open_store(CityClock(wall=lambda: now))


def save(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def values(store: EmbeddedStore, thing: str, key: str) -> tuple[Datastream, list[float]]:
    found = [
        s for s in store.graph.datastreams.values()
        if store.graph.things[s.thing_id].name == thing and store.graph.property_key(s) == key
    ]  # fmt: skip
    assert len(found) == 1
    _, results = store.series(found[0].id, datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    return found[0], results.tolist()


def test_a_wide_table_becomes_things_datastreams_and_observations(store: EmbeddedStore, tmp_path: Path) -> None:
    file = save(tmp_path, "weather.csv", WIDE)
    progress: list[tuple[int, int]] = []
    report = import_table(store, Intake(store), file, ImportOptions(layout=SEOUL), lambda *p: progress.append(p))
    assert (report.stored, report.fault_count, report.new_things) == (24, 0, ["roof", "yard"])
    stream, temperatures = values(store, "roof", "temperature")
    assert temperatures == [1.0, 1.1, 1.2, 2.0, 2.1, 2.2]
    assert stream.unit_of_measurement.symbol == "°C"
    assert values(store, "yard", "humidity")[1] == [50, 51, 52, 50, 51, 52]
    assert progress[-1] == (24, 24)


def test_times_without_an_offset_are_in_the_zone_that_was_said(store: EmbeddedStore, tmp_path: Path) -> None:
    import_table(store, Intake(store), save(tmp_path, "weather.csv", WIDE), ImportOptions(layout=SEOUL))
    stream, _ = values(store, "roof", "temperature")
    latest = store.latest(stream.id)
    assert latest is not None
    assert datetime.fromtimestamp(latest.time_us / 1e6, UTC) == datetime(2026, 11, 1, 17, tzinfo=UTC)


def test_importing_the_same_table_again_changes_nothing_and_a_longer_one_adds_the_rest(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    options = ImportOptions(layout=SEOUL)
    import_table(store, Intake(store), save(tmp_path, "weather.csv", WIDE), options)
    head = store.head()
    again = import_table(store, Intake(store), tmp_path / "weather.csv", options)
    assert (again.stored, again.duplicates, again.new_things, store.head()) == (0, 24, [], head)
    longer = save(tmp_path, "weather.csv", WIDE + "2026-11-03 00:00;roof;3.0;60\n")
    assert import_table(store, Intake(store), longer, options).stored == 2


def test_a_long_table_of_json_lines_with_places(store: EmbeddedStore, tmp_path: Path) -> None:
    text = "\n".join(
        f'{{"ts": {1_793_000_000 + n * 60}, "device": "d{n % 2}", "metric": "Fill level", "value": {n}, '
        f'"lat": 60.17, "lon": 24.94}}'
        for n in range(6)
    )
    report = import_table(store, Intake(store), save(tmp_path, "bins.jsonl", text), ImportOptions(kind="waste_basket"))
    assert report.streams == [("d0", "fill_level", "%"), ("d1", "fill_level", "%")]
    thing = store.graph.find_by_source("table:d0")
    assert thing is not None
    assert thing.kind == "waste_basket"
    assert store.graph.find_point(thing.id) == (24.94, 60.17)


def test_a_table_that_names_no_thing_belongs_to_the_one_that_was_said(store: EmbeddedStore, tmp_path: Path) -> None:
    text = "date,rain\n2026-11-01T00:00Z,0.2\n2026-11-01T01:00Z,0.4\n"
    options = ImportOptions(thing="School roof", property="precipitation", unit="mm/h")
    import_table(store, Intake(store), save(tmp_path, "rain.csv", text), options)
    assert values(store, "School roof", "precipitation")[1] == [0.2, 0.4]


def test_a_thing_that_is_there_gets_the_values(store: EmbeddedStore, tmp_path: Path) -> None:
    options = ImportOptions(layout=SEOUL)
    import_table(store, Intake(store), save(tmp_path, "a.csv", WIDE), options)
    text = "time,name,pressure\n2026-11-01T00:00Z,roof,1013\n"
    report = import_table(store, Intake(store), save(tmp_path, "b.csv", text), ImportOptions())
    assert report.new_things == []
    assert len([t for t in store.graph.things.values() if t.name == "roof"]) == 1


def test_a_dry_run_shows_and_writes_nothing(store: EmbeddedStore, tmp_path: Path) -> None:
    file = save(tmp_path, "weather.csv", WIDE)
    report = import_table(store, Intake(store), file, ImportOptions(layout=SEOUL, dry_run=True))
    assert (report.stored, len(report.preview), store.head()) == (24, 5, 0)
    assert report.layout.time == "time"
    assert report.layout.quantities[0] == Quantity("temperature (°C)", "temperature", "°C")


def test_faults_are_named_by_line_and_column_and_the_rest_goes_in(store: EmbeddedStore, tmp_path: Path) -> None:
    text = (
        "time,thing,temperature\n"
        "2026-11-01T00:00Z,a,1\n"
        "yesterday,a,2\n"
        "2026-11-01T02:00Z,a,warm\n"
        "2026-11-01T03:00Z,a\n"
        "2026-11-01T04:00Z,a,\n"
        "2026-11-01T05:00Z,a,500\n"
        "2036-11-01T05:00Z,a,5\n"
        "2026-11-01T06:00Z,a,6\n"
        "2026-11-01T07:00Z,a,7\n"
    )
    report = import_table(store, Intake(store), save(tmp_path, "t.csv", text), ImportOptions())
    assert values(store, "a", "temperature")[1] == [1.0, 6.0, 7.0]
    told = {fault.line: str(fault) for fault in report.faults}
    assert sorted(told) == [3, 4, 5, 7, 8]
    assert "no ISO 8601 time" in told[3]
    assert "'warm' is no finite number" in told[4]
    assert "2 cells, but 3 columns" in told[5]
    assert "outside" in told[7]
    assert report.fault_count == 5


def test_a_table_of_faults_is_refused_whole(store: EmbeddedStore, tmp_path: Path) -> None:
    text = "time,level\n" + "01.11.2026 10:00,5\n" * 10
    with pytest.raises(BadInput, match="10 of 10 values can't be read, so nothing was imported: line 2, time"):
        import_table(store, Intake(store), save(tmp_path, "t.csv", text), ImportOptions())
    assert store.head() == 0


def test_a_unit_of_another_kind_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    text = "time,temperature (m)\n2026-11-01T00:00Z,5\n"
    with pytest.raises(BadInput, match="'m' can't be turned into 'Cel'"):
        import_table(store, Intake(store), save(tmp_path, "t.csv", text), ImportOptions())


def test_a_table_without_a_time_says_which_columns_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no column is named like a time.*when, level"):
        guess_layout(save(tmp_path, "t.csv", "when,level\n2026,5\n"))
    with pytest.raises(BadInput, match=r"ends in \.csv"):
        guess_layout(save(tmp_path, "t.xlsx", "x"))
    with pytest.raises(BadInput, match="no column 'Zeit'"):
        guess_layout(save(tmp_path, "t.csv", "when,level\n2026,5\n"), Layout(time="Zeit"))


def test_compressed_tables_tabs_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    file = tmp_path / "t.tsv.gz"
    file.write_bytes(gzip.compress("\ufefftimestamp\tsensor id\tlux\n2026-11-01T00:00Z\t7\t5\n".encode()))
    found = guess_layout(file)
    assert (found.time, found.thing) == ("timestamp", "sensor id")
    assert [q.property for q in found.quantities] == ["lux"]


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-01T09:00:00+09:00",
        "2026-11-01T00:00Z",
        1793491200,
        "1793491200000",
        1793491200000000,
        "2026-11-01 00:00:00Z",
    ],
)
def test_an_instant_is_read_however_it_is_written(cell: object) -> None:
    assert read_instant(cell) == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_time_in_a_format_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="say its time zone"):
        read_instant("01.11.2026 10:00", None, "%d.%m.%Y %H:%M")


def test_keys_are_made_of_names_in_any_script() -> None:
    assert property_key("Fill level ") == "fill_level"
    assert property_key("미세먼지 PM10") == "미세먼지_pm10"
