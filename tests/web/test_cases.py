"""What people on duty do with Cases: causes, assignment, notes, links, merging, two at once; the inbox and the feeds."""

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from little_city import BIN, CONFIG, FULL_BIN, NOW, Browser, LittleCity, open_case, open_little_city, visiting

from dongne.model.access import PUBLIC, Access, Sight
from dongne.model.cases import Case, CaseEvent
from dongne.model.duty import Member, Shift, Unit
from dongne.model.records import RecordKind
from dongne.runtime.deadlines import Deadlines
from dongne.runtime.ports import CaseFilter, Entry, Transaction
from dongne.runtime.roster import Roster
from dongne.runtime.wanted import WantedCases
from dongne.web.api.events import read_events

ENGLISH = {"accept-language": "en"}
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    with open_little_city(tmp_path_factory.mktemp("guarded") / "store", guarded_at="0.0.0.0") as city:
        yield city


def step(browser: Browser, case: int, action: str, **fields: Any) -> Any:
    return browser.post(f"/cases/{case}/step", data={"action": action, **fields})


def actions(city: LittleCity, case: int) -> list[str]:
    return [event.action for _, event, _ in city.store.list_case_events(case)]


def test_closing_says_why_and_the_page_says_it_too(city: LittleCity, browser: Browser) -> None:
    case = open_case(city, "why")
    page = browser.get(f"/cases/{case}").text
    assert re.search(r'<select id="cause-cancel" name="cause" required>', page)
    refused = step(browser, case, "cancel", note="kept words")
    assert refused.status_code == 400 and "say why" in refused.text and "kept words" in refused.text
    assert actions(city, case) == ["open"]
    assert step(browser, case, "cancel", cause="boredom").status_code == 400
    assert step(browser, case, "cancel", cause="not_possible").status_code == 303
    assert city.store.get_case(case).cause == "not_possible"
    assert "Can&#39;t be done" in browser.get(f"/cases/{case}").text
    assert step(browser, case, "reopen").status_code == 303


def test_a_case_is_assigned_to_a_unit_and_a_person_taken_on_and_let_go(city: LittleCity, browser: Browser) -> None:
    case = open_case(city, "whose")
    step(browser, case, "assign", unit="East", assignee="Kim")
    assert (city.store.get_case(case).unit, city.store.get_case(case).assignee) == ("East", "Kim")
    assert step(browser, case, "assign", unit="East", me="1").status_code == 400, "nobody said who"
    step(browser, case, "assign", unit="East", me="1", who="Aino")
    assert city.store.get_case(case).assignee == "Aino"
    page = browser.get(f"/cases/{case}").text
    assert "East" in page and "Aino" in page and '<option value="East">' in page
    step(browser, case, "assign", unit="", assignee="")
    assert city.store.get_case(case).assignee == ""
    assert "nobody" in browser.get(f"/cases/{case}").text


def test_a_note_is_kept_as_text_and_an_empty_one_is_none(city: LittleCity, browser: Browser) -> None:
    case = open_case(city, "note")
    assert step(browser, case, "note", note=" ").status_code == 400
    step(browser, case, "note", note="<b>the lid</b> is stuck", who="Aino")
    assert "&lt;b&gt;the lid&lt;/b&gt; is stuck" in browser.get(f"/cases/{case}").text
    assert city.store.get_case(case).state == "new"


def test_a_link_stands_on_both_cases_and_is_taken_back_from_both(city: LittleCity, browser: Browser) -> None:
    one, other = open_case(city, "one"), open_case(city, "other", kind="alert")
    step(browser, one, "link", relation="caused_by", other=other, note="a private word")
    assert [(x.relation, x.key) for x in city.store.get_case(one).links] == [
        ("caused_by", city.store.get_case(other).key)
    ]
    assert [x.relation for x in city.store.get_case(other).links] == ["causes"]
    assert f'href="/cases/{other}"' in browser.get(f"/cases/{one}").text
    there = browser.get(f"/cases/{other}").text
    assert f'href="/cases/{one}"' in there and "a private word" not in there
    step(browser, other, "unlink", relation="causes", other=one)
    assert city.store.get_case(one).links == city.store.get_case(other).links == ()
    for wrong in ("999999", str(one), "x"):
        assert step(browser, one, "link", relation="related", other=wrong).status_code == 400
    assert step(browser, one, "link", relation="merged_from", other=other).status_code == 400


def test_a_merged_case_is_closed_both_say_so_and_reopening_takes_it_back(city: LittleCity, browser: Browser) -> None:
    one, other, alert = open_case(city, "m1"), open_case(city, "m2"), open_case(city, "m3", kind="alert")
    assert step(browser, one, "merge", other=alert).status_code == 400, "of another kind"
    assert step(browser, one, "merge", other=other).status_code == 303
    merged = city.store.get_case(one)
    assert (merged.is_closed, merged.cause, merged.merged_into) == (True, "merged", city.store.get_case(other).key)
    assert f'Merged into: <a href="/cases/{other}">' in browser.get(f"/cases/{one}").text
    assert "Took in" in browser.get(f"/cases/{other}").text
    assert step(browser, other, "merge", other=one).status_code == 400, "into one that is closed"
    step(browser, one, "reopen")
    assert city.store.get_case(one).merged_into == "" and city.store.get_case(other).links == ()
    assert actions(city, other) == ["open", "link", "unlink"]


def test_of_two_at_once_the_second_is_told_what_changed_and_overwrites_nothing(
    city: LittleCity, browser: Browser
) -> None:
    case = open_case(city, "two")
    events = re.search(r'name="events" value="(\d+)"', browser.get(f"/cases/{case}").text)
    assert events is not None
    step(browser, case, "assign", unit="West", assignee="Kim", who="Kim", events=events[1])
    late = step(browser, case, "assign", unit="East", assignee="Aino", who="Aino", events=events[1])
    assert late.status_code == 409
    alert = late.text[late.text.index('role="alert"') :]
    alert = alert[: alert.index("</div>")]
    assert "Nothing was saved" in alert and "Assigned" in alert and "West" in alert and "Opened" not in alert
    assert 'value="Aino"' in late.text, "what was filled in is kept"
    assert city.store.get_case(case).unit == "West"
    assert 'name="events" value="2"' in late.text
    assert step(browser, case, "accept", events="2").status_code == 303


def test_of_many_who_take_the_same_step_at_once_one_gets_it(city: LittleCity) -> None:
    case = city.store.get_case(open_case(city, "race"))
    taken = [
        CaseEvent(key=case.key, kind=case.kind, action="assign", name=case.name, time=NOW, assignee=f"p{i}", expects=1)
        for i in range(20)
    ]
    done = [city.store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(e))])) for e in taken]
    refused = [f.exception() for f in done]
    assert sum(e is None for e in refused) == 1
    assert {getattr(e, "reason", "") for e in refused if e is not None} == {"stale"}
    assert city.store.get_case(case.id).events == 2


def order_of(page: str, cases: list[int]) -> list[int]:
    found = [int(x) for x in re.findall(r'class="case-what"><a href="/cases/(\d+)"', page)]
    return [x for x in found if x in cases]


def test_the_inbox_has_priority_first_then_the_deadline_and_filters(guarded: LittleCity) -> None:
    hour = timedelta(hours=1)
    late = open_case(guarded, "late", due=NOW - hour, unit="East")
    soon = open_case(guarded, "soon", due=NOW + hour, assignee="operator kim")
    whenever = open_case(guarded, "whenever", unit="East")
    first = open_case(guarded, "first", priority=0, due=NOW + 9 * hour)
    alert = open_case(guarded, "alert", kind="alert", severity="severe")
    ours = [late, soon, whenever, first, alert]
    with visiting(guarded, "operator") as operator, visiting(guarded) as nobody:
        page = operator.get("/cases").text
        assert order_of(page, ours) == [first, alert, late, soon, whenever]
        assert "Life safety" in page and "operator kim" in page
        assert order_of(operator.get("/cases?unit=East").text, ours) == [late, whenever]
        assert order_of(operator.get("/cases?mine=1").text, ours) == [soon]
        assert order_of(operator.get("/cases?kind=alert").text, ours) == [alert]
        assert operator.post(f"/cases/{late}/step", data={"action": "accept"}).status_code == 303
        assert order_of(operator.get("/cases?state=accepted").text, ours) == [late]
        public = nobody.get("/cases").text
        assert order_of(public, ours) == order_of(page, ours) and "operator kim" not in public
        assert "operator kim" not in nobody.get(f"/cases/{soon}").text
    for sight, is_said in ((PUBLIC, False), (Sight(Access.INTERNAL), True)):
        told, _ = read_events(guarded.store, WantedCases(guarded.store, set(), set(), set(), sight), soon - 1)
        assert (b"operator kim" in told[0]) is is_said


def test_the_store_finds_the_urgent_ones_of_many_page_by_page(city: LittleCity) -> None:
    made = [
        open_case(city, f"many {i}", unit="many", priority=i * 7 % 10, due=NOW + timedelta(hours=i)) for i in range(12)
    ]
    wanted: list[Case] = sorted((city.store.get_case(x) for x in made), key=lambda c: (c.rank, c.due))
    pages = [
        city.store.list_cases(CaseFilter(unit="many", urgent_first=True, limit=5, skip=skip))
        for skip in range(0, 15, 5)
    ]
    assert [case.id for page in pages for case in page] == [case.id for case in wanted]


def test_feeds_hold_the_open_cases_as_atom_and_as_json(guarded: LittleCity) -> None:
    case = open_case(
        guarded, "fed", values={"level_percent": 95.0}, note="<&>", due=NOW + timedelta(hours=3), unit="East"
    )
    closed = open_case(guarded, "closed")
    with visiting(guarded, "operator", "lee") as operator:
        operator.post(f"/cases/{closed}/step", data={"action": "done"})
        answer = operator.get("/cases.json")
        assert answer.headers["content-type"] == "application/feed+json"
        feed = answer.json()
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        items = {item["id"]: item for item in feed["items"]}
        address = f"http://testserver/cases/{case}"
        assert f"http://testserver/cases/{closed}" not in items
        assert items[address]["_dongne"] == {
            "key": f"smart_bins/{FULL_BIN}/work_order/collect/fed", "kind": "work_order", "state": "new", "priority": 6,
            "unit": "East", "thing": FULL_BIN, "due": "2026-11-20T15:00:00Z",
        }  # fmt: skip
        answer = operator.get("/cases.atom")
        assert answer.headers["content-type"] == "application/atom+xml"
        root = ElementTree.fromstring(answer.content)
        entries = {entry.findtext(f"{ATOM}id"): entry for entry in root.iter(f"{ATOM}entry")}
        assert set(entries) == set(items)
        for part in (root, entries[address]):
            assert all(part.findtext(f"{ATOM}{name}") for name in ("id", "title", "updated"))
        assert entries[address].findtext(f"{ATOM}title") == items[address]["title"]
        updated = [entry.findtext(f"{ATOM}updated") or "" for entry in entries.values()]
        assert updated == sorted(updated, reverse=True) and root.findtext(f"{ATOM}updated") == updated[0]


ROSTER = Roster(
    {
        "desk": Unit(
            name={"ko": "상황실", "en": "Care desk"}, next="chief", shifts=(Shift(people=("aino",), start="13:00", end="15:00"),)
        ),
        "chief": Unit(name={"en": "Chief"}, shifts=(Shift(people=("kim",), days=("mon",), start="08:00", end="16:00"),)),
    },
    {
        "aino": Member(id="aino", name="Aino Laine", simulated=True, addresses=(("sms", "+99950100"),)),
        "kim": Member(id="kim", name="Kim Jiwoo", simulated=True),
    },
    CONFIG.zone_info,
)  # fmt: skip


def test_the_roster_says_who_is_there_now_and_in_the_week_to_come_to_staff_alone(tmp_path: Path) -> None:
    guarded_at = "0.0.0.0"
    with (
        open_little_city(tmp_path / "store", guarded_at=guarded_at, roster=ROSTER) as city,
        visiting(city, "operator") as operator,
        visiting(city) as nobody,
    ):
        page = operator.get("/cases/roster").text
        desk, chief = page.split('id="unit-')[1:]
        assert "Care desk" in desk and "Now: Aino Laine" in desk and "goes to: Chief" in desk
        assert re.search(r"Now: <b[^>]*>.*nobody", chief) and "Kim Jiwoo" in chief
        assert desk.count("<li>") == 15, "two turns a day, and the rest of this one"
        assert "invented" in page and "+9995" not in page
        assert nobody.get("/cases/roster").status_code == 401
        case = open_case(city, "whose", unit="desk")
        form = operator.get(f"/cases/{case}").text
        offered = re.findall(r'<option value="([^"]+)">([^<]*)</option>', form[form.index('id="people"') :])
        assert offered[:2] == [("Aino Laine", "Care desk · on duty"), ("Kim Jiwoo", "Chief")]
        assert "Aino Laine" not in nobody.get(f"/cases/{case}").text and "Care desk" in nobody.get("/cases").text


def test_a_deadline_that_passed_is_shown_in_the_inbox_the_history_and_the_feeds(tmp_path: Path) -> None:
    with (
        open_little_city(tmp_path / "store", roster=ROSTER) as city,
        contextlib.closing(Browser(city, **ENGLISH)) as browser,
    ):
        case = open_case(city, "late", due=NOW - timedelta(hours=1), unit="desk")
        deadlines = Deadlines(city.store, ROSTER.next_unit)
        while deadlines.step():
            pass
        assert actions(city, case) == ["open", "overdue"]
        shown = city.store.get_case(case)
        assert (shown.unit, shown.rank) == ("chief", 5)
        page = browser.get(f"/cases/{case}").text
        assert "Its time was over" in page and "Chief" in page and "overdue:" in page
        assert "by the clock" in page
        (item,) = [x for x in browser.get("/cases.json").json()["items"] if x["id"].endswith(f"/cases/{case}")]
        assert item["_dongne"]["overdue"] == item["_dongne"]["due"] and "overdue" in item["content_text"]
        assert step(browser, case, "overdue").status_code == 409, "only the clock says so"


def test_a_case_closed_more_than_its_thing_is_hidden_with_every_link_to_it(tmp_path: Path) -> None:
    with open_little_city(tmp_path / "store", guarded_at="0.0.0.0") as city:
        seen = open_case(city, "seen")
        secret = open_case(city, "zzsecret", access="personal", unit="zzunit", thing=BIN)
        with visiting(city, "carer") as carer, visiting(city) as nobody, visiting(city, "operator") as operator:
            carer.post(f"/cases/{seen}/step", data={"action": "link", "relation": "related", "other": secret})
            assert f'href="/cases/{secret}"' in carer.get(f"/cases/{seen}").text
            assert "zzsecret" in carer.get("/cases.json").text
            for who in (nobody, operator):
                assert who.get(f"/cases/{secret}").status_code == 404
                for road in (
                    "/cases",
                    "/cases?show=all",
                    "/cases.json",
                    "/cases.atom",
                    f"/cases/{seen}",
                    f"/things/{BIN}",
                ):
                    found = who.get(road).text
                    assert "zzsecret" not in found and "zzunit" not in found and f"/cases/{secret}" not in found, road
            assert (
                operator.post(
                    f"/cases/{seen}/step", data={"action": "link", "relation": "related", "other": secret}
                ).status_code
                == 400
            )
        told, _ = read_events(city.store, WantedCases(city.store, set(), set(), set(), Sight(Access.INTERNAL)), 0)
        text = b"".join(told).decode()
        assert "collect/seen" in text and '"link"' in text and "zzsecret" not in text
        everything, _ = read_events(city.store, WantedCases(city.store, set(), set(), set(), Sight(Access.PERSONAL)), 0)
        assert "zzsecret" in b"".join(everything).decode()
