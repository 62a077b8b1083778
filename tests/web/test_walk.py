"""The page of a walk, closures by staff, and OGC API - Routes."""

import json
import logging
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import msgspec
import pytest
from little_city import Browser, LittleCity, open_little_city, visiting, wait_until

from dongne.model.entities import Location, Thing, put
from dongne.model.records import RecordKind
from dongne.runtime.ports import CaseFilter, Entry, Transaction

STREET = 77  # the main street, as a Thing
WALK = "/walk?start=West+Station&end=East+Station&profile=fast"
WEST, EAST, ISLAND = [24.937, 60.17], [24.943, 60.17], [24.939, 60.18]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    with open_little_city(tmp_path_factory.mktemp("walks") / "store", guarded_at="0.0.0.0") as city:
        point = {"type": "Point", "coordinates": [24.94, 60.17]}
        thing = Thing(
            id=STREET, name="Main Street", properties={"kind": "pedestrian_street", "source_id": "osm:way/101"}, location_ids=(STREET,)
        )  # fmt: skip
        home = Thing(id=78, name="A home", properties={"kind": "home", "access": "personal"})
        body = msgspec.msgpack.encode([put(Location(id=STREET, name="", location=point)), put(thing), put(home)])
        city.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
        yield city


def told(browser: Browser, address: str = WALK) -> list[str]:
    return re.findall(r'aria-hidden="true">.</span><span>([^<]+)</span>', browser.get(address).text)


def routed(browser: Browser, **inputs: Any) -> Any:
    given = {"waypoints": {"type": "MultiPoint", "coordinates": [WEST, EAST]}, **inputs}
    return browser.request("POST", "/ogc/routes", content=json.dumps({"inputs": given}))


# --- the page


@pytest.mark.parametrize(
    ("language", "first"),
    [("en", "Walk east along Main Street for about 350 m."), ("ko", "Main Street를 따라 동쪽으로 약 350 m 걸으세요.")],
)
def test_a_walk_is_told_turn_by_turn_without_script(browser: Browser, language: str, first: str) -> None:
    assert told(browser, f"{WALK}&lang={language}")[0] == first
    browser.get("/?lang=en")


def test_the_form_keeps_what_was_asked_and_its_address_is_what_one_hands_on(browser: Browser) -> None:
    page = browser.get(WALK).text
    assert 'name="start" value="West Station"' in page and re.search(r'value="fast" checked', page)
    assert "http://testserver/walk?start=West+Station&amp;end=East+Station&amp;profile=fast" in page


def test_the_empty_form_and_half_a_question_are_answered_with_the_form(browser: Browser) -> None:
    for address in ("/walk", "/walk?end=East+Station"):
        page = browser.get(address)
        assert page.status_code == 200 and "Say from where to where" in page.text
    assert 'name="end" value="East Station"' in browser.get("/walk?end=East+Station").text
    assert "Say both" in browser.get("/walk?start=&end=East+Station").text


def test_an_unknown_place_gets_names_like_it_to_choose_from(browser: Browser) -> None:
    page = browser.get("/walk?start=West+Statoin&end=East+Station")
    assert page.status_code == 404 and "No place here is called so" in page.text
    assert "/walk?start=West+Station&amp;end=East+Station" in page.text


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("start=West+Station&end=west+station", 400, "Both are the same place."),
        ("start=West+Station&end=Island+Museum", 404, "near Back Lane"),
        ("start=West+Station&end=127,37", 404, "24.9370..24.9430"),
        ("start=West+Station&end=East+Station&at=noon", 400, "no date and time"),
        ("start=West+Station&end=East+Station&at=0001-01-01T00:00", 400, "no date and time"),
        ("start=West+Station&end=East+Station&at=2027-01-01T08:00", 400, "is out of"),
        ("start=West+Station&end=East+Station&profile=scenic", 404, "profiles: fast, calm"),
    ],
)
def test_what_cannot_be_answered_says_why(browser: Browser, query: str, status: int, says: str) -> None:
    page = browser.get(f"/walk?{query}")
    assert page.status_code == status and says in page.text and '<form class="panel fields walk-form"' in page.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("start=West+Station&end=Island+Museum", "이어져 있지 않습니다"),
        ("start=West+Station&end=127,37", "지도 밖"),
        ("start=West+Station&end=East+Station&at=2027-01-01T08:00", "여섯 시간"),
    ],
)
def test_why_not_is_said_in_the_language_of_the_page(browser: Browser, query: str, says: str) -> None:
    assert says in browser.get(f"/walk?{query}&lang=ko").text
    browser.get("/?lang=en")


def test_the_time_is_that_of_the_citys_clocks(browser: Browser) -> None:
    page = browser.get(f"{WALK}&at=2026-11-20T16:30").text
    assert "Setting out Fri, Nov 20 16:30" in page
    program = re.search(r'data-routes="([^"]+)"', page)
    assert program and browser.get(unescape(program[1])).json()["departs"] == "2026-11-20T14:30:00Z"


def test_the_answer_is_json_for_programs_and_its_page_is_the_walks(browser: Browser) -> None:
    asked = "/answers/calm_walk?start=West+Station&end=East+Station"
    found = browser.get(f"{asked}&format=json").json()
    assert found["routes"][0]["geometry"]["coordinates"][0] == WEST
    page = browser.get(asked, headers={"accept": "text/html"}).text
    assert "http://testserver/walk?start=West+Station&amp;end=East+Station" in page


def test_calm_places_are_listed_with_the_walk_to_each(browser: Browser) -> None:
    page = browser.get("/walk?start=West+Station&within=9&profile=step_free").text
    assert "Calm places within 9 minutes of West Station" in page and "8 min" in page
    link = re.search(r'<a href="(/walk\?[^"]+)">Terrace', page)
    assert link is not None and "You have arrived" in browser.get(link[1].replace("&amp;", "&")).text
    assert "No calm place lies that near now." in browser.get("/walk?start=West+Station&within=1").text
    assert browser.get("/walk?start=West+Station&within=x").status_code == 400


def test_a_wrong_time_is_answered_with_how_one_is_written(browser: Browser) -> None:
    refused = browser.get("/answers/calm_walk?start=West+Station&end=East+Station&when=noon&format=json")
    assert refused.status_code == 400
    assert "`$.when`; a time is written as 2026-05-01T08:30:00Z; fields: " in refused.json()["message"]


def test_the_front_page_asks_where_one_walks(browser: Browser) -> None:
    assert '<form class="where panel" method="get" action="/walk">' in browser.get("/").text


def test_nobody_writes_down_where_people_go(
    browser: Browser, city: LittleCity, caplog: pytest.LogCaptureFixture
) -> None:
    head = city.store.head()
    with caplog.at_level(logging.DEBUG, logger="dongne"):
        browser.get("/walk?start=West+Station&end=Terrace+Caf%C3%A9")
        browser.get("/answers/find_place?text=Terrace&format=json")
        routed(browser)
    assert "Terrace" not in caplog.text and city.store.head() == head


def test_not_even_of_those_who_may_see_everything(guarded: LittleCity) -> None:
    """What a carer asks of homes is in the audit log; where they walk is not."""
    assert guarded.guard is not None
    with visiting(guarded, "carer") as carer:
        carer.get("/walk?start=West+Station&end=Terrace+Caf%C3%A9")
        carer.get(
            "/answers/find_place?text=Terrace", headers={"accept": "application/json", "accept-encoding": "identity"}
        )
        carer.get("/things/1")
    guarded.guard._notes.close()
    assert [one.place for one in guarded.guard.book.list_entries() if one.what == "personal data asked for"] == [
        "/things/1"
    ]


# --- closures


def test_staff_close_a_way_with_a_reason_and_no_walk_leads_over_it_until_it_is_opened(guarded: LittleCity) -> None:
    with visiting(guarded, "operator") as staff, visiting(guarded) as anybody:
        assert told(anybody)[0] == "Walk east along Main Street for about 350 m."
        assert "Close this way" in staff.get(f"/things/{STREET}").text
        assert "Close this way" not in anybody.get(f"/things/{STREET}").text
        assert anybody.post(f"/things/{STREET}/closure", data={"reason": "x"}).status_code in (401, 403)
        assert staff.post(f"/things/{STREET}/closure", data={"reason": " "}).status_code == 400
        assert staff.post(f"/things/{STREET}/closure", data={"reason": "A market"}).status_code == 303
        wait_until(lambda: "Back Lane" in " ".join(told(anybody)))
        assert "One closed way is kept out." in anybody.get(WALK).text
        assert staff.post(f"/things/{STREET}/closure", data={"reason": "again"}).status_code == 400  # it is closed
        [case] = guarded.store.list_cases(CaseFilter(kind="closure"))
        assert (case.state, case.values, case.thing) == ("closed_off", {"reason": "A market"}, STREET)
        assert "Main Street: closed to people on foot. A market" in staff.get(f"/cases/{case.id}").text
        assert staff.post(f"/cases/{case.id}/step", data={"action": "open_again"}).status_code == 303
        wait_until(lambda: "Back Lane" not in " ".join(told(anybody)))


def test_what_is_no_way_is_not_closed(guarded: LittleCity) -> None:
    with visiting(guarded, "operator", "lee") as staff:
        refused = staff.post("/things/1/closure", data={"reason": "x"})
        assert refused.status_code == 400 and "is no way that is open" in refused.text


# --- OGC API - Routes


def test_a_route_is_computed_in_the_exchange_model(browser: Browser) -> None:
    answer = routed(browser, name="To work", preference="fastest")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-language"] == "en"
    document = answer.json()
    assert (document["type"], document["name"]) == ("FeatureCollection", "To work")
    overview, start, *segments, end = document["features"]
    line = overview["geometry"]["coordinates"]
    assert (start["geometry"]["coordinates"], end["geometry"]["coordinates"]) == (WEST, EAST) == (line[0], line[-1])
    assert [one["properties"]["roadName"] for one in segments] == ["Main Street"]
    assert segments[0]["properties"]["text"] == "Walk east along Main Street for about 350 m."
    assert (
        sum(one["properties"]["length_m"] for one in segments)
        == overview["properties"]["length_m"]
        == pytest.approx(334, abs=2)
    )


def test_all_waypoints_are_passed_and_each_segment_ends_on_the_line(browser: Browser) -> None:
    lane = [24.94, 60.1708]
    document = routed(browser, waypoints={"type": "MultiPoint", "coordinates": [WEST, lane, EAST]}).json()
    overview, _, *segments, end = document["features"]
    line = overview["geometry"]["coordinates"]
    assert lane in line and line[0] == WEST and line[-1] == EAST
    assert all(one["geometry"]["coordinates"] in line for one in segments)
    assert segments[-1]["geometry"] == end["geometry"] and "instructions" not in segments[-1]["properties"]
    assert {"left", "right"} >= {one["properties"].get("instructions", "left") for one in segments}


def test_who_says_when_to_be_there_is_told_when_to_leave(browser: Browser) -> None:
    document = routed(browser, when={"timestamp": "2026-11-20T14:00:00Z", "type": "arrival"}).json()
    start, end = document["features"][1], document["features"][-1]
    assert end["properties"]["timestamp"] == "2026-11-20T14:00:00Z"
    assert start["properties"]["timestamp"] < "2026-11-20T13:57:00Z"


def test_the_shortest_is_the_fastest_on_foot_and_says_so(browser: Browser) -> None:
    document = routed(browser, preference="shortest").json()
    assert "fastest way is given for the shortest" in document["features"][0]["properties"]["comment"]


@pytest.mark.parametrize(
    ("inputs", "status", "says"),
    [
        ({"preference": "scenic"}, 400, "there are fastest, shortest, calm"),
        ({"waypoints": {"type": "MultiPoint", "coordinates": [WEST]}}, 400, "waypoints.coordinates"),
        ({"waypoints": {"type": "MultiPoint", "coordinates": [WEST, [300, 0]]}}, 400, "no place on the globe"),
        ({"waypoints": {"type": "MultiPoint", "coordinates": [WEST, WEST]}}, 400, "same place"),
        ({"waypoints": {"type": "MultiPoint", "coordinates": [WEST, ISLAND]}}, 422, "not connected"),
        ({"waypoints": {"type": "MultiPoint", "coordinates": [WEST, [127, 37.5]]}}, 422, "no way within"),
        ({"when": {"timestamp": "2026-11-20T12:00:30Z", "type": "arrival"}}, 400, "give a later arrival"),
        ({"name": "x" * 70_000}, 413, "65536 bytes"),
    ],
)
def test_what_no_route_can_be_made_of_says_why(
    browser: Browser, inputs: dict[str, Any], status: int, says: str
) -> None:
    answer = routed(browser, **inputs)
    assert answer.status_code == status and says in answer.json()["description"]


def test_routes_are_announced_with_what_they_can(browser: Browser) -> None:
    links = browser.get("/ogc").json()["links"]
    assert "http://testserver/ogc/routes" in [one["href"] for one in links if one["rel"].endswith("/OGC/1.0/routes")]
    document = browser.get("/ogc/conformance").json()
    core = "http://www.opengis.net/spec/ogcapi-routes-1/1.0.0-draft.1/conf/core"
    assert core in document["conformsTo"] and "calm" in document[core]["values"]
    assert browser.get("/ogc/routes").json()["links"][0]["rel"] == "self"
    assert "Routes on foot" in browser.get("/ogc/routes?f=html").text
    assert "/routes" in browser.get("/ogc/api").json()["paths"]


# --- the short way


@pytest.mark.parametrize(
    "asked",
    ["/answers/calm_walk?start=West+Station&end=East+Station", "/answers/calm_walk?start=nowhere&end=East+Station", "/answers/calm_walk?start=a",
     "/answers/find_place?text=terr&limit=x", "/answers/nothing?a=1", "/answers/whats_near?lon=24.94&lat=60.17", "/answers/find_place?text=%EC%84%9C"],
)  # fmt: skip
def test_json_by_the_short_way_is_what_the_pages_answer(browser: Browser, asked: str) -> None:
    """A client that takes gzip goes the way of the pages."""
    short = browser.get(asked, headers={"accept": "application/json", "accept-encoding": "identity"})
    whole = browser.get(asked, headers={"accept": "application/json", "accept-encoding": "gzip"})
    assert (short.status_code, short.json()) == (whole.status_code, whole.json())
    assert short.headers["content-type"] == whole.headers["content-type"] == "application/json"
    assert short.headers["content-security-policy"] and "Accept" in short.headers["vary"]
