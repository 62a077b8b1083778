"""Every page, as somebody without script sees it."""

import json
import re
import shlex

import little_city
import pytest
from little_city import BIN, DARK_LAMP, EVIL, EVIL_BIN, FOOTWAY, FULL_BIN, Browser, LittleCity

PAGES = [
    "/", "/things", "/things?q=kaivo", "/things?kind=street_lamp", "/things?state=stale", "/things?service=smart_bins",
    "/things?property=parking_occupancy", "/things?near=24.9395,60.17", "/things?all=1", f"/things/{BIN}",
    f"/things/{FULL_BIN}?span=7d", f"/things/{FOOTWAY}?span=30d", "/things/8", "/things/90", "/map", f"/map?thing={BIN}",
    "/cases", "/cases?show=all", "/cases?kind=alert&service=smart_bins", "/services", "/services/smart_bins",
    f"/services/smart_bins?thing={BIN}", "/services/breaker", "/services/whats_near", "/answers/whats_near",
    "/answers/whats_near?lon=24.9395&lat=60.17", "/answers/whats_near?lon=400&lat=60", "/data", "/catalog", "/no/such/page", "/webhooks",
    "/ogc?f=html", "/ogc/conformance?f=html", "/ogc/collections?f=html", "/ogc/collections/waste_basket?f=html",
    "/ogc/collections/waste_basket/queryables?f=html", "/ogc/collections/waste_basket/items?f=html",
    f"/ogc/collections/waste_basket/items/{EVIL_BIN}?f=html", "/ogc/collections/datastreams/items?f=html&limit=3",
]  # fmt: skip


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_in_both_languages(browser: Browser, path: str, language: str) -> None:
    answer = browser.get(path, headers={"accept-language": language})
    expected = 404 if "no/such" in path else 400 if "lon=400" in path else 200
    assert answer.status_code == expected, answer.text[:2000]
    html = answer.text
    assert f'<html lang="{language}"' in html
    assert html.count("<h1") == 1
    assert "<title>" in html and "</html>" in html
    assert not re.search(
        r"\{[a-z_]+(:[^}]*)?\}", re.sub(r'data-texts="[^"]*"|<pre.*?</pre>|<code.*?</code>', "", html, flags=re.S)
    )
    assert not re.search(r"[가-힣](은\(는\)|이\(가\)|을\(를\))", html)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_script_or_style_of_its_own_or_names_another_host(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", answer.text)
    hosts = re.findall(r"(?:src|href|action)=[\"'](?:https?:)?//([^/\"']+)", answer.text)
    assert not hosts


def test_a_name_from_outside_is_text_and_never_markup(browser: Browser) -> None:
    for path in ("/things", f"/things/{EVIL_BIN}", "/map", "/services", "/answers/whats_near?lon=24.9398&lat=60.17"):
        assert EVIL not in browser.get(path).text, path
    assert "&lt;script&gt;" in browser.get(f"/things/{EVIL_BIN}").text


def test_the_language_is_taken_from_address_then_cookie_then_browser(browser: Browser) -> None:
    assert 'lang="en"' in browser.get("/").text
    chosen = browser.get("/?lang=ko")
    assert 'lang="ko"' in chosen.text
    assert "lang=ko" in chosen.headers["set-cookie"]
    assert 'lang="ko"' in browser.get("/").text, "the cookie remembers it"
    assert 'lang="en"' in browser.get("/?lang=en").text
    assert 'lang="en"' in browser.get("/?lang=xx").text


def test_a_theme_is_chosen_by_a_form_and_leads_back_to_where_one_was(browser: Browser) -> None:
    answer = browser.post("/preferences", data={"theme": "dark", "next": "/things?q=a"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/things?q=a")
    assert 'data-theme="dark"' in browser.get("/").text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_form_never_leads_to_another_host(browser: Browser, elsewhere: str) -> None:
    answer = browser.post("/preferences", data={"theme": "day", "next": elsewhere})
    assert answer.headers["location"] == "/"


def test_the_front_page_speaks_of_full_bins_old_lamps_and_open_tasks(browser: Browser) -> None:
    html = browser.get("/", headers={"accept-language": "ko"}).text
    assert "작은 동네" in html
    assert "가득 찼어요" in html
    assert "열린 일" in html
    assert "모의 데이터" in html
    assert "오클랜드 실측을 여기서 재생" in html


def test_a_value_says_its_age_where_it_comes_from_and_that_it_is_old(browser: Browser) -> None:
    html = browser.get(f"/things/{DARK_LAMP}").text
    assert "9 hours ago" in html
    assert "Old value" in html
    people = browser.get(f"/things/{FOOTWAY}").text
    assert "measured in Auckland, replayed here" in people
    assert "counter 7" in people and "CC-BY-4.0" in people
    assert "the usual range at this hour" in people
    assert "13:00–14:00" in people, "an hourly count says its hour, in the city's time"


def test_the_line_to_copy_sends_a_value(city: LittleCity, browser: Browser) -> None:
    html = browser.get(f"/things/{little_city.CAR_PARK}").text
    line = re.search(r'aria-label="curl">(.*?)</pre>', html, re.S)
    assert line is not None
    words = shlex.split(line[1].replace("&#39;", "'").replace("&#34;", '"').replace("&amp;", "&").replace("\\\n", " "))
    assert words[0] == "curl"
    assert words[1] == f"http://testserver/v1.1/Datastreams({little_city.PARKING})/Observations"
    sent = json.loads(words[words.index("-d") + 1])
    assert sent == {"result": 63}
    before = city.store.latest(little_city.PARKING)
    assert (
        browser.post(
            words[1], content=words[words.index("-d") + 1], headers={"content-type": "application/json"}
        ).status_code
        == 201
    )
    after = city.store.latest(little_city.PARKING)
    assert before is not None and after is not None and after.number > before.number
    assert (
        f"mosquitto_pub -h testserver -p 1883 -q 1 \\\n  -t &#39;v1.1/Datastreams({little_city.PARKING})/Observations&#39;"
        in html
    )


def test_things_are_found_by_name_in_both_languages_by_kind_state_and_place(browser: Browser) -> None:
    def found(query: str) -> set[int]:
        html = browser.get(f"/things?{query}").text
        return {int(i) for i in re.findall(r'<li><a href="/things/(\d+)"', html)}

    assert found("q=KAIVOKATU") == {1, 2}
    assert found("q=휴지통") == {1, 2}
    assert found("kind=street_lamp") == {4, 5}
    assert found("state=stale") == {5}
    assert 8 in found("q=bench")
    assert found("near=24.9386,60.17")
    assert found("q=nobody") == set()
    assert 90 not in found("") and 90 in found("all=1")


def test_a_search_at_no_place_says_how_to_write_one(browser: Browser) -> None:
    answer = browser.get("/things?near=here")
    assert answer.status_code == 400
    assert "longitude,latitude" in answer.text


def test_map_layers_are_geojson_of_the_citys_own_things(browser: Browser) -> None:
    layers = browser.get("/map/layers.json").json()
    assert layers["base"] == ["/map/building.json", "/map/footway.json"]
    (house,) = browser.get(layers["base"][0]).json()["features"]
    assert house["properties"]["render_height"] == 16.0
    things = browser.get(layers["things"]).json()["features"]
    states = {f["id"]: f["properties"]["state"] for f in things}
    assert states[FULL_BIN] == "crowded" and states[DARK_LAMP] == "stale"
    assert browser.get("/map/nonsense.json").status_code == 404


def test_the_maps_tiles_are_told_of_and_read_in_ranges_once_they_are_there(city: LittleCity, browser: Browser) -> None:
    assert "tiles" not in browser.get("/map/layers.json").json()
    missing = browser.get("/map/city.pmtiles")
    assert missing.status_code == 404
    assert "/map/layers.json" in missing.text
    content = bytes(range(256)) * 40
    city.context.basemap.parent.mkdir(exist_ok=True)
    city.context.basemap.write_bytes(content)
    try:
        assert browser.get("/map/layers.json").json()["tiles"] == "/map/city.pmtiles"
        asked = {"range": "bytes=1000-4999", "accept-encoding": "gzip"}
        part = browser.get("/map/city.pmtiles", headers=asked)
        assert (part.status_code, part.content) == (206, content[1000:5000])
        assert part.headers["content-range"] == f"bytes 1000-4999/{len(content)}"
        assert "content-encoding" not in part.headers, (
            "the tiles in it are compressed and the range counts its own bytes"
        )
        assert part.headers["etag"] == browser.get("/map/city.pmtiles").headers["etag"]
        beyond = browser.get("/map/city.pmtiles", headers={"range": f"bytes={len(content)}-"})
        assert beyond.status_code == 416
    finally:
        city.context.basemap.unlink()


def test_the_drawn_map_shows_buildings_and_links_marks_to_their_things(browser: Browser) -> None:
    assert '<path class="b"' in browser.get("/map/base.svg").text
    assert f'<a href="/things/{FULL_BIN}" class="crowded"' in browser.get("/map").text


def test_the_series_of_a_chart_comes_as_columns(browser: Browser) -> None:
    columns = browser.get(f"/things/{FOOTWAY}/series/{little_city.PEOPLE}.json?span=24h").json()
    assert len(columns["time"]) == len(columns["value"]) == 24
    assert len(columns["usual"][0]) == len(columns["usual"][1]) == len(columns["usual"][2]) >= 24
    assert browser.get(f"/things/{BIN}/series/{little_city.PEOPLE}.json").status_code == 404


def test_an_answer_is_words_json_by_header_and_json_by_address(browser: Browser) -> None:
    path = "/answers/whats_near?lon=24.9395&lat=60.17&radius_m=100"
    assert "The answer" in browser.get(path).text
    by_header = browser.get(path, headers={"accept": "application/json"})
    by_address = browser.get(path + "&format=json")
    assert by_header.headers["content-type"] == by_address.headers["content-type"] == "application/json"
    assert {i["thing"] for i in by_header.json()["items"]} >= {BIN, FULL_BIN}
    wrong = browser.get("/answers/whats_near?lon=24.9&lat=60.17&colour=red", headers={"accept": "application/json"})
    assert wrong.status_code == 400 and "colour" in wrong.json()["message"]
    assert browser.get("/answers/nothing").status_code == 404
