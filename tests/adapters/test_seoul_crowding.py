"""Loads and gates of Seoul's Line 2, as its open data have them."""

from pathlib import Path

import pytest

from dongne.adapters.series.seoul_crowding import read_gates, read_loads


def test_loads_are_by_station_way_kind_of_day_and_half_hour(tmp_path: Path) -> None:
    columns = [*[*(f"{h}시{m:02d}분" for h in range(5, 24) for m in (0, 30))][1:], "00시00분", "00시30분"]
    header = ",".join(["연번", "요일구분", "호선", "역번호", "출발역", "상하구분", *columns])
    values = ",".join(str(float(i)) for i in range(len(columns)))
    lines = [f"1,평일,2,222,강남(역),내선,{values}", f"2,토요일,2,222,강남(역),외선,{values}",
             f"3,평일,1,150,서울역,상선,{values}", f"4,평일,2,9001,성수E,내선,{values}"]  # fmt: skip
    file = tmp_path / "loads.csv"
    file.write_text("\n".join([header, *lines]), encoding="utf-8")
    (name, station), *others = read_loads(file).items()
    assert (name, station["number"], others) == ("강남", 222, [])
    working = station["up"]["working"]
    assert len(working) == 48 and working[11] == 0.0 and working[12] == 1.0  # 05:30 and 06:00
    assert (working[0], working[1], working[5]) == (37.0, 38.0, 0.0)  # 00:00, 00:30, and at night
    assert station["down"]["saturday"] == working


def test_the_recorded_files_are_read(data_folder: Path) -> None:
    folder = data_folder / "seoul_metro_crowding"
    loads = read_loads(folder / "seoulmetro_crowding_2023.csv")
    assert len(loads) == 43
    assert max(loads["사당"]["down"]["working"]) == 144.0 == loads["사당"]["down"]["working"][17]
    assert set(loads["강남"]["up"]) == {"working", "saturday", "sunday"}
    gates = read_gates(folder / "seoulmetro_boardings_hourly_2023-05.parquet")
    assert gates["강남"]["on"][18] == pytest.approx(12_436, abs=1)
    assert gates["강남"]["off"][8] == pytest.approx(12_299, abs=1)
    assert set(loads) - set(gates) == set()
