"""The homes of a running city lie sealed, and services act on what they say."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from dongne.adapters.places import get_city_folder
from dongne.adapters.sources import load_city
from dongne.compose.home_watch import HomeWatch
from dongne.compose.homes import HomeSide, part
from dongne.compose.opened import RunOptions
from dongne.model.entities import Location, Thing, put
from dongne.model.home import DeviceEvent, GatewayMessage
from dongne.model.records import RecordKind
from dongne.runtime.ports import CaseFilter, Entry, NoticeFilter, Transaction
from dongne.runtime.registry import load_all

SECRET = "Kim Okja"


def until(side: HomeSide, condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        side.store.wait_beyond(side.store.head(), 0.05)


def open_side(folder: Path) -> HomeSide:
    options = RunOptions(city="empty", folder=folder, homes_key=folder.parent / "elsewhere" / "master.key")
    _, personal = part(load_all(["home_alarm"])[0])
    side = HomeSide(options, load_city(get_city_folder("empty")), personal)
    side.start()
    return side


def test_an_alarm_of_a_sealed_home_becomes_a_case_and_goes_with_the_home(tmp_path: Path) -> None:
    side = open_side(tmp_path / "data")
    try:
        home = Thing(
            id=1, name=SECRET, properties={"kind": "home", "access": "personal", "gateway": "gw-1"}, location_ids=(1,)
        )
        place = Location(id=1, name="here", location={"type": "Point", "coordinates": [127.0, 37.5]})
        body = msgspec.msgpack.encode([put(place), put(home)])
        side.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result(20)
        now = datetime.now(UTC)
        smoke = DeviceEvent(device="smoke-1", property="smoke", time=now, value=1.0)
        side.gateways.take(GatewayMessage(gateway="gw-1", seq=1, sent=now, events=(smoke,))).result(20)
        until(side, lambda: bool(side.store.list_cases(CaseFilter(thing=1))))
        until(side, lambda: bool(side.store.list_notices(NoticeFilter(thing=1))))
        files = [file for file in (tmp_path / "data" / "homes").iterdir() if file.is_file()]
        raw = b"".join(file.read_bytes() for file in files)
        assert len(raw) > 50_000 and "master.key" not in {file.name for file in files}
        assert not any(word in raw for word in (SECRET.encode(), b"smoke", b"fire", b"gw-1"))
        assert list(side.store.read(0, kinds=[RecordKind.CASE]))
        side.store.withdraw(1)
        until(side, lambda: not side.runtime.live.engine.runners["home_alarm"].cells)
        assert side.runtime.live.error == ""
    finally:
        side.close()
    side = open_side(tmp_path / "data")
    try:
        assert (side.store.graph.things, side.store.list_cases(CaseFilter()), side.store.verify_chain().wrong) == (
            {},
            [],
            (),
        )
        assert side.gateways.book.find_home("gw-1") is None
    finally:
        side.close()


def with_home(side: HomeSide, **more: object) -> None:
    home = Thing(id=1, name=SECRET, properties={"kind": "home", "access": "personal", "gateway": "gw-1", **more})
    side.store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(home)]))])).result(20)


def press(side: HomeSide, seq: int) -> None:
    now = datetime.now(UTC)
    pressed = DeviceEvent(device="button-1", property="button", time=now, value=1.0)
    side.gateways.take(GatewayMessage(gateway="gw-1", seq=seq, sent=now, events=(pressed,))).result(20)


def test_services_of_homes_that_stopped_begin_anew_and_somebody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came meanwhile is acted on, once."""
    side = open_side(tmp_path / "data")
    try:
        with_home(side)
        watch = HomeWatch(side)
        watch.step()
        assert not side.store.list_cases(CaseFilter())
        with monkeypatch.context() as broken:
            broken.setattr(side.runtime.live.engine, "turn", lambda record: {}["a mistake"])
            press(side, 1)
            until(side, lambda: side.runtime.live.is_stopped)
        assert not side.store.list_cases(CaseFilter())
        HomeWatch(side).step()
        until(side, lambda: len(side.store.list_cases(CaseFilter(kind="home_alarm"))) == 1)
        assert not side.runtime.live.is_stopped
        (stopped,) = side.store.list_cases(CaseFilter(kind="alert"))
        assert (stopped.name, stopped.priority, stopped.unit) == ("services_stopped", 0, "care_desk")
        told = [one for one in side.store.list_notices(NoticeFilter()) if one.service == "homes"]
        assert [(one.name, one.to, one.urgent) for one in told] == [("services_stopped", "unit:care_desk", True)]
    finally:
        side.close()


def test_a_home_on_which_a_service_acts_no_more_is_told_once(tmp_path: Path) -> None:
    side = open_side(tmp_path / "data")
    try:
        with_home(side)
        press(side, 1)
        runner = side.runtime.live.engine.runners["home_alarm"]
        until(side, lambda: 1 in runner.cells)
        runner.cells[1].parked = f"record 7: ValueError: {SECRET}"
        HomeWatch(side).step()
        HomeWatch(side).step()
        (alert,) = side.store.list_cases(CaseFilter(kind="alert"))
        assert (alert.name, alert.thing, alert.values) == ("home_parked", 1, {"service": "home_alarm"})
        told = [one for one in side.store.list_notices(NoticeFilter()) if one.service == "homes"]
        assert [(one.name, one.urgent, one.state) for one in told] == [("home_parked", True, "requested")]
    finally:
        side.close()


@pytest.mark.parametrize("is_simulated", [False, True])
def test_each_notice_of_a_simulated_home_says_so(tmp_path: Path, is_simulated: bool) -> None:
    side = open_side(tmp_path / "data")
    try:
        with_home(side, simulated=is_simulated)
        press(side, 1)
        until(side, lambda: any(one.to == "119" for one in side.store.list_notices(NoticeFilter(thing=1))))
        told = side.store.list_notices(NoticeFilter(thing=1))
        assert {one.values.get("simulated", False) for one in told} == {is_simulated}
    finally:
        side.close()
