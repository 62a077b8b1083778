"""Charts, series, drawings and files for browsers."""

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from little_city import FOOTWAY, NOW, PEOPLE, Browser, LittleCity, people_at

from dongne.model.times import to_us
from dongne.runtime.ports import ServiceStatus
from dongne.web import assets
from dongne.web.charts import list_ticks
from dongne.web.control_room.feeding import find_columns, order_columns, place_columns
from dongne.web.drawing import WIDTH, Projection
from dongne.web.series import get_line, thin
from dongne.web.shapes import STATE_PATHS, STATES


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 50, 100]),
        (0, 3.2, [0, 1, 2, 3, 4]),
        (-4, 7, [-5, 0, 5, 10]),
        (0, 0, [0, 0.5]),
        (0, 0.03, [0, 0.01, 0.02, 0.03]),
    ],
)
def test_ticks_are_round_and_hold_all_values(low: float, high: float, expected: list[float]) -> None:
    assert list_ticks(low, high) == pytest.approx(expected)


def test_a_thinned_line_keeps_its_peaks() -> None:
    times = np.arange(100_000, dtype=np.int64)
    values = np.sin(times / 5000.0)
    values[[1234, 77_777]] = 50.0, -50.0
    values[500] = np.nan
    kept_times, kept = thin(times, values, 300)
    assert len(kept) <= 302
    assert (kept.max(), kept.min()) == (50.0, -50.0)
    assert (np.diff(kept_times) > 0).all()
    assert (kept_times[0], kept_times[-1]) == (0, 99_999)


def test_the_usual_band_is_that_of_the_same_hour_of_the_weeks_before(city: LittleCity) -> None:
    line = get_line(city.store, city.store.graph.datastreams[PEOPLE], to_us(NOW), 24)
    assert line.band is not None
    hours = [NOW - timedelta(hours=h) for h in range(24, 0, -1)]
    by_time = {
        int(t): (low, high) for t, low, high in zip(line.band.time_us, line.band.low, line.band.high, strict=True)
    }
    for hour in hours:  # the made week repeats, so that its band is the value itself
        assert by_time[to_us(hour)] == pytest.approx((people_at(hour), people_at(hour)))
    assert line.value.tolist() == [people_at(hour) for hour in hours]


def test_a_chart_without_script_has_its_axes_band_and_name(browser: Browser) -> None:
    html = browser.get(f"/things/{FOOTWAY}").text
    chart = re.search(r'<svg class="chart".*?</svg>', html, re.S)
    assert chart is not None
    assert 'class="usual"' in chart[0] and 'class="line"' in chart[0]
    assert "People passing over the last 24 hours" in chart[0]
    assert {"18:00", "00:00", "06:00", "12:00"} <= set(re.findall(r">(\d\d:\d\d)<", chart[0])), (
        "ticks of the city's clocks"
    )


def test_each_state_has_a_shape_of_its_own() -> None:
    assert set(STATE_PATHS) == set(STATES)
    assert len(set(STATE_PATHS.values())) == len(STATES)


def test_what_feeds_what_runs_from_left_to_right_also_through_chains() -> None:
    arrows = [("a", "S"), ("S", "b"), ("b", "T"), ("T", "c"), ("a", "T")]
    columns = order_columns(find_columns(dict.fromkeys("aSbTc", None), arrows), arrows)  # type: ignore[arg-type]
    assert columns == [["a"], ["S"], ["b"], ["T"], ["c"]]
    places = place_columns(columns, arrows)
    assert all(places[begin][0] < places[end][0] for begin, end in arrows)


def test_boxes_of_a_column_never_overlap() -> None:
    arrows = [(f"p{i}", f"s{i % 3}") for i in range(9)] + [(f"s{i}", "out") for i in range(3)]
    names = dict.fromkeys(name for arrow in arrows for name in arrow)
    places = place_columns(order_columns(find_columns(names, arrows), arrows), arrows)  # type: ignore[arg-type]
    by_column: dict[float, list[float]] = {}
    for x, y in places.values():
        by_column.setdefault(x, []).append(y)
    for rows in by_column.values():
        assert (np.diff(sorted(rows)) >= 38).all()


def test_the_services_page_links_every_box(browser: Browser, city: LittleCity) -> None:
    html = browser.get("/services").text
    for status in city.host.statuses():
        assert isinstance(status, ServiceStatus)
        assert f'href="/services/{status.id}"' in html
    assert 'href="/things?property=fill_level"' in html


def test_the_drawn_map_is_true_to_shape_in_the_middle() -> None:
    projection = Projection((24.93, 60.16, 24.95, 60.18))
    west, east = projection.at((24.93, 60.17)), projection.at((24.95, 60.17))
    assert (west[0], east[0]) == (0.0, WIDTH)
    # at 60.17 degrees a degree of latitude is 2.01 times as long as one of longitude
    assert projection.height / WIDTH == pytest.approx(2.01, abs=0.01)


@pytest.mark.parametrize(
    "path",
    ["/assets/x/..%2fapp.py", "/assets/x/%2e%2e/context.py", "/assets/x/none.css", "/assets/npm/uplot@1/../package.json",
     "/assets/npm/uplot@1/..%2f..%2fpackage.json", "/assets/npm/axe-core@4/axe.js", "/assets/npm/uplot@1/uPlot.d.ts"],
)  # fmt: skip
def test_only_listed_files_are_served(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_our_files_are_served_for_ever_under_a_name_that_changes_with_them(browser: Browser) -> None:
    answer = browser.get(assets.own_url("page.css"))
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_pages_do_without_packages_that_are_not_installed(city: LittleCity, tmp_path: Path) -> None:
    assert assets.packages(tmp_path) == {}
    assert assets.find_package_file(tmp_path, "uplot", "uPlot.esm.js") is None
