"""The simulated 119 as an operator and a sender meet it: over HTTP at a socket of its own."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import httpx
import msgspec
import pytest

from dongne.lab.simulators.dispatch119.http import LANGUAGES, PRESETS, read_words
from dongne.lab.simulators.dispatch119.server import Dispatch119
from dongne.standards.dispatch import body
from dongne.standards.dispatch.alarm import CONTACTS, MEDICAL_NOTE, Alarm, DispatchHome, Evidence, Says
from dongne.standards.dispatch.build import build_dispatch
from dongne.standards.dispatch.events import STEPS

WHEN = datetime(2026, 11, 28, 5, 5, 7, tzinfo=UTC)
HOME = DispatchHome(
    point=(126.978, 37.5665), consented=frozenset({MEDICAL_NOTE, CONTACTS}),
    properties={
        "person": "p-1", "language": "ko", "medical_note": "와파린 <복용>", "simulated": True,
        "address": {"country": "KR", "A1": "서울특별시", "RD": "세종대로", "HNO": "110"},
        "contacts": [{"role": "guardian", "name": "김영희", "addresses": [["voice", "+821012345678"]]}],
    },
)  # fmt: skip
ALARM = Alarm(
    key="home_alarm/17/fire/3", sent=WHEN, kind="fire", raised=WHEN, call_back="+82-2-555-0100",
    evidence=(Evidence(WHEN, "smoke", "smoke-1", 1.0),),
)  # fmt: skip


@pytest.fixture
def at() -> Iterator[httpx.Client]:
    """A client of a simulator that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Dispatch119(lambda: WHEN)
    asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(10)
    with httpx.Client(base_url=simulator.url, trust_env=False, timeout=10) as client:
        yield client
    asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def post(at: httpx.Client, alarm: Alarm = ALARM, home: DispatchHome = HOME, **headers: str) -> httpx.Response:
    dispatch = build_dispatch(
        alarm, home, Says("화재 <신고>", "연기"), sender="city.example.org", zone=timezone(timedelta(hours=9))
    )
    content_type, content = body.encode(dispatch)
    given = {"content-type": content_type, "idempotency-key": f'"{dispatch.alert.identifier}"'}
    return at.post("/alarms", content=content, headers={**given, **headers})


def test_an_alarm_is_listed_with_time_place_evidence_and_note(at: httpx.Client) -> None:
    answer = post(at)
    assert answer.status_code == 201
    (listed,) = at.get("/alarms").json()
    assert (listed["headline"], listed["state"], listed["status"], listed["place"]) == (
        "화재 <신고>",
        "new",
        "Test",
        "37.566500, 126.978000 ± 15 m",
    )
    assert listed["evidence"] == ["2026-11-28T14:05:07+09:00 smoke smoke-1 1"]
    assert (listed["note"], listed["contacts"]) == ("와파린 <복용>", ["김영희 tel:+821012345678"])
    page = at.get("/").text
    for words in (
        "화재 &lt;신고&gt;",
        "서울특별시 세종대로 110",
        "와파린 &lt;복용&gt;",
        "+82-2-555-0100",
        "모의 119",
        "실제 119에 전해지지 않습니다",
    ):
        assert words in page
    identifier = listed["messages"][0]["identifier"]
    assert at.get(f"/messages/{identifier}").content.startswith(f"--=_{identifier}".encode())


def test_the_same_message_again_is_told_as_the_same_and_other_bytes_under_it_are_counted(at: httpx.Client) -> None:
    first, again = post(at), post(at)
    assert (again.status_code, again.json()) == (200, {"receipt": first.json()["receipt"], "repeat": True})
    assert post(at, msgspec.structs.replace(ALARM, kind="fall")).json()["repeat"]
    (listed,) = at.get("/alarms").json()
    assert (listed["messages"][0]["repeats"], listed["messages"][0]["differing"]) == (2, 1)


def test_the_operators_steps_are_events_in_their_order(at: httpx.Client) -> None:
    post(at)
    incident = at.get("/alarms").json()[0]["incident"]
    place = f"/alarms/{incident}/steps"
    for step in STEPS:
        done = at.post(place, data={"step": step, "by": "박", "unit": "구급 1", "cause": "조리"})
        assert (done.status_code, done.headers["location"]) == (303, f"/?lang=ko#a{incident}")
    assert "2026-11-28 14:05:07+09:00 접수됨 · 박 · 구급 1 · 조리" in at.get("/").text
    page = at.get("/events", params={"after": 1, "wait_s": 5}).json()
    assert [(one["number"], one["step"]) for one in page["events"]] == [(2, "unit_sent"), (3, "arrived"), (4, "closed")]
    assert page["last"] == 4
    assert at.get("/events", params={"after": 4, "wait_s": 0}).json() == {"events": [], "last": 4}
    assert at.post(place, json={"step": "closed"}).json()["error"] == "an alarm is closed with its cause; give one"


def test_a_long_poll_is_answered_by_the_next_step(at: httpx.Client) -> None:
    post(at)
    incident = at.get("/alarms").json()[0]["incident"]
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(at.get("/events", params={"after": 0, "wait_s": 30}).json()))
    asking.start()
    at.post(f"/alarms/{incident}/steps", json={"step": "acknowledged", "by": "박"})
    asking.join(10)
    assert [one["by"] for one in found[0]["events"]] == ["박"]


REFUSED = {
    "another key": ({"idempotency-key": '"x"'}, ALARM, 400, "is not the alert's identifier"),
    "no multipart": ({"content-type": "application/json"}, ALARM, 415, "send multipart/related"),
    "an exercise": ({}, msgspec.structs.replace(ALARM, exercise=True), 400, "exercises stay at home"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_no_desk_can_take_is_refused_and_counted(at: httpx.Client, why: str) -> None:
    headers, alarm, status, words = REFUSED[why]
    answer = post(at, alarm, **headers)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True)
    assert at.get("/alarms").json() == []


def test_what_is_no_behaviour_step_or_number_is_refused(at: httpx.Client) -> None:
    assert at.post("/behaviour", json={"mode": "sleepy"}).status_code == 400
    assert at.post("/behaviour", content=b"\xff", headers={"content-type": "application/json"}).status_code == 400
    assert at.post("/alarms/none/steps", json={"step": "closed"}).status_code == 404
    assert at.get("/events", params={"after": "x"}).status_code == 400
    assert at.get("/messages/none").status_code == 404
    post(at)
    incident = at.get("/alarms").json()[0]["incident"]
    assert at.post(f"/alarms/{incident}/steps", json={"step": "gone"}).status_code == 400


def test_it_behaves_as_the_page_tells_it(at: httpx.Client) -> None:
    at.post("/behaviour", data={"preset": "busy"})
    answer = post(at)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "selected>혼잡(503)" in at.get("/").text
    at.post("/behaviour", json={"mode": "refuse", "status": 500, "count": 1})
    assert [post(at).status_code for _ in range(2)] == [500, 201]
    at.post("/behaviour", json={"mode": "drop"})
    with pytest.raises(httpx.RemoteProtocolError):
        post(at)
    at.post("/behaviour", json={"mode": "lose"})
    assert post(at, msgspec.structs.replace(ALARM, key="other")).status_code == 201
    assert len(at.get("/alarms").json()) == 1  # the lost one is nowhere


class Page(HTMLParser):
    """Its tags, and labels around fields."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.unlabelled: list[Any] = []
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            self.language = dict(attrs).get("lang") or ""
        if tag in {"input", "select"} and "label" not in self.tags:
            self.unlabelled.append(attrs)
        if tag not in {"meta", "input", "br", "link"}:
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.tags.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_in_both_languages(at: httpx.Client, language: str) -> None:
    post(at)
    page = Page()
    text = at.get("/", params={"lang": language}).text
    page.feed(text)
    assert (page.tags, page.unlabelled, page.language) == ([], [], language)
    words = read_words()
    assert all(set(said) == set(LANGUAGES) and all(said.values()) for said in words.values())
    assert set(PRESETS) | set(STEPS) | {f"is_{step}" for step in STEPS} <= set(words)
    assert words["notice"][language] in text
