"""The screen at a stop in a real browser: it renews itself, keeps what it had when it is cut off, and has no barrier."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.little_stops import DELAY, LittleStops, open_little_stops

LOOKS_EVERY_MS = 10_000


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Iterator[LittleStops]:
    with open_little_stops(tmp_path_factory.mktemp("stops")) as opened:
        yield opened


def test_it_renews_itself_and_when_cut_off_keeps_what_it_had_with_its_age(city: LittleStops, open_window: Any) -> None:
    page = open_window(language="en").page
    page.clock.install()
    page.goto("/display/stop/W")
    page.get_by_text("delays are not known").first.wait_for()
    city.say(DELAY, 240.0, trip_id="E1", start_date="20261130", stop_sequence=1)
    page.clock.run_for(LOOKS_EVERY_MS)
    page.get_by_text("4 min late").wait_for()
    page.route("**/display/stop/**", lambda route: route.abort())
    page.clock.run_for(3 * 60_000)
    page.get_by_text("No connection. So it was 3 min ago").wait_for()
    assert page.get_by_text("08:04").is_visible()
    assert not page.locator(".minutes").first.is_visible()
    page.unroute("**/display/stop/**")
    page.clock.run_for(LOOKS_EVERY_MS)
    page.locator("#lost").wait_for(state="hidden")


@pytest.mark.parametrize(("width", "language"), [(320, "ko"), (390, "en"), (1920, "ko")])
def test_the_screen_has_no_barrier(
    city: LittleStops, open_window: Any, packages: Path, width: int, language: str
) -> None:
    page = open_window(viewport={"width": width, "height": 1080}, language=language, bypass_csp=True).page
    page.goto("/display/stop/MID")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.add_script_tag(path=str(packages / "axe-core" / "axe.min.js"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found["violations"]] == []
