"""Cases of people in their homes: in the inbox of those who may see them, and for everybody else as if they were not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from little_city import NOW, LittleCity, open_case, open_little_city, visiting

from dongne.model.cases import Case, CaseEvent
from dongne.model.entities import Thing, put
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.ports import CaseFilter, Entry, Transaction
from dongne.stores.embedded import EmbeddedStore

HOME = 1


class HomeClock:
    def now_us(self) -> int:
        return to_us(NOW)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore.open(tmp_path_factory.mktemp("homes") / "homes", HomeClock(), follow=False)
    home = Thing(id=HOME, name="Home gw-000017", properties={"kind": "home", "access": "personal"})
    store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(home)]))])).result()
    yield store
    store.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, homes: EmbeddedStore) -> Iterator[LittleCity]:
    folder: Path = tmp_path_factory.mktemp("city") / "store"
    with open_little_city(folder, guarded_at="0.0.0.0", homes=homes) as made:
        yield made


def open_at_home(homes: EmbeddedStore, once: str, **more: Any) -> int:
    given = {
        "key": f"home_alarm/{HOME}/alert/zzfire/{once}", "kind": "alert", "action": "open", "name": "zzfire", "time": NOW,
        "thing": HOME, "service": "home_alarm", "priority": 0, "unit": "zzdesk", **more,
    }  # fmt: skip
    body = msgspec.msgpack.encode(msgspec.convert(given, CaseEvent))
    return homes.submit(Transaction([Entry(RecordKind.CASE, body)])).result().numbers[0]


def log_of(city: LittleCity) -> list[tuple[str, str, str]]:
    assert city.guard is not None
    city.guard._notes.close()  # what waits is written
    return [(entry.who, entry.what, entry.place) for entry in city.guard.book.list_entries()]


def test_both_books_are_one_inbox_for_a_carer_most_urgent_first(city: LittleCity, homes: EmbeddedStore) -> None:
    work, at_home = open_case(city, "work", priority=3), open_at_home(homes, "one")
    late_at_home = open_at_home(homes, "late", priority=7)
    with visiting(city, "carer", "bae") as carer:
        page = carer.get("/cases").text
        places = [
            page.index(f'href="{path}"')
            for path in (f"/homes/cases/{at_home}", f"/cases/{work}", f"/homes/cases/{late_at_home}")
        ]
        assert places == sorted(places)
        assert "Home gw-000017" in page and "zzdesk" in page
        shown = carer.get(f"/homes/cases/{at_home}")
        assert shown.status_code == 200 and "zzfire" in shown.text and "Home gw-000017" in shown.text
        assert f'action="/homes/cases/{at_home}/step"' in shown.text and "/things/1" not in shown.text
        closed = carer.get("/cases?show=all&kind=alert").text
        assert f"/homes/cases/{at_home}" in closed


def test_the_front_page_counts_what_the_inbox_lists(city: LittleCity, homes: EmbeddedStore) -> None:
    for number in range(6):  # more than the front page shows
        open_case(city, f"counted {number}")
    open_at_home(homes, "counted")
    for role, name in (("carer", "han"), ("operator", "seo")):
        with visiting(city, role, name) as who:
            listed = len(set(re.findall(r'href="(/(?:homes/)?cases/\d+)"', who.get("/cases").text)))
            assert f"See all {listed} open tasks" in who.get("/?lang=en").text, role


def test_steps_at_a_home_are_written_in_its_own_book(city: LittleCity, homes: EmbeddedStore) -> None:
    case = open_at_home(homes, "step")
    with visiting(city, "carer", "choi") as carer:
        known = homes.get_case(case).events
        done = carer.post(f"/homes/cases/{case}/step", data={"action": "acknowledge", "events": known})
        assert done.headers["location"] == f"/homes/cases/{case}?saved=acknowledge"
        assert homes.get_case(case).state == "acknowledged"
        assert (
            carer.post(f"/homes/cases/{case}/step", data={"action": "note", "note": "x", "events": known}).status_code
            == 409
        )


def test_who_may_not_see_homes_is_told_how_many_lives_are_at_stake_and_nothing_else(
    city: LittleCity, homes: EmbeddedStore
) -> None:
    case = open_at_home(homes, "hidden")
    with visiting(city, "operator") as operator, visiting(city) as nobody, visiting(city, "auditor") as auditor:
        assert "life-safety alarms in homes are open. Ask a carer." in operator.get("/cases").text
        assert "Ask a carer" not in nobody.get("/cases").text
        for who in (operator, nobody, auditor):
            assert who.get(f"/homes/cases/{case}").status_code == 404
            assert who.post(f"/homes/cases/{case}/step", data={"action": "acknowledge"}).status_code in {401, 404}
            for road in (
                "/cases",
                "/cases?show=all",
                "/cases?unit=zzdesk",
                "/cases.json",
                "/cases.atom",
                "/",
                "/cases?page=2",
            ):
                found = who.get(road).text
                assert "zzfire" not in found and "/homes/cases/" not in found and "gw-000017" not in found, road
                assert road.endswith("zzdesk") or "zzdesk" not in found
    assert homes.get_case(case).state == "new"


def test_no_feed_holds_what_happens_in_homes_for_whoever_asks(city: LittleCity, homes: EmbeddedStore) -> None:
    open_at_home(homes, "fed")
    with visiting(city, "carer", "dam") as carer:
        for road in ("/cases.json", "/cases.atom", "/alerts/cap.atom"):
            assert "zzfire" not in carer.get(road).text


def test_each_look_at_a_case_of_a_home_is_in_the_audit_log(city: LittleCity, homes: EmbeddedStore) -> None:
    case = open_at_home(homes, "seen")
    with visiting(city, "carer", "song") as carer:
        carer.get("/cases")
        for _ in range(2):
            carer.get(f"/homes/cases/{case}")
        carer.post(f"/homes/cases/{case}/step", data={"action": "note", "note": "called"})
    log = log_of(city)
    assert log.count(("carer song", "case of a home seen", f"/homes/cases/{case}")) == 2
    assert ("carer song", "cases of homes listed", "/cases") in log
    assert ("carer song", "Case note", f"/homes/cases/{case}") in log


def test_a_control_room_hears_of_every_life_at_stake_that_nobody_took_on_and_of_no_more(
    tmp_path: Path, homes: EmbeddedStore
) -> None:
    for case in homes.list_cases(CaseFilter(is_open=True)):
        homes.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(closing(case)))])).result()
    with (
        open_little_city(tmp_path / "store", guarded_at="0.0.0.0", homes=homes) as city,
        visiting(city, "carer", "han") as carer, visiting(city, "operator") as operator, visiting(city) as nobody,
    ):  # fmt: skip
        assert nobody.get("/cases/watch.json").status_code == 401
        before = carer.get("/cases/watch.json").json()
        assert (before["ringing"], before["hidden"], before["first"], before["case"]) == (0, 0, "", None)
        at_home, in_city = open_at_home(homes, "rings"), open_case(city, "rings", priority=0)
        open_case(city, "does not", priority=1)
        answer = carer.get(f"/cases/watch.json?case=/homes/cases/{at_home}")
        said = answer.json()
        assert said["ringing"] == 2 and said["hidden"] == 0 and said["revision"] != before["revision"]
        assert said["case"] == {"events": 1, "said": "Opened (somebody)"}
        assert "zzfire" not in answer.text and "zzdesk" not in answer.text
        less = operator.get(f"/cases/watch.json?case=/homes/cases/{at_home}").json()
        assert (less["ringing"], less["hidden"], less["first"], less["case"]) == (1, 1, f"/cases/{in_city}", None)
        carer.post(f"/homes/cases/{at_home}/step", data={"action": "assign", "me": "1", "unit": ""})
        assert carer.get("/cases/watch.json").json()["ringing"] == 1, "somebody has it"
        operator.post(f"/cases/{in_city}/step", data={"action": "accept"})
        assert operator.get("/cases/watch.json").json()["ringing"] == 0
        for wrong in ("/cases/999999", "/cases/x", "//cases/1", "/homes/cases/999999"):
            assert carer.get(f"/cases/watch.json?case={wrong}").json()["case"] is None
        assert 'id="watch"' in operator.get("/cases").text and 'id="watch"' not in nobody.get("/cases").text


def closing(case: Case) -> CaseEvent:
    return CaseEvent(key=case.key, kind=case.kind, action="clear", name=case.name, time=NOW)


def test_without_homes_there_is_no_such_page(tmp_path: Path) -> None:
    with open_little_city(tmp_path / "store", guarded_at="0.0.0.0") as alone, visiting(alone, "carer") as carer:
        assert carer.get("/homes/cases/1").status_code == 404
        assert carer.get("/cases").status_code == 200
