"""The dispatch channel on a real store: homes and notices are found there, and what a desk says becomes one answer."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.adapters.channels.making import Secrets
from dongne.adapters.dispatch.channel import DispatchChannel
from dongne.adapters.dispatch.desk import Desk
from dongne.adapters.dispatch.following import follow
from dongne.adapters.dispatch.records import DeskAnswers, StoreDirectory
from dongne.compose.dispatch import DispatchSide
from dongne.lab.simulators.dispatch119.server import Dispatch119
from dongne.model.cases import CaseEvent
from dongne.model.channels import DeskConfig, DispatchConfig
from dongne.model.entities import Datastream, Location, Property, Sensor, Thing, Unit, put
from dongne.model.notices import NoticeEvent
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.channels import Message
from dongne.runtime.consents import Consents, consent_key
from dongne.runtime.ports import Entry, Transaction
from dongne.standards.dispatch.alarm import MEDICAL_NOTE, identifier_of
from dongne.standards.dispatch.events import DispatchEvent
from dongne.stores.embedded import EmbeddedStore

WHEN = datetime(2026, 11, 28, 5, 5, 7, tzinfo=UTC)
SENDER = "dongne@city.example.org"
HOME, STREAM = 17, 7


class FixedClock:
    def now_us(self) -> int:
        return to_us(WHEN)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path, FixedClock(), follow=False)
    properties = {
        "kind": "home",
        "person": "p-1",
        "medical_note": "warfarin",
        "language": "ko",
        "address": {"A1": "Seoul"},
    }
    entities = [
        Location(id=1, name="home", location={"type": "Point", "coordinates": [126.978, 37.5665]}),
        Thing(id=HOME, name="home", properties=properties, location_ids=(1,)), Sensor(id=1, name="s"), Property(id=1, name="smoke"),
        Datastream(
            id=STREAM, name="smoke", unit_of_measurement=Unit(symbol="1"), thing_id=HOME, sensor_id=1, observed_property_id=1,
            properties={"device": "smoke-1"},
        ),
    ]  # fmt: skip
    opened.submit(
        Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(one) for one in entities]))])
    ).result()
    yield opened
    opened.close()


def request(store: EmbeddedStore, once: str, **more: Any) -> str:
    key = f"home_alarm/{HOME}/dispatch_fire/{once}"
    evidence = [{"time": WHEN.isoformat(), "property": "smoke", "datastream": STREAM, "value": 1.0}]
    event = NoticeEvent(
        key=key, action="requested", name="dispatch_fire", time=WHEN, thing=HOME, service="home_alarm", to="119",
        values={"kind": "fire", "evidence": evidence}, urgent=True, asks=True, **more,
    )  # fmt: skip
    store.submit(Transaction([Entry(RecordKind.NOTICE, msgspec.msgpack.encode(event))])).result()
    return key


@contextmanager
def asyncio_thread() -> Iterator[tuple[asyncio.AbstractEventLoop, Any]]:
    """An event loop in a thread of its own, and how to wait for what runs there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop, lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def said(number: int, incident: str, **more: Any) -> DispatchEvent:
    return DispatchEvent(
        **{"number": number, "incident": incident, "time": WHEN, "step": "acknowledged", "by": "Kim", **more}
    )


def test_a_notice_of_the_store_goes_to_the_desk_and_its_steps_come_back_as_answers(store: EmbeddedStore) -> None:
    key = request(store, "1")

    async def test() -> None:
        simulator = Dispatch119(lambda: WHEN)
        await simulator.start()
        directory = StoreDirectory(store, lambda home: frozenset({MEDICAL_NOTE} if home == HOME else ()))
        channel = DispatchChannel([Desk(name="seoul", url=simulator.url)], directory, sender=SENDER, zone=UTC)
        message = Message(id="m", to="", subject="Fire", text="Smoke", language="en", notice=store.find_notice(key))
        assert (await channel.send(message)).ok
        (alarm,) = simulator.desk.alarms.values()
        assert (alarm.point, alarm.note) == ("37.566500, 126.978000 \u00b1 15 m", "warfarin")
        assert alarm.evidence == ["2026-11-28T05:05:07-00:00 smoke smoke-1 1"]
        for step in ("acknowledged", "unit_sent"):
            simulator.desk.do(alarm.incident, step, by="Kim", unit="A1")
        answers, heard = DeskAnswers(store, SENDER), asyncio.Event()

        async def tell(desk: str, event: DispatchEvent) -> None:
            await answers.tell(desk, event)
            if event.step == "unit_sent":
                heard.set()

        for _ in range(2):  # the second begins again from the first event, as after a start
            following = asyncio.create_task(follow(channel.lines[0], tell))
            await asyncio.wait_for(heard.wait(), 10)
            heard.clear()
            following.cancel()
        await channel.close()
        await simulator.stop()

    asyncio.run(test())
    notice = store.find_notice(key)
    assert notice is not None
    assert [(one.answer, one.by, one.channel) for one in notice.answers] == [
        ("acknowledged", "seoul/1: Kim", "dispatch"), ("acknowledged", "seoul/2: Kim", "dispatch"),
    ]  # fmt: skip
    assert notice.state == "answered"


def test_the_newest_notice_of_an_alarm_is_answered_by_words_about_its_first(store: EmbeddedStore) -> None:
    first = request(store, "1")
    second = request(store, "2", follows=first)
    answers = DeskAnswers(store, SENDER)
    incident = identifier_of(SENDER, first)
    asyncio.run(answers.tell("seoul", said(1, incident)))
    assert [len(store.find_notice(key).answers) for key in (first, second)] == [0, 1]  # type: ignore[union-attr]
    third = request(store, "3", follows=second)
    asyncio.run(answers.tell("seoul", said(2, incident, time=WHEN + timedelta(seconds=5))))
    assert [len(store.find_notice(key).answers) for key in (second, third)] == [1, 1]  # type: ignore[union-attr]


def test_words_about_an_alarm_that_nobody_sent_are_counted(store: EmbeddedStore) -> None:
    request(store, "1")
    answers, before = DeskAnswers(store, SENDER), store.head()
    asyncio.run(answers.tell("seoul", said(1, "unknown")))
    assert (answers.unknown, store.head()) == (1, before)


def test_without_consent_the_desk_is_told_no_note(store: EmbeddedStore) -> None:
    home = StoreDirectory(store, lambda _: frozenset()).find_home(HOME)
    assert home is not None and home.consented == frozenset() and home.point == (126.978, 37.5665)
    assert StoreDirectory(store, lambda _: frozenset()).find_home(99) is None


def test_a_city_hears_its_desks_and_tells_what_the_person_agreed_to_now(store: EmbeddedStore, tmp_path: Path) -> None:
    consents = Consents(store)
    consent = CaseEvent(
        key=consent_key(HOME, MEDICAL_NOTE), action="open", kind="consent", time=WHEN, name="consent", service="homes",
        thing=HOME, values={"what": MEDICAL_NOTE},
    )  # fmt: skip
    body = msgspec.msgpack.encode(consent)
    store.submit(Transaction([Entry(RecordKind.CASE, body)])).result()
    key = request(store, "1")
    notice = store.find_notice(key)
    with asyncio_thread() as (loop, await_), ExitStack() as ends:
        ends.callback(consents.close)
        simulator = Dispatch119(lambda: WHEN)
        await_(simulator.start())
        ends.callback(lambda: await_(simulator.stop()))
        config = DispatchConfig(sender=SENDER, desks=(DeskConfig(name="seoul", url=simulator.url),))
        side = DispatchSide(config, Secrets(tmp_path, {}), store, consents, ZoneInfo("Asia/Seoul"))
        side.start()
        ends.callback(side.close)
        ends.callback(lambda: await_(side.channel.close()))
        message = Message(id="m", to="", subject="Fire", text="Smoke", language="en", notice=notice)
        assert await_(side.channel.send(message)).ok
        (alarm,) = simulator.desk.alarms.values()
        assert alarm.note == "warfarin"
        before = store.head()
        loop.call_soon_threadsafe(lambda: simulator.desk.do(alarm.incident, "acknowledged", by="Kim"))
        assert store.wait_beyond(before, 10)
        answered = store.find_notice(key)
        assert answered is not None and [one.by for one in answered.answers] == ["seoul/1: Kim"]
