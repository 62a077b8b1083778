"""Gateways of homes at their one door: stored once, in the time in which it happened, or refused with why."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.gateways.book import WINDOW, Seen, unpacked
from dongne.adapters.gateways.register import HomeRegister
from dongne.model.entities import Thing, put
from dongne.model.errors import BadInput, NotAllowed, NotFound, RetryLater
from dongne.model.home import DeviceEvent, GatewayMessage, NewHome
from dongne.model.records import RecordKind, decode_batch
from dongne.model.times import from_us, to_us
from dongne.model.who import Right, Who
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


class HandClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.us = to_us(NOON)

    def now_us(self) -> int:
        return self.us


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def open_store(tmp_path: Path, clock: HandClock) -> Iterator[Callable[[], EmbeddedStore]]:
    stores: list[EmbeddedStore] = []

    def make() -> EmbeddedStore:
        for store in stores:
            store.close()
        stores.append(EmbeddedStore.open(tmp_path, clock, follow=False))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def with_home(store: EmbeddedStore) -> GatewayDesk:
    home = Thing(id=1, name="home 1", properties={"kind": "home", "gateway": "gw-1", "access": "personal"})
    store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(home)]))])).result()
    return GatewayDesk(store)


def said(seq: int, *events: tuple[str, str, float, float], late_s: float = 0.0) -> GatewayMessage:
    """Events as (device, property, value, seconds before noon), from a gateway whose clock is `late_s` behind."""
    clock = NOON - timedelta(seconds=late_s)
    return GatewayMessage(
        "gw-1", seq, clock,
        tuple(DeviceEvent(device, key, clock - timedelta(seconds=ago_s), value) for device, key, value, ago_s in events),
    )  # fmt: skip


def stored(store: EmbeddedStore) -> list[tuple[str, str, datetime, float]]:
    """Everything observed: device, property, time, value."""
    found = []
    for record in store.read(0, kinds=(RecordKind.OBSERVATIONS,)):
        batch = decode_batch(record.body, record.count)
        for stream, time_us, value in zip(batch.datastream, batch.time_us, batch.result, strict=True):
            datastream = store.graph.datastreams[int(stream)]
            device = str(datastream.properties["device"])
            found.append((device, store.graph.property_key(datastream), from_us(int(time_us)), float(value)))
    return found


def test_what_a_gateway_says_is_stored_at_its_home_and_each_message_is_a_heartbeat(open_store: Any) -> None:
    store = open_store()
    reply = with_home(store).take(said(1, ("smoke-1", "smoke", 1.0, 2.0))).result()
    assert (reply.stored, reply.heartbeat_s, reply.time) == (1, 300.0, NOON)
    assert stored(store) == [
        ("gateway", "heartbeat", NOON, 1.0),
        ("smoke-1", "smoke", NOON - timedelta(seconds=2), 1.0),
    ]
    assert {stream.properties["access"] for stream in store.graph.datastreams.values()} == {"personal"}


def test_the_same_message_again_is_told_ok_and_stored_once_also_after_a_restart(open_store: Any) -> None:
    store = open_store()
    desk = with_home(store)
    message = said(7, ("button-1", "button", 1.0, 0.0))
    assert not desk.take(message).result().is_repeat
    assert desk.take(message).result().is_repeat
    desk.close()
    store = open_store()
    desk = GatewayDesk(store)
    assert desk.take(message).result().is_repeat
    assert [key for _, key, _, _ in stored(store)] == ["heartbeat", "button"]
    assert desk.repeats == 1


def test_what_was_kept_during_an_outage_comes_in_its_own_time_and_in_any_order(open_store: Any) -> None:
    store = open_store()
    desk = with_home(store)
    for seq in (3, 1, 2, 1):
        desk.take(said(seq, ("door-1", "door", 1.0, 600.0 - seq))).result()
    assert [time for _, key, time, _ in stored(store) if key == "door"] == [
        NOON - timedelta(seconds=600 - seq) for seq in (3, 1, 2)
    ]


@pytest.mark.parametrize("late_s", [90.0, -3_600.0])
def test_a_clock_that_is_wrong_is_corrected_by_how_wrong_it_is(open_store: Any, late_s: float) -> None:
    store = open_store()
    desk = with_home(store)
    desk.take(said(1, ("motion-1", "motion", 1.0, 30.0), late_s=late_s)).result()
    (record,) = store.read(0, kinds=(RecordKind.OBSERVATIONS,))
    batch = decode_batch(record.body, record.count)
    assert from_us(int(batch.time_us[1])) == NOON - timedelta(seconds=30)
    assert batch.extras[1].parameters["skew_s"] == late_s
    assert desk.skewed == 1


def test_nothing_happens_later_than_it_is_heard(open_store: Any) -> None:
    store = open_store()
    with_home(store).take(said(1, ("motion-1", "motion", 1.0, -40.0))).result()
    assert stored(store)[1][2] == NOON


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (("smoke-1", "smok", 1.0, 0.0), "property 'smok' is not known"),
        (("smoke-1", "smoke", 7.0, 0.0), "smoke 7 is out of 0..1"),
        (("watch-1", "heart_rate", float("nan"), 0.0), "heart_rate nan is out of 0..400 /min"),
    ],
)
def test_an_event_that_is_wrong_is_told_by_its_place_and_the_others_are_stored(
    open_store: Any, event: Any, words: str
) -> None:
    store = open_store()
    desk = with_home(store)
    reply = desk.take(said(1, event, ("button-1", "button", 1.0, 0.0))).result()
    assert words in reply.refused[0] and reply.stored == 1
    assert [key for _, key, _, _ in stored(store)] == ["heartbeat", "button"]
    assert desk.refused["event"] == 1


def test_what_a_person_has_not_agreed_to_is_not_stored_but_an_alarm_is(open_store: Any) -> None:
    store = open_store()
    with_home(store).close()
    desk = GatewayDesk(store, may_observe=lambda home, key: False)
    reply = desk.take(said(1, ("motion-1", "motion", 1.0, 0.0), ("smoke-1", "smoke", 1.0, 0.0))).result()
    assert "has not agreed" in reply.refused[0]
    assert [key for _, key, _, _ in stored(store)] == ["heartbeat", "smoke"]


def test_a_gateway_that_no_home_has_is_told_so_and_counted(open_store: Any) -> None:
    desk = with_home(open_store())
    with pytest.raises(NotFound, match="no home has gateway 'gw-9'"):
        desk.take(GatewayMessage("gw-9", 1, NOON))
    assert (desk.refused["gateway_unknown"], desk.unknown["gw-9"]) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\xff",
        b'{"gateway": "gw-1", "seq": -1, "sent": "2026-11-02T03:00:00Z"}',
        b'{"gateway": "gw-1", "seq": 1, "sent": "2026-11-02T03:00:00"}',
        b'{"gateway": "gw-1", "seq": 1, "sent": "2026-11-02T03:00:00Z", "smoke": 1}',
    ],
)
def test_what_is_no_message_is_refused_and_counted(open_store: Any, body: bytes) -> None:
    desk = with_home(open_store())
    with pytest.raises(BadInput, match="this is no message of a gateway"):
        desk.decode(body)
    assert desk.refused["message"] == 1


def test_a_device_speaks_for_the_gateway_its_token_names(open_store: Any) -> None:
    desk = with_home(open_store())
    desk.check_sender(Who("gw-1", "device", frozenset({Right.OBSERVE}), is_known=True), "gw-1")
    with pytest.raises(NotAllowed, match="does not speak for gateway 'gw-1'"):
        desk.check_sender(Who("gw-2", "device", frozenset({Right.OBSERVE}), is_known=True), "gw-1")
    assert desk.refused["gateway"] == 1


def test_many_messages_at_once_of_one_home_are_stored_in_their_order(open_store: Any) -> None:
    store = open_store()
    desk = with_home(store)
    told = [desk.take(said(seq, ("scale-1", "battery_level", float(seq), 0.0))) for seq in range(1, 60)]
    assert all(one.result().stored == 1 for one in told)
    assert [value for _, key, _, value in stored(store) if key == "battery_level"] == [float(n) for n in range(1, 60)]


def test_a_home_that_comes_later_is_heard_from_then_on(open_store: Any) -> None:
    store = open_store()
    desk = GatewayDesk(store)
    with pytest.raises(NotFound):
        desk.take(said(1))
    with_home(store).close()
    assert desk.take(said(1)).result().stored == 0


def test_seen_knows_what_it_has_seen_and_nothing_else() -> None:
    """Against a plain set, over a window."""
    seen, all_of_them = Seen(), set()
    for seq in (5, 6, 9, 7, 5, 30, 31, 29, 8, 28, 49):
        if seq > seen.last - WINDOW:
            assert seen.has(seq) == (seq in all_of_them), seq
        seen = unpacked(seen.with_one(seq).packed)
        all_of_them.add(seq)
    assert not seen.has(50) and seen.last == 49


def test_a_gateway_that_was_reset_counts_anew() -> None:
    seen = Seen(5_000, 0).with_one(1)
    assert seen.last == 1 and seen.has(1) and not seen.has(2)


def test_an_alarm_of_a_gateway_that_was_reset_does_not_pass_for_an_old_message(
    open_store: Any, clock: HandClock
) -> None:
    """Its numbers begin anew within those that are still known."""
    store = open_store()
    desk = with_home(store)
    for seq in range(8):
        desk.take(said(seq, ("button-1", "button", 1.0, 600.0 - seq))).result()
    clock.us += 3_600_000_000
    at = NOON + timedelta(hours=1)
    pressed = GatewayMessage("gw-1", 3, at, (DeviceEvent("button-1", "button", at, 1.0),))
    reply = desk.take(pressed).result()
    assert (reply.is_repeat, reply.stored) == (False, 1)
    assert stored(store)[-1] == ("button-1", "button", at, 1.0)
    assert desk.take(pressed).result().is_repeat
    smoke = GatewayMessage("gw-1", 5, at, (DeviceEvent("smoke-1", "smoke", at, 1.0),))
    assert desk.take(smoke).result().stored == 1
    assert desk.counted_anew == 1


@pytest.mark.parametrize("late_s", [0.0, 3_600.0, -3.0])
def test_what_is_sent_again_later_is_still_the_same_message(open_store: Any, clock: HandClock, late_s: float) -> None:
    store = open_store()
    desk = with_home(store)
    message = said(4, ("button-1", "button", 1.0, 0.0), late_s=late_s)
    assert desk.take(message).result().stored == 1
    clock.us += 40_000_000
    assert desk.take(message).result().is_repeat
    if not late_s:  # its link was out
        clock.us += 7_200_000_000
        assert desk.take(message).result().is_repeat
    assert [key for _, key, _, _ in stored(store)] == ["heartbeat", "button"]


def test_an_event_of_before_the_gateways_clock_was_set_happened_when_it_was_heard(open_store: Any) -> None:
    store = open_store()
    desk = with_home(store)
    boot = datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC)
    desk.take(GatewayMessage("gw-1", 1, NOON, (DeviceEvent("smoke-1", "smoke", boot, 1.0),))).result()
    assert stored(store)[1][2] == NOON
    (record,) = store.read(0, kinds=(RecordKind.OBSERVATIONS,))
    assert decode_batch(record.body, record.count).extras[1].parameters["gateway_time"] == boot.isoformat()


def test_the_highest_number_there_is_can_be_stored(open_store: Any) -> None:
    desk = with_home(open_store())
    body = b'{"gateway": "gw-1", "seq": %d, "sent": "2026-11-02T03:00:00Z"}'
    most = desk.decode(body % ((1 << 43) - 2))
    assert not desk.take(most).result().is_repeat
    with pytest.raises(BadInput, match="seq"):
        desk.decode(body % ((1 << 43) - 1))


def test_a_fault_of_ours_is_not_told_as_the_gateways_and_holds_up_no_later_message(
    open_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    desk = with_home(store)
    with monkeypatch.context() as broken:
        broken.setattr(desk.book, "streams_of", lambda *_: {}["no such thing"])
        with pytest.raises(RetryLater, match="send it again"):
            desk.take(said(1, ("button-1", "button", 1.0, 0.0))).result()
    assert desk.refused["store"] == 1
    assert desk.take(said(1, ("button-1", "button", 1.0, 0.0))).result().stored == 1


def test_two_who_take_in_the_same_gateway_at_once_do_not_both_have_it(open_store: Any) -> None:
    store = open_store()
    desk = GatewayDesk(store)
    register = HomeRegister(store, desk.book)
    together = Barrier(4)

    def add(number: int) -> bool:
        together.wait(20)
        try:
            register.add([NewHome(gateway="gw-1", person=f"p-{number}")], "carer")
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add, range(4))) == 1
    assert sum(thing.kind == "home" for thing in store.graph.things.values()) == 1
