"""The pages as people meet them: small and large, by keyboard, without script, live."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import little_city
import pytest
from little_city import BIN, BIN_LEVEL, FOOTWAY, FULL_BIN, NOW, wait_until

from dongne.adapters.basemap import build_basemap, find_tippecanoe
from dongne.model.errors import BadSetup

ROUTES = [
    "/", "/things", "/things?q=kaivo&state=busy", f"/things/{FOOTWAY}", f"/things/{FULL_BIN}", "/things/8", "/map", "/cases", "/cases/roster",
    "/case", "/services", "/services/smart_bins", "/services/breaker", "/answers/whats_near",
    "/answers/whats_near?lon=24.9395&lat=60.17", "/data", "/sign-in", "/no/such/page", "/catalog", "/ogc?f=html",
    "/walk", "/walk?start=West+Station&end=Terrace+Caf%C3%A9&profile=pram", "/walk?start=West+Statoin&end=East+Station", "/ogc/routes?f=html",
    "/walk?start=West+Station&within=15",
    "/ogc/collections/waste_basket/items?f=html", f"/ogc/collections/waste_basket/items/{FULL_BIN}?f=html",
]  # fmt: skip
LIST_PAGES = ["/", "/things", "/cases", "/services", "/data", "/catalog", "/ogc/collections/waste_basket/items"]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(r => r.violations)"
JS_BUDGET_BYTES = 60_000
LANGUAGES, THEMES = ("ko", "en"), ("day", "dark", "contrast")


def path_of(city: Any, route: str) -> str:
    """The route, with the number of a case where it is that of one."""
    return (
        f"/cases/{city.store.find_case(f'smart_bins/{FULL_BIN}/work_order/collect/by hand').id}"
        if route == "/case"
        else route
    )


def violations(window: Any, axe: str) -> list[str]:
    window.page.evaluate(axe)
    found = window.page.evaluate(RUN_AXE, AXE_TAGS)
    return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found for n in v["nodes"]]


@pytest.fixture(scope="module")
def axe(packages: Path) -> str:
    return (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "route"), list(enumerate(ROUTES)))
def test_a_page_has_no_barrier_that_axe_knows(city: Any, look: Any, axe: str, number: int, route: str) -> None:
    window = look(path_of(city, route), 1280, language=LANGUAGES[number % 2], theme=THEMES[number % 3])
    assert violations(window, axe) == []


@pytest.mark.full
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_has_a_barrier_in_any_language_theme_or_width(
    city: Any, look: Any, axe: str, language: str, theme: str, width: int
) -> None:
    found = {
        route: violations(look(path_of(city, route), width, language=language, theme=theme), axe) for route in ROUTES
    }
    assert {route: what for route, what in found.items() if what} == {}


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_fits_320_pixels_and_text_of_twice_the_size(city: Any, look: Any, route: str) -> None:
    window = look(path_of(city, route), 320)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 320
    window.page.set_viewport_size({"width": 640, "height": 900})
    window.page.evaluate(
        "() => { const s = new CSSStyleSheet(); s.replaceSync(':root { font-size: 200% }'); document.adoptedStyleSheets = [s]; }"
    )
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 640
    expected = [p for p in window.problems if "404" not in p]
    assert expected == []


def test_by_keyboard_one_skips_to_the_content_and_sees_where_one_is(open_window: Any) -> None:
    page = open_window().page
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    seen = set()
    for _ in range(60):
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        focused = page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.tagName")
        assert outline != "none" or focused == "BODY", focused
        seen.add(focused)
        page.keyboard.press("Tab")
    assert {"/map", "/cases"} <= seen


def test_without_script_everything_is_read_and_a_case_is_closed(city: Any, open_window: Any) -> None:
    case = city.open_case(name="collect_unseen")
    page = open_window(java_script_enabled=False, language="en").page
    page.goto("/")
    assert page.locator(".card .say").count() >= 3
    page.get_by_role("link", name="Show the map").click()
    assert page.locator("svg.drawn a").count() >= 5
    page.goto(f"/things/{FOOTWAY}")
    assert page.locator("svg.chart").is_visible()
    page.goto(f"/cases/{case}")
    page.locator("#who-step").fill("Aino")
    page.get_by_role("button", name="Done").click()
    assert page.get_by_text("It is now “Done”").is_visible()
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert urlsplit(page.url).path == f"/cases/{case}"


def test_a_value_changes_on_the_page_when_it_comes_in(city: Any, open_window: Any) -> None:
    page = open_window(language="en").page
    with page.expect_response(lambda r: "/events/observations" in r.url):
        page.goto(f"/things/{BIN}")
    cell = page.locator(f'[data-stream="{BIN_LEVEL}"] [data-number]')
    before = page.locator("main").bounding_box()
    city.clock.us += 60_000_000
    city.observe((BIN_LEVEL, NOW.replace(second=30), 41.0))
    little_city.wait_until(lambda: page.evaluate("1") and cell.inner_text() == "41")
    after = page.locator("main").bounding_box()
    assert abs(before["height"] - after["height"]) < 40, "nothing jumps"


def test_a_new_case_appears_in_the_list_and_is_said_aloud(city: Any, open_window: Any) -> None:
    window = open_window(language="en")
    window.page.goto("/cases")
    window.page.locator("[data-live]").wait_for(state="visible")
    city.open_case(name="sensor_silent", values={"silent_h": 5.0, "level_percent": 1.0})
    window.page.get_by_role("link", name="silent").first.wait_for()
    assert window.page.locator("[role=status]").inner_text().startswith("New task")
    assert window.problems == []


def test_the_chart_opens_up_and_is_walked_by_keyboard(open_window: Any) -> None:
    window = open_window(language="en")
    window.page.goto(f"/things/{FOOTWAY}")
    window.page.locator(".uplot").wait_for()
    window.page.locator(".plot").focus()
    before = window.page.locator(".told").inner_text()
    window.page.keyboard.press("ArrowLeft")
    window.page.keyboard.press("ArrowLeft")
    assert "people/h" in before
    assert window.page.locator(".told").inner_text() != before
    assert window.problems == []


def test_the_map_is_loaded_only_when_asked_for_and_from_this_host_alone(open_window: Any, url: str) -> None:
    window = open_window(language="ko")
    window.page.goto("/")
    window.page.wait_for_load_state("load")
    assert not any("maplibre" in address for address in window.asked)
    window.page.get_by_role("link", name="지도로 보기").click()
    window.page.locator(".map-place[data-idle]").wait_for(timeout=30_000)
    assert window.page.locator(".map-place canvas").is_visible()
    drawn = window.page.evaluate("dongneMap.querySourceFeatures('things').map(f => f.id)")
    assert set(drawn) >= {BIN, FULL_BIN}
    assert window.page.get_by_role("button", name="크게 보기").is_visible()
    assert {urlsplit(a).netloc for a in window.asked if not a.startswith(("blob:", "data:"))} == {urlsplit(url).netloc}
    assert window.problems == []


SURVEYED = """<?xml version="1.0"?>
<osm version="0.6">
 <node id="1" version="1" lat="60.1690" lon="24.9390"/><node id="2" version="1" lat="60.1690" lon="24.9410"/>
 <node id="3" version="1" lat="60.1700" lon="24.9410"/><node id="4" version="1" lat="60.1700" lon="24.9390"/>
 <node id="5" version="1" lat="60.1680" lon="24.9350"/><node id="6" version="1" lat="60.1680" lon="24.9450"/>
 <way id="1" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/>
  <tag k="building" v="yes"/><tag k="height" v="30"/></way>
 <way id="2" version="1"><nd ref="5"/><nd ref="6"/><tag k="highway" v="residential"/><tag k="name" v="Äiti-katu"/></way>
</osm>
"""


@pytest.fixture
def tiles(city: Any, tmp_path: Path, need: Any) -> Iterator[Path]:
    """The little city gets its tiles for one test."""
    try:
        find_tippecanoe()
    except BadSetup as error:
        need("browser", False, error.message)
    (tmp_path / "town.osm").write_text(SURVEYED, encoding="utf-8")
    (tmp_path / "sources.toml").write_text(
        '[[source]]\nid = "osm"\nused_for = "map"\nlicence = "CC0-1.0"\nattribution = "nobody"\norigin = "by hand"\n'
        'folder_file = "town.osm"\n',
        encoding="utf-8",
    )
    made = build_basemap(city.context.config, tmp_path, tmp_path, city.context.basemap.parent)
    yield made
    made.unlink()


def open_map(window: Any) -> Any:
    window.page.goto("/map")
    window.page.locator(".map-place[data-idle]").wait_for(timeout=30_000)
    return window.page


def rendered(page: Any, layer: str) -> list[dict[str, Any]]:
    """Properties of what is drawn of a layer."""
    return page.evaluate("id => dongneMap.queryRenderedFeatures({layers: [id]}).map(f => f.properties)", layer)


def test_the_map_lies_on_the_citys_tiles_and_its_houses_rise_by_keyboard(
    open_window: Any, url: str, tiles: Path, axe: str
) -> None:
    window = open_window(language="en", theme="dark")
    page = open_map(window)
    assert {p["render_height"] for p in rendered(page, "houses")} == {30}
    assert {p["name"] for p in rendered(page, "ways")} == {"Äiti-katu"}
    assert rendered(page, "storeys") == []
    button = page.get_by_role("button", name="Show buildings in 3D")
    assert button.get_attribute("aria-pressed") == "false"
    button.focus()
    page.keyboard.press("Enter")
    wait_until(
        lambda: page.evaluate("!dongneMap.isMoving() && dongneMap.areTilesLoaded()") and rendered(page, "storeys")
    )
    assert button.get_attribute("aria-pressed") == "true"
    assert page.evaluate("dongneMap.getPitch()") > 45
    page.evaluate(axe)
    assert [v["id"] for v in page.evaluate(RUN_AXE, AXE_TAGS)] == []
    page.keyboard.press("Enter")
    wait_until(lambda: page.evaluate("dongneMap.getPitch()") == 0)
    assert button.get_attribute("aria-pressed") == "false"
    assert any(address.endswith("/map/city.pmtiles") for address in window.asked)
    assert {urlsplit(a).netloc for a in window.asked if not a.startswith(("blob:", "data:"))} == {urlsplit(url).netloc}
    assert window.problems == []


def test_tiles_that_cannot_be_read_leave_the_map_of_the_citys_own_layers(open_window: Any, tiles: Path) -> None:
    tiles.write_bytes(b"no tiles at all" * 100)
    window = open_window()
    page = open_map(window)
    assert page.evaluate("dongneMap.querySourceFeatures('building').length") > 0
    assert page.get_by_role("button", name="3D").count() == 0
    assert window.problems == []


@pytest.mark.parametrize("path", LIST_PAGES)
def test_a_list_page_loads_little_script(open_window: Any, path: str) -> None:
    window = open_window()
    bodies: dict[str, bytes] = {}
    window.page.on(
        "response", lambda r: bodies.update({r.url: r.body()}) if r.request.resource_type == "script" else None
    )
    window.page.goto(path)
    wait_until(lambda: window.page.evaluate("1") and len(bodies) >= 1)
    window.page.wait_for_load_state("load")
    size = sum(len(gzip.compress(body)) for body in bodies.values())
    assert 0 < size <= JS_BUDGET_BYTES, f"{size} bytes gzipped in {len(bodies)} files"


def test_ages_grow_in_the_words_of_the_server(open_window: Any) -> None:
    for language in LANGUAGES:
        page = open_window(language=language).page
        page.goto(f"/things/{FULL_BIN}")
        cells = page.locator("time[data-age]")
        first = cells.all_inner_texts()
        again = page.evaluate(
            "() => import(document.querySelector('script[src*=live]').src).then(m => [...document.querySelectorAll('time[data-age]')].map(e => m.age(Number(e.dataset.age))))"
        )
        assert first == again
