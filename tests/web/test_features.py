"""OGC API - Features over a city of 2,500 benches, asked by hand, by GDAL and by OWSLib."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import little_city
import msgspec
import pytest
import uvicorn
from little_city import BIN, EVIL_BIN, FULL_BIN, NOW, PEOPLE, Browser, LittleCity
from owslib.ogcapi.features import Features

from dongne.model.entities import Datastream, Location, Property, Sensor, Thing, Unit, put
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Transaction
from dongne.web.server import Server

MANY = 2_500
FIRST = 10_000
SECRET = "a name nobody may see"


def put_all(city: LittleCity, *entities: Any) -> None:
    body = msgspec.msgpack.encode([put(one) for one in entities])
    city.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()


def stools() -> Iterator[Any]:
    """A grid of 50 by 50, a millidegree apart; the last ones are hidden, and one has no place."""
    for n in range(MANY):
        point = {"type": "Point", "coordinates": [25 + n % 50 / 1000, 61 + n // 50 / 1000]}
        yield Location(id=FIRST + n, name=f"Place {n}", location=point)
        yield Thing(
            id=FIRST + n, name=f"Stool {n}", properties={"kind": "stool", "row": n // 50, "legs": "three" if n % 2 else "four"},
            location_ids=(FIRST + n,),
        )  # fmt: skip
    for n, access in enumerate(("internal", "personal")):
        here = FIRST + MANY + n
        yield Location(id=here, name=SECRET, location={"type": "Point", "coordinates": [25, 61]})
        yield Thing(
            id=here, name=SECRET, properties={"kind": "stool", "access": access, SECRET: 1}, location_ids=(here,)
        )
        yield Datastream(
            id=here, name=SECRET, thing_id=here, sensor_id=1, observed_property_id=900, unit_of_measurement=Unit()
        )
    yield Property(id=900, name=SECRET)
    yield Sensor(id=900, name="probe")
    yield Datastream(
        id=900, name=SECRET, thing_id=FIRST, sensor_id=900, observed_property_id=900, properties={"access": "internal"}
    )
    yield Thing(id=FIRST + MANY + 9, name="Lost stool", properties={"kind": "stool", "row": 99})


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    with little_city.open_little_city(tmp_path_factory.mktemp("features") / "store") as opened:
        put_all(opened, *stools())
        opened.settle()
        opened.observe((900, NOW, 7.0), (FIRST + MANY, NOW, 8.0))
        yield opened


@pytest.fixture
def browser(city: LittleCity) -> Iterator[Browser]:
    with contextlib.closing(Browser(city, **{"accept-language": "en"})) as client:
        yield client


@pytest.fixture(scope="module")
def url(city: LittleCity) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(city.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    little_city.wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/ogc"
    server.stop()
    thread.join(timeout=10)


def items(browser: Browser, collection: str, **options: str) -> dict[str, Any]:
    answer = browser.get(
        f"/ogc/collections/{collection}/items", params={k.replace("_", "-"): v for k, v in options.items()}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["numberReturned"] == len(found["features"])
    return found


def names(found: dict[str, Any]) -> set[str]:
    return {one["properties"]["name"] for one in found["features"]}


def ids(found: dict[str, Any]) -> set[int]:
    return {one["id"] for one in found["features"]}


# --- the resources


def test_every_link_leads_to_what_it_says(browser: Browser) -> None:
    seen: set[str] = set()
    ahead = [
        "http://testserver/ogc",
        "http://testserver/ogc/collections/stool/items?limit=2",
        f"http://testserver/ogc/collections/waste_basket/items/{BIN}",
    ]
    while ahead:
        address = ahead.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = browser.get(address.removeprefix("http://testserver"))
        assert answer.status_code == 200, address
        if "json" in answer.headers["content-type"] and "/v1.1/" not in address:
            document = answer.json()
            links = [*document.get("links", ()), *(x for c in document.get("collections", ()) for x in c["links"])]
            for link in links:
                if "/ogc" in link["href"] and not link["href"].endswith("items?limit=2&after=10003"):
                    got = browser.get(link["href"].removeprefix("http://testserver")).headers["content-type"]
                    assert got.split(";")[0] == link["type"].split(";")[0], link
                    if "after=" not in link["href"]:
                        ahead.append(link["href"])
    assert len(seen) > 40


def test_the_landing_page_has_the_links_that_the_standard_asks_for(browser: Browser) -> None:
    rels = {link["rel"] for link in browser.get("/ogc").json()["links"]}
    assert {"self", "alternate", "service-desc", "service-doc", "conformance", "data"} <= rels
    assert "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text" in browser.get("/ogc/conformance").json()["conformsTo"]


def test_things_come_by_kind_with_their_place_and_their_newest_values(browser: Browser) -> None:
    listed = {c["id"]: c for c in browser.get("/ogc/collections").json()["collections"]}
    assert {"waste_basket", "street_lamp", "footway", "building", "stool", "locations", "datastreams"} <= set(listed)
    assert listed["stool"]["extent"]["spatial"]["bbox"] == [[25, 61, 25.049, 61.049]]
    answer = browser.get(f"/ogc/collections/waste_basket/items/{FULL_BIN}")
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert answer.headers["content-type"] == "application/geo+json"
    found = answer.json()
    assert found["geometry"]["type"] == "Point"
    assert (
        found["properties"]["fill_level"] == 100.0 and found["properties"]["fill_level_time"] == "2026-11-20T11:45:00Z"
    )
    schema = browser.get("/ogc/collections/waste_basket/queryables").json()
    assert schema["properties"]["fill_level"] == {
        "title": "fill_level",
        "type": "number",
        "x-ogc-unit": "%",
        "x-ogc-unitLang": "UCUM",
    }
    assert schema["properties"]["fill_level_time"]["format"] == "date-time"


def test_datastreams_have_the_area_and_time_that_they_observed_and_whose_they_are(browser: Browser) -> None:
    found = browser.get(f"/ogc/collections/datastreams/items/{PEOPLE}").json()
    said = found["properties"]
    assert (said["begin"], said["end"]) == ("2026-10-09T12:00:00Z", "2026-11-20T11:00:00Z")
    assert (said["licence"], said["attribution"], said["origin"]) == ("CC-BY-4.0", "Heart of the City", "rehomed")
    assert found["geometry"] is not None
    before = items(browser, "datastreams", datetime="../2026-10-01", limit="1000")
    assert PEOPLE not in ids(before)
    assert PEOPLE in ids(items(browser, "datastreams", datetime="2026-11-01/2026-11-02", limit="1000"))


# --- pages of thousands


def test_thousands_come_page_by_page_each_once(browser: Browser) -> None:
    address: str | None = "/ogc/collections/stool/items?limit=400"
    seen: list[int] = []
    while address:
        found = browser.get(address).json()
        assert found["numberMatched"] == MANY + 1
        seen += [one["id"] for one in found["features"]]
        following = [link["href"] for link in found["links"] if link["rel"] == "next"]
        address = following[0].removeprefix("http://testserver") if following else None
    assert seen == sorted(set(seen)) and len(seen) == MANY + 1


def test_a_page_keeps_the_condition_of_the_one_before(browser: Browser) -> None:
    found = items(browser, "stool", filter="row < 10 AND legs = 'three'", limit="100")
    (following,) = [link["href"] for link in found["links"] if link["rel"] == "next"]
    rest = browser.get(following.removeprefix("http://testserver")).json()
    assert found["numberMatched"] == rest["numberMatched"] == 250
    assert {one["properties"]["legs"] for one in rest["features"]} == {"three"}
    assert not ids(found) & ids(rest)


# --- filters, against a loop over what is there


def everything(browser: Browser) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = items(browser, "stool", limit="10000")["features"]
    return found


def test_a_box_gives_what_lies_in_it_and_what_lies_nowhere(browser: Browser) -> None:
    found = items(browser, "stool", bbox="25.0095,61.0095,25.0205,61.0125", limit="10000")
    expected = {
        one["id"]
        for one in everything(browser)
        if one["geometry"] is None
        or (
            25.0095 <= one["geometry"]["coordinates"][0] <= 25.0205
            and 61.0095 <= one["geometry"]["coordinates"][1] <= 61.0125
        )
    }
    assert ids(found) == expected and len(expected) == 11 * 3 + 1


def test_filters_in_both_languages_and_properties_by_name_agree_with_a_loop(browser: Browser) -> None:
    there = everything(browser)
    text = items(browser, "stool", filter="row BETWEEN 3 AND 5 AND legs LIKE 'th%'", limit="10000")
    said = {"op": "and", "args": [
        {"op": "between", "args": [{"property": "row"}, 3, 5]}, {"op": "=", "args": [{"property": "legs"}, "three"]},
    ]}  # fmt: skip
    document = items(browser, "stool", filter=json.dumps(said), filter_lang="cql2-json", limit="10000")
    expected = {o["id"] for o in there if 3 <= o["properties"]["row"] <= 5 and o["properties"].get("legs") == "three"}
    assert ids(text) == ids(document) == expected and len(expected) == 75
    by_name = items(browser, "stool", row="7", legs="four", limit="10000")
    assert ids(by_name) == {
        o["id"] for o in there if o["properties"]["row"] == 7 and o["properties"].get("legs") == "four"
    }
    near = items(
        browser,
        "stool",
        filter="S_WITHIN(geometry, POLYGON((24.9 60.9, 25.0035 60.9, 25.0035 61.0015, 24.9 61.0015, 24.9 60.9)))",
    )
    assert ids(near) == {FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 50, FIRST + 51, FIRST + 52, FIRST + 53}


def test_newest_values_and_their_times_can_be_asked_for(browser: Browser) -> None:
    assert ids(items(browser, "waste_basket", filter="fill_level > 25")) == {FULL_BIN, EVIL_BIN}
    assert ids(
        items(browser, "waste_basket", filter="fill_level <= 25 AND T_AFTER(fill_level_time, DATE('2026-11-19'))")
    ) == {BIN}
    assert ids(items(browser, "street_lamp", datetime="2026-11-20T11:30:00Z/..")) == {little_city.LAMP}


# --- what nobody may see


def test_nothing_hidden_appears_anywhere(browser: Browser) -> None:
    for collection in ("stool", "locations", "datastreams"):
        for path in ("", "/queryables", "/items?limit=10000", "/items?limit=10000&f=html"):
            assert SECRET not in browser.get(f"/ogc/collections/{collection}{path}").text, (collection, path)
    assert SECRET not in browser.get("/ogc/api").text
    for collection in ("stool", "locations"):
        assert browser.get(f"/ogc/collections/{collection}/items/{FIRST + MANY}").status_code == 404
    assert browser.get("/ogc/collections/datastreams/items/900").status_code == 404
    refused = browser.get("/ogc/collections/stool/items", params={"filter": f'"{SECRET}" > 1'})
    assert refused.status_code == 400
    assert "7.0" not in browser.get(f"/ogc/collections/stool/items/{FIRST}").text


def test_what_is_hidden_later_is_gone_at_once(city: LittleCity, browser: Browser) -> None:
    thing = Thing(id=77_777, name="Soon gone", properties={"kind": "stool"})
    put_all(city, thing)
    assert browser.get("/ogc/collections/stool/items/77777").status_code == 200
    put_all(city, msgspec.structs.replace(thing, properties={"kind": "stool", "access": "personal"}))
    assert browser.get("/ogc/collections/stool/items/77777").status_code == 404


def test_what_stands_nowhere_has_no_extent_and_a_city_without_things_no_collections_of_them(
    city: LittleCity, tmp_path: Any
) -> None:
    put_all(city, Thing(id=88_888, name="An idea", properties={"kind": "idea"}))
    with contextlib.closing(Browser(city)) as browser:
        found = browser.get("/ogc/collections/idea").json()
        assert "extent" not in found
        assert browser.get("/ogc/collections/idea/items?bbox=0,0,1,1").json()["numberMatched"] == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(little_city, "list_entities", list)
        with (
            contextlib.closing(little_city.LittleCity(tmp_path / "store")) as empty,
            contextlib.closing(Browser(empty)) as browser,
        ):
            listed = browser.get("/ogc/collections").json()["collections"]
            assert [one["id"] for one in listed] == ["locations", "datastreams"]
            assert browser.get("/ogc/collections/datastreams/items").json()["features"] == []
            assert browser.get("/catalog.ttl").status_code == browser.get("/catalog").status_code == 200


# --- errors


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/collections/stool/items?limit=0", 400, "whole number from 1"), ("/collections/stool/items?limit=x", 400, "whole number"),
        ("/collections/stool/items?bbox=1,2,3", 400, "four numbers"), ("/collections/stool/items?bbox=a,b,c,d", 400, "west,south,east,north"),
        ("/collections/stool/items?bbox=1,9,2,3", 400, "south is not above north"), ("/collections/stool/items?bbox=nan,1,2,3", 400, "four numbers"),
        ("/collections/stool/items?datetime=yesterday", 400, "not an instant"), ("/collections/stool/items?datetime=2026-05-02/2026-05-01", 400, "ends before"),
        ("/collections/stool/items?colour=red", 400, "no option 'colour' here; options: f, lang, limit"), ("/collections/stool/items?row=x", 400, "no number"),
        ("/collections/stool/items?limit=1&limit=2", 400, "given twice"), ("/collections/stool/items?filter=row+%3E", 400, "found the end"),
        ("/collections/stool/items?filter=row+%3E+1&filter-lang=sql", 400, "cql2-text, cql2-json"), ("/collections/stool/items?crs=EPSG:3857", 400, "CRS84"),
        ("/collections/stool?limit=3", 400, "no option 'limit'"), ("/conformance?x=1", 400, "no option 'x'"), ("/collections/stool/items?f=xml", 400, "json and html"),
        ("/collections/nothing", 404, "no collection 'nothing'"), ("/collections/stool/items/x", 404, "no item"), ("/collections/stool/items/5", 404, "no item"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_would_be_right(browser: Browser, path: str, status: int, says: str) -> None:
    answer = browser.get(f"/ogc{path}")
    assert answer.status_code == status
    assert says in answer.json()["description"] and answer.json()["code"] == str(status)


def test_a_browser_gets_pages_and_errors_as_pages(browser: Browser) -> None:
    wish = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = browser.get("/ogc/collections/stool/items?limit=2", headers=wish)
    assert page.headers["content-type"].startswith("text/html") and "Stool 1" in page.text and 'rel="next"' in page.text
    assert "<h1" in browser.get("/ogc/collections/nothing", headers=wish).text
    item = browser.get(f"/ogc/collections/waste_basket/items/{EVIL_BIN}?f=html").text
    assert "&lt;script&gt;" in item and "Fill level: time" in item
    assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:", item), "times are said in words"


# --- clients that others wrote


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def gdal(need: Any) -> None:
    need(
        "gdal", shutil.which("ogrinfo") is not None and shutil.which("ogr2ogr") is not None, "gdal-bin is not installed"
    )


def test_gdal_lists_the_collections_and_reads_thousands(gdal: None, url: str, tmp_path: Any) -> None:
    listed = run("ogrinfo", "-ro", "-so", f"OAPIF:{url}", "stool")
    assert f"Feature Count: {MANY + 1}" in listed and "Geometry: Point" in listed and "row: Integer" in listed
    file = tmp_path / "stools.geojson"
    run("ogr2ogr", "-f", "GeoJSON", str(file), f"OAPIF:{url}", "stool", "-oo", "PAGE_SIZE=300")
    assert len({one["properties"]["name"] for one in json.loads(file.read_text())["features"]}) == MANY + 1


def test_gdals_filters_by_attribute_and_place_are_answered_by_the_server(gdal: None, url: str, tmp_path: Any) -> None:
    file = tmp_path / "some.geojson"
    log = subprocess.run(
        ["ogr2ogr", "-f", "GeoJSON", str(file), f"OAPIF:{url}", "stool", "-where", "\"row\" >= 3 AND legs LIKE 'th%'",
         "-spat", "24.9", "60.9", "25.0045", "61.0045", "--debug", "on"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stderr  # fmt: skip
    assert "filter-lang=cql-text" in log and "bbox=" in log
    there = {one["properties"]["name"] for one in json.loads(file.read_text())["features"]}
    assert there == {"Stool 151", "Stool 153", "Stool 201", "Stool 203"}


def test_owslib_reads_collections_queryables_items_and_one_item(url: str) -> None:
    client = Features(url)
    assert "stool" in client.feature_collections()
    assert client.conformance()["conformsTo"] and client.api()["openapi"].startswith("3.0")
    assert client.collection("stool")["extent"]["spatial"]["bbox"][0][0] == 25
    assert "legs" in client.collection_queryables("stool")["properties"]
    found = client.collection_items(
        "stool", bbox=[24.9, 60.9, 25.0045, 61.0045], filter="row >= 3 AND legs = 'three'", limit=10
    )
    assert names(found) == {"Stool 151", "Stool 153", "Stool 201", "Stool 203"}
    assert client.collection_item("stool", str(FIRST))["properties"]["name"] == "Stool 0"
    hourly = client.collection_items("datastreams", datetime_="2026-11-20T00:00:00Z/2026-11-20T01:00:00Z", limit=1)
    assert hourly["numberReturned"] == 1
