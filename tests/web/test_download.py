"""The download form and the page of the interface: in both languages, without script."""

import html
import re
from typing import Any

import httpx
import pytest
from tests.web.little_city import BENCH, PEOPLE

CHOICE = {
    "property": "pedestrians",
    "start": "2026-11-01",
    "end": "2026-11-19",
    "step": "PT1H",
    "statistic": "mean",
    "format": "csv",
}


def ask(browser: Any, **changes: str) -> httpx.Response:
    found: httpx.Response = browser.get("/data/download", params={**CHOICE, **changes})
    return found


def file_of(response: httpx.Response) -> str:
    found = re.search(r'<a class="button" href="([^"]+)" download', response.text)
    assert found, response.text
    return html.unescape(found[1])


@pytest.mark.parametrize(("step", "rows"), [("every", 19 * 24), ("PT1H", 19 * 24), ("P1D", 19), ("newest", 1)])
def test_the_file_has_as_many_rows_as_the_form_said(browser: Any, step: str, rows: int) -> None:
    offered = ask(browser, step=step)
    assert f"{rows} row" in offered.text
    for form in ("csv", "parquet", "arrow"):
        response = browser.get(file_of(ask(browser, step=step, format=form)))
        assert response.status_code == 200
        if form == "csv":
            lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
            assert len(lines) == rows + 1
            assert "Heart of the City" in response.text
    assert "Heart of the City" in offered.text and "https://spdx.org/licenses/CC-BY-4.0" in offered.text


def test_the_page_says_of_which_days_the_file_is(browser: Any) -> None:
    assert "November 1, 2026 – November 19, 2026" in ask(browser).text
    assert "the last 24 hours" in ask(browser, start="", end="").text
    newest = ask(browser, step="newest").text
    assert "the last 24 hours" not in newest and "November 19, 2026" not in newest


def test_geojson_has_the_newest_values(browser: Any) -> None:
    response = browser.get(file_of(ask(browser, step="newest", format="geojson")))
    (feature,) = response.json()["features"]
    assert feature["id"] == PEOPLE


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"property": "", "kind": "", "thing": ""}, "property", "Choose what you want"),
        ({"property": "pedestrians", "kind": "street_lamp"}, "property", "Nothing fits"),
        ({"thing": "999"}, "thing", "no place with this number"),
        ({"thing": "<script>"}, "thing", "no place with this number"),
        ({"start": "yesterday"}, "start", "no such day"),
        ({"end": "2026-13-01"}, "end", "no such day"),
        ({"start": "2026-11-20", "end": "2026-11-01"}, "start", "after the last"),
        ({"format": "geojson"}, "format", "newest values only"),
        ({"step": "PT7M"}, "step", "not in the list"),
        ({"statistic": "p99"}, "statistic", "not in the list"),
    ],
)
def test_what_cannot_be_so_is_said_at_its_field_with_what_helps(
    browser: Any, changes: dict[str, str], field: str, says: str
) -> None:
    response = ask(browser, **changes)
    assert response.status_code == 400
    assert re.search(rf'id="d-{field}"[^>]*aria-invalid="true" aria-describedby="d-{field}-why"', response.text)
    assert says in re.search(rf'id="d-{field}-why">([^<]+)', response.text)[1]  # type: ignore[index]
    assert "<script>" not in response.text.replace("<script type", "")


def test_what_was_chosen_stays_chosen(browser: Any) -> None:
    text = ask(browser, format="geojson").text
    for value in ("pedestrians", "PT1H", "mean", "geojson"):
        assert f'<option value="{value}" selected>' in text
    assert 'name="start" value="2026-11-01"' in text


def test_both_pages_speak_both_languages_and_the_data_page_has_the_form(browser: Any) -> None:
    for language, title, api in (
        ("ko", "데이터 내려받기", "프로그램을 위한 인터페이스"),
        ("en", "Download data", "The interface for programs"),
    ):
        assert title in browser.get("/data", params={"lang": language}).text
        assert title in browser.get("/data/download", params={"lang": language}).text
        assert api in browser.get("/data/api", params={"lang": language}).text


def test_the_page_of_the_interface_lists_every_operation_of_the_document(browser: Any) -> None:
    text = html.unescape(browser.get("/data/api").text)
    document = browser.get("/openapi.json").json()
    for path, item in document["paths"].items():
        for method in item:
            assert f'<b class="code">{method.upper()}</b> <code>{path}</code>' in text
    links = browser.get("/data").headers["link"]
    assert '</openapi.json>; rel="service-desc"' in links
    root = browser.get("/v1.1")
    assert root.headers["link"] == links
    assert root.json()["serverSettings"]["service-desc"] == "http://testserver/openapi.json"
    moved = browser.get("/v1.1/openapi.json")
    assert (moved.status_code, moved.headers["location"]) == (308, "http://testserver/openapi.json")


def test_what_is_not_open_is_neither_offered_nor_counted(city: Any, browser: Any) -> None:
    assert city.store.graph.things[BENCH].kind == "bench"
    before = browser.get("/data/download").text
    assert '<option value="bench"' in before
    changed = {"properties": {"kind": "bench", "access": "personal"}}
    browser._loop.run_until_complete(browser._client.patch(f"/v1.1/Things({BENCH})", json=changed))
    assert '<option value="bench"' not in browser.get("/data/download").text
    assert ask(browser, property="", kind="bench").status_code == 400
    assert ask(browser, property="", thing=str(BENCH)).status_code == 400
