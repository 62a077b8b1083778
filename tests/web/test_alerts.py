"""/alerts: what the city warns of, as CAP 1.2 messages that follow their Case, and a feed of them; only what all may see."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import little_city
import msgspec
import pytest
from little_city import BIN, FULL_BIN, NOW, Browser, LittleCity

from dongne.model.access import EVERYTHING
from dongne.model.cases import CaseEvent
from dongne.model.entities import Location, Thing, put
from dongne.model.records import RecordKind
from dongne.model.who import BENCH as ANYONE
from dongne.model.who import Who
from dongne.runtime.ports import Entry, Transaction
from dongne.standards.cap.message import Alert, list_in_force
from dongne.standards.cap.xml import decode
from dongne.web.context import OpenGate
from dongne.web.resident import alerts

ATOM = {"a": "http://www.w3.org/2005/Atom"}
SECRET = "Zz somebody's"
CONFIG = msgspec.structs.replace(
    little_city.CONFIG, publisher="Little town council", contact="mailto:alerts@little.test", licence="CC0-1.0"
)
HOME, YARD = 301, 302
RING = [[24.94, 60.17], [24.95, 60.17], [24.95, 60.18], [24.94, 60.17]]


class AllSeeing(OpenGate):
    """Whoever comes sees everything."""

    def who_on_page(self, scope: Any) -> Who:
        return msgspec.structs.replace(ANYONE, sight=EVERYTHING)


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LittleCity]:
    monkeypatch.setattr(little_city, "CONFIG", CONFIG)
    with contextlib.closing(LittleCity(tmp_path / "store", gate=AllSeeing())) as opened:
        yield opened


@pytest.fixture
def browser(city: LittleCity) -> Iterator[Browser]:
    with contextlib.closing(Browser(city, **{"accept-language": "en"})) as client:
        yield client


def put_all(city: LittleCity, *entities: Any) -> None:
    body = msgspec.msgpack.encode([put(one) for one in entities])
    city.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()


def happen(city: LittleCity, action: str, thing: int | None = FULL_BIN, once: str = "1", **more: Any) -> int:
    """An event of an alert; the number of its record."""
    said: dict[str, Any] = {
        "kind": "alert", "name": "sensor_silent", "service": "smart_bins", "severity": "severe", "values": {"silent_h": 7.0},
        "time": datetime.fromisoformat("2026-11-20T12:00:00.25+00:00"), "by": SECRET, "note": SECRET, **more,
    }  # fmt: skip
    event = CaseEvent(key=f"smart_bins/{thing}/alert/{once}", action=action, thing=thing, **said)
    entry = Entry(RecordKind.CASE, msgspec.msgpack.encode(event))
    return city.store.submit(Transaction([entry])).result().numbers[0]


def read(browser: Browser, case_id: int) -> Alert:
    answer = browser.get(f"/alerts/{case_id}.xml")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/cap+xml"), answer.text
    assert SECRET not in answer.text
    return decode(answer.content)


def read_feed(browser: Browser, query: str = "") -> ElementTree.Element:
    answer = browser.get(f"/alerts/cap.atom{query}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert SECRET not in answer.text
    return ElementTree.fromstring(answer.content)


def linked(feed: ElementTree.Element, relation: str = "alternate") -> list[str]:
    """Where the entries of a feed lead."""
    found = feed.findall(f"a:entry/a:link[@rel='{relation}']", ATOM)
    return [str(link.get("href")).removeprefix("http://testserver") for link in found]


def test_an_alert_says_what_where_and_how_grave_in_each_language_of_the_city(
    city: LittleCity, browser: Browser
) -> None:
    case_id = happen(city, "open")
    found = read(browser, case_id)
    assert (found.status, found.msg_type, found.scope) == ("Actual", "Alert", "Public")
    assert (found.identifier, found.sender) == (f"little.case.{case_id}.{case_id}", "alerts@little.test")
    assert found.sent.isoformat() == "2026-11-20T14:00:00+02:00"  # as the clocks of Helsinki show it, in whole seconds
    assert [one.language for one in found.infos] == ["ko", "en"]
    korean, english = found.infos
    assert (english.event, korean.event) == ("Sensor is silent", "센서 응답 없음")
    assert (
        english.headline == english.description == "The sensor has been silent for 7 hours. Please have a look at it."
    )
    assert (english.severity, english.certainty, english.urgency) == ("Severe", "Observed", "Unknown")
    assert english.categories == ("Infra",) and english.sender_name == "Little town council"
    assert {one.value_name: one.value for one in english.parameters} == {"state": "new", "silent_h": "7.0"}
    assert english.web == f"http://testserver/cases/{case_id}"
    (area,) = english.areas
    (circle,) = area.circles
    thing = city.store.graph.find_point(FULL_BIN)
    assert area.area_desc == "Waste basket, Kaivokatu 2" and circle.centre == thing and circle.radius_km == 0
    assert f"<circle>{thing[1]},{thing[0]} 0</circle>" in browser.get(f"/alerts/{case_id}.xml").text  # latitude first


def test_each_step_is_a_message_that_refers_to_those_before_and_is_valid(
    city: LittleCity, browser: Browser, cap_schema: Any
) -> None:
    from lxml import etree

    case_id = happen(city, "open")
    messages = [read(browser, case_id)]

    def then(step: str) -> Alert:
        city.clock.us += 60_000_000
        data = {"action": step, "who": SECRET, "note": SECRET, "cause": "false_alarm" if step == "dismiss" else ""}
        assert browser.post(f"/cases/{case_id}/step", data=data).status_code == 303
        messages.append(read(browser, case_id))
        cap_schema.assertValid(etree.fromstring(browser.get(f"/alerts/{case_id}.xml").content))
        return messages[-1]

    first = messages[0]
    taken = then("acknowledge")
    assert (taken.msg_type, taken.references) == ("Update", (first.reference,))
    assert taken.infos[0].parameters[0].value == "acknowledged" and taken.sent - first.sent == timedelta(minutes=1)
    over = then("clear")
    assert (over.msg_type, over.references) == ("Update", (first.reference, taken.reference))
    assert over.infos[1].response_types == ("AllClear",) and over.infos[1].urgency == "Past"
    assert over.infos[1].headline.startswith("Over: ") and over.infos[1].expires == over.sent + timedelta(hours=48)
    again = then("reopen")
    assert again.msg_type == "Update" and len(again.references) == 3 and again.infos[0].response_types == ()
    taken_back = then("dismiss")
    assert (taken_back.msg_type, len(taken_back.references)) == ("Cancel", 4)
    assert (
        taken_back.infos[1].certainty == "Unlikely"
        and "withdrawn" in taken_back.note.lower() + taken_back.infos[1].headline.lower()
    )
    assert list_in_force(messages) == []
    anew = then("reopen")
    assert (anew.msg_type, anew.references) == ("Alert", ()) and list_in_force(messages) == [anew]
    assert {one.incidents for one in messages} == {(f"little.case.{case_id}",)}
    assert len({one.identifier for one in messages}) == len(messages)


def test_an_update_of_the_values_is_a_message_and_one_that_changes_nothing_is_none(
    city: LittleCity, browser: Browser
) -> None:
    case_id = happen(city, "open")
    happen(city, "update")
    assert read(browser, case_id).msg_type == "Alert"
    worse = happen(city, "update", severity="extreme", values={"silent_h": 9.0}, due=NOW + timedelta(minutes=30))
    found = read(browser, case_id)
    assert (found.identifier, found.msg_type) == (f"little.case.{case_id}.{worse}", "Update")
    assert (found.infos[1].severity, found.infos[1].urgency) == ("Extreme", "Expected")
    assert "9 hours" in found.infos[1].headline


def test_what_is_simulated_or_recorded_elsewhere_is_a_test_and_so_is_a_clock_that_is_not_the_worlds(
    city: LittleCity, browser: Browser
) -> None:
    assert read(browser, happen(city, "open", BIN)).status == "Test"
    case_id = happen(city, "open", FULL_BIN)
    assert read(browser, case_id).status == "Actual"
    object.__setattr__(city.context, "speed", 60.0)
    assert read(browser, case_id).status == "Test"


def test_an_area_is_drawn_as_the_thing_is_and_where_there_is_none_it_is_the_city(
    city: LittleCity, browser: Browser
) -> None:
    shapes = [
        {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[RING]]}},
        {"type": "Polygon", "coordinates": [RING[:3]]},
    ]
    put_all(
        city, *(Location(id=400 + n, name="yard", location=shape) for n, shape in enumerate(shapes)),
        Thing(id=YARD, name="", properties={}, location_ids=(400, 401)),
    )  # fmt: skip
    (area,) = read(browser, happen(city, "open", YARD)).infos[1].areas
    assert area.polygons == (tuple((lon, lat) for lon, lat in RING),) and area.area_desc == str(YARD)
    assert len(area.circles) == 1  # the polygon that is not closed
    (whole,) = read(browser, happen(city, "open", None)).infos[1].areas
    assert whole.area_desc == "Little town" and min(whole.polygons[0]) == CONFIG.bounds[:2]


def test_what_not_everybody_may_see_is_in_no_feed_whoever_asks(city: LittleCity, browser: Browser) -> None:
    put_all(
        city,
        *(
            Thing(id=HOME + n, name=SECRET, properties={"access": access})
            for n, access in enumerate(("internal", "personal"))
        ),
    )
    hidden = [happen(city, "open", HOME + n) for n in range(2)]
    order = city.open_case()
    seen = happen(city, "open")
    assert linked(read_feed(browser)) == [f"/alerts/{seen}.xml"]
    for case_id in (*hidden, order, 10**17):
        assert browser.get(f"/cases/{case_id}").status_code == (404 if case_id == 10**17 else 200)
        assert browser.get(f"/alerts/{case_id}.xml").status_code == 404


def test_the_feed_has_the_open_alerts_and_for_two_days_those_that_ended(city: LittleCity, browser: Browser) -> None:
    empty = read_feed(browser)
    assert empty.findall("a:entry", ATOM) == [] and empty.findtext("a:title", namespaces=ATOM) == "Little town: alerts"
    first, second = happen(city, "open", once="1"), happen(city, "open", once="2", time=NOW + timedelta(minutes=1))
    feed = read_feed(browser)
    assert linked(feed) == [f"/alerts/{second}.xml", f"/alerts/{first}.xml"]
    assert [e.findtext("a:id", namespaces=ATOM) for e in feed.findall("a:entry", ATOM)] == [
        f"urn:dongne:little.case.{n}" for n in (second, first)
    ]
    assert feed.findtext("a:updated", namespaces=ATOM) == "2026-11-20T12:01:00Z"
    assert [category.get("term") for category in feed.findall("a:entry[1]/a:category", ATOM)] == ["Alert", "Severe"]
    happen(city, "clear", once="1", time=NOW + timedelta(minutes=2))
    newest = read_feed(browser, "?lang=ko").find("a:entry", ATOM)
    assert newest is not None and str(newest.findtext("a:title", namespaces=ATOM)).startswith("상황 종료: ")
    assert newest.findtext("a:updated", namespaces=ATOM) == "2026-11-20T12:02:00Z"
    city.clock.us += 49 * 3_600_000_000
    assert linked(read_feed(browser)) == [f"/alerts/{second}.xml"]
    assert read(browser, first).infos[0].response_types == ("AllClear",)  # its own address stays


def test_a_long_feed_goes_on_at_its_next_link(
    city: LittleCity, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "PER_PAGE", 2)
    opened = [happen(city, "open", once=str(n)) for n in range(5)]
    happen(city, "clear", once="0")
    found, query, pages = [], "", 0
    while True:
        feed = read_feed(browser, query)
        found += linked(feed)
        pages += 1
        next_one = feed.find("a:link[@rel='next']", ATOM)
        if next_one is None:
            break
        query = "?" + str(next_one.get("href")).partition("?")[2]
    assert pages == 2 and sorted(found) == sorted(f"/alerts/{n}.xml" for n in opened)
    refused = browser.get("/alerts/cap.atom?before=soon")
    assert refused.status_code == 400 and "is not the number of a case" in refused.text


def test_what_a_thing_is_called_breaks_no_message(city: LittleCity, browser: Browser) -> None:
    put_all(city, Thing(id=YARD, name="bell\x07 <&\r]]>", properties={}))
    case_id = happen(city, "open", YARD, name="odd\x00", values={"a\x01": "b\x02", "c": "", " ": 1})
    (area,) = read(browser, case_id).infos[1].areas
    assert area.area_desc == "bell\ufffd <&\r]]>"
    assert read_feed(browser).findtext("a:entry/a:summary", namespaces=ATOM) == area.area_desc


def test_the_feed_is_linked_and_described(city: LittleCity, browser: Browser) -> None:
    case_id = happen(city, "open")
    page = browser.get("/cases").text
    assert page.count('href="/alerts/cap.atom"') == 2
    described = browser.get("/openapi.json").json()["paths"]
    assert described["/alerts/cap.atom"]["get"]["operationId"] == "getAlerts"
    assert described["/alerts/{id}.xml"]["get"]["parameters"][0]["example"] == case_id
