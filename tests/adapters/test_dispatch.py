"""The dispatch channel over real sockets, to the simulated 119: who gets an alarm when desks are busy, fail, hang or lose answers,
and that nothing of an exercise ever leaves."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dongne.adapters.channels.making import Secrets
from dongne.adapters.dispatch.channel import DispatchChannel
from dongne.adapters.dispatch.desk import Desk
from dongne.adapters.dispatch.following import follow
from dongne.adapters.dispatch.making import make_dispatch
from dongne.lab.simulators.behaviour import Behaviour
from dongne.lab.simulators.dispatch119.server import Dispatch119
from dongne.model.channels import DeskConfig, DispatchConfig
from dongne.model.errors import BadSetup, RetryLater
from dongne.model.notices import Notice
from dongne.runtime.channels import Message, Outcome
from dongne.standards.cap.message import list_in_force
from dongne.standards.dispatch.alarm import DispatchHome, identifier_of
from dongne.standards.dispatch.events import DispatchEvent

ZONE = timezone(timedelta(hours=9))
WHEN = datetime(2026, 11, 28, 5, 5, 7, tzinfo=UTC)
SENDER = "dongne@city.example.org"
PERSON, NOBODY = 17, 18
HOMES = {
    PERSON: DispatchHome(properties={"person": "p-1", "address": {"country": "KR", "A1": "서울특별시"}}, point=(126.978, 37.5665)),
    NOBODY: DispatchHome(properties={"person": "p-2", "simulated": True}, point=(126.978, 37.5665)),
}  # fmt: skip


def alarm(once: str = "3", thing: int | None = PERSON, **more: Any) -> Notice:
    """A notice to 119, as the store holds it."""
    key = f"home_alarm/{thing}/fire/{once}"
    given = {"requested": WHEN, "changed": WHEN, "values": {"kind": "fire"}, "thing": thing, "urgent": True, **more}
    return Notice(id=1, key=key, name="fire", to="119", state="requested", **given)


def message(notice: Notice | None, **more: Any) -> Message:
    return Message(
        **{"id": "m", "to": "119", "subject": "화재", "text": "연기", "urgent": True, "notice": notice, **more}
    )


class Known:
    """The homes and notices there are."""

    def __init__(self) -> None:
        self.notices: dict[str, Notice] = {}

    def find_home(self, thing: int) -> DispatchHome | None:
        return HOMES.get(thing)

    def find_notice(self, key: str) -> Notice | None:
        return self.notices.get(key)

    def name_device(self, datastream: int) -> str:
        return ""


class Desks:
    """Simulated desks, and a channel to them in their order."""

    def __init__(self, desks: list[Dispatch119], timeout_s: float, takes_tests: bool) -> None:
        self.all = desks
        self.known = Known()
        told = [
            Desk(name=f"desk{n}", url=one.url, timeout_s=timeout_s, takes_tests=takes_tests)
            for n, one in enumerate(desks)
        ]
        self.channel = DispatchChannel(told, self.known, sender=SENDER, zone=ZONE)

    async def send(self, given: Notice, **more: Any) -> Outcome:
        self.known.notices[given.key] = given
        return await self.channel.send(message(given, **more))

    def held(self, desk: int, given: Notice) -> Any:
        return self.all[desk].desk.messages.get(identifier_of(SENDER, given.key))

    def behave(self, desk: int, mode: Any, **more: Any) -> None:
        self.all[desk].desk.behave(Behaviour(mode=mode, **more))

    def came(self, desk: int) -> int:
        return self.all[desk].desk.line.counts.get("came", 0)


@asynccontextmanager
async def desks(count: int = 1, timeout_s: float = 5.0, takes_tests: bool = False) -> AsyncIterator[Desks]:
    started = [Dispatch119(lambda: WHEN) for _ in range(count)]
    for one in started:
        await one.start()
    made = Desks(started, timeout_s, takes_tests)
    try:
        yield made
    finally:
        await made.channel.close()
        for one in started:
            await one.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(within())


# --- an alarm arrives


def test_an_alarm_arrives_whole_and_the_receipt_names_the_desk() -> None:
    async def test() -> None:
        async with desks() as at:
            outcome = await at.send(alarm())
            held = at.held(0, alarm())
            assert (outcome.ok, outcome.receipt) == (True, f"desk0 {held.receipt}")
            assert held.dispatch.alert.infos[0].headline == "화재"
            assert held.dispatch.presence.geopriv.shape.centre == (126.978, 37.5665)

    run(test)


def test_the_same_alarm_again_is_the_same_one_and_is_counted() -> None:
    async def test() -> None:
        async with desks() as at:
            outcomes = [await at.send(alarm(), repeat=n > 0) for n in range(3)]
            assert all(one.ok for one in outcomes) and len({one.receipt for one in outcomes}) == 1
            assert (at.held(0, alarm()).repeats, at.held(0, alarm()).differing) == (2, 0)
            assert len(at.all[0].desk.alarms) == 1

    run(test)


def test_a_desk_that_receives_twice_has_it_once() -> None:
    async def test() -> None:
        async with desks() as at:
            at.behave(0, "twice")
            assert (await at.send(alarm())).ok
            assert (at.held(0, alarm()).repeats, len(at.all[0].desk.alarms)) == (1, 1)

    run(test)


def test_an_answer_that_is_lost_makes_a_repeat_under_the_same_identifier() -> None:
    async def test() -> None:
        async with desks() as at:
            at.behave(0, "drop", count=1)
            first = await at.send(alarm())
            assert not first.ok and not first.is_final and "desk0" in first.error
            assert at.held(0, alarm()).repeats == 0  # it was stored
            assert (await at.send(alarm(), repeat=True)).ok
            assert (at.held(0, alarm()).repeats, at.held(0, alarm()).differing) == (1, 0)

    run(test)


def test_409_means_that_the_desk_has_it() -> None:
    async def test() -> None:
        with answering(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n") as url:
            channel = channel_to(url)
            outcome = await channel.send(message(alarm()))
            await channel.close()
            assert (outcome.ok, outcome.receipt) == (True, "real 409")

    run(test)


# --- a desk that does not


SILENT = "no answer within 0.3 s"


@pytest.mark.parametrize(("mode", "error"), [("refuse", "503"), ("hang", SILENT), ("slow", SILENT), ("drop", "desk0")])
def test_the_second_desk_has_it_when_the_first_does_not_take_it(mode: Any, error: str) -> None:
    async def test() -> None:
        async with desks(2, timeout_s=0.3) as at:
            at.behave(0, mode, slow_s=1)
            outcome = await at.send(alarm())
            assert outcome.ok and outcome.receipt.startswith("desk1 ")
            assert at.held(1, alarm()).identifier == identifier_of(SENDER, alarm().key)
            before = at.came(0)
            assert (await at.send(alarm("4"))).receipt.startswith("desk1 ")
            assert at.came(0) == before  # it failed a moment ago: others come first
            at.behave(1, "refuse", status=500)
            outcome = await at.send(alarm("5"))
            assert not outcome.ok and not outcome.is_final and error in outcome.error and "desk1: 500" in outcome.error

    run(test)


def test_when_all_are_busy_it_says_when_to_ask_again() -> None:
    async def test() -> None:
        async with desks(2) as at:
            for desk, seconds in ((0, 7), (1, 3)):
                at.behave(desk, "refuse", retry_after_s=seconds)
            outcome = await at.send(alarm())
            assert (outcome.ok, outcome.retry_after_s, outcome.is_final) == (False, 3.0, False)
            for desk in (0, 1):
                at.behave(desk, "ok")
            assert (await at.send(alarm())).ok

    run(test)


def test_a_desk_that_is_down_is_no_end() -> None:
    async def test() -> None:
        async with desks(2) as at:
            await at.all[0].stop()
            assert (await at.send(alarm())).receipt.startswith("desk1 ")

    run(test)


def test_what_every_desk_understands_and_refuses_is_final() -> None:
    async def test() -> None:
        with answering(b"HTTP/1.1 422 Unprocessable\r\ncontent-length: 3\r\n\r\nbad") as url:
            channel = channel_to(url)
            outcome = await channel.send(message(alarm()))
            await channel.close()
            assert (outcome.ok, outcome.is_final, outcome.error) == (False, True, "real: 422 bad")

    run(test)


# --- what follows on it


def test_an_update_and_a_cancel_reach_every_desk_that_may_have_it() -> None:
    async def test() -> None:
        async with desks(2) as at:
            at.behave(0, "drop", count=1)
            assert (await at.send(alarm())).receipt.startswith("desk1 ")  # both have it now
            update = alarm("more", requested=WHEN + timedelta(seconds=9), follows=alarm().key)
            ends = alarm("over", requested=WHEN + timedelta(seconds=20), follows=update.key, ends=True)
            assert (await at.send(update)).ok and (await at.send(ends)).ok
            for desk in at.all:
                (incident,) = desk.desk.alarms.values()
                alerts = [one.dispatch.alert for one in incident.messages]
                assert [one.msg_type for one in alerts] == ["Alert", "Update", "Cancel"]
                assert list_in_force(alerts) == []

    run(test)


def test_a_cancel_that_one_desk_did_not_take_is_not_done() -> None:
    async def test() -> None:
        async with desks(2) as at:
            assert (await at.send(alarm())).ok
            ends = alarm("over", follows=alarm().key, ends=True)
            at.behave(1, "refuse", count=1)
            outcome = await at.send(ends)
            assert not outcome.ok and outcome.error.startswith("desk1: 503")
            assert (await at.send(ends)).ok
            assert [at.held(n, ends).repeats for n in (0, 1)] == [1, 0]

    run(test)


# --- an exercise


@contextmanager
def answering(answer: bytes = b"") -> Iterator[str]:
    """A socket that answers so to each connection, and its url."""
    with counting(answer) as (url, _):
        yield url


@contextmanager
def counting(answer: bytes = b"") -> Iterator[tuple[str, list[Any]]]:
    listening = socket.create_server(("127.0.0.1", 0))
    came: list[Any] = []

    def accept() -> None:
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            came.append(peer)
            with connection:
                if answer:
                    connection.recv(100_000)
                    connection.sendall(answer)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", came
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def channel_to(url: str, *, takes_tests: bool = False) -> DispatchChannel:
    return DispatchChannel([Desk(name="real", url=url, takes_tests=takes_tests)], Known(), sender=SENDER, zone=ZONE)


REFUSED = {
    "the message is an exercise": (message(alarm(), exercise=True), False),
    "the notice is an exercise": (message(alarm(exercise=True)), False),
    "the values say exercise": (message(alarm(values={"exercise": True})), False),
    "an exercise in a home where nobody lives": (message(alarm(thing=NOBODY), exercise=True), True),
    "an exercise without a notice": (message(None, exercise=True), False),
    "a home where nobody lives, at a desk for people": (message(alarm(thing=NOBODY)), False),
    "a person's home, at a desk for tests": (message(alarm()), True),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_may_not_be_told_opens_no_connection(why: str) -> None:
    given, takes_tests = REFUSED[why]

    async def test() -> None:
        with counting() as (url, came):
            channel = channel_to(url, takes_tests=takes_tests)
            outcome = await channel.send(given)
            await channel.close()
            assert (outcome.ok, outcome.is_final) == (False, True)
            assert "exercise" in outcome.error if "exercise" in why else "no desk takes" in outcome.error
            probe = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            probe.close()
            while not came:  # connections are accepted in order: what came before the probe would be there
                await asyncio.sleep(0)
            assert len(came) == 1

    run(test)


def test_the_same_socket_sees_what_is_no_exercise() -> None:
    async def test() -> None:
        with counting(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n") as (url, came):
            channel = channel_to(url)
            assert (await channel.send(message(alarm()))).ok
            await channel.close()
            assert len(came) == 1

    run(test)


def test_a_simulated_home_reaches_a_desk_for_tests_as_a_test() -> None:
    async def test() -> None:
        async with desks(takes_tests=True) as at:
            assert (await at.send(alarm(thing=NOBODY))).ok
            assert at.held(0, alarm(thing=NOBODY)).dispatch.alert.status == "Test"

    run(test)


def test_a_simulated_home_that_is_gone_meanwhile_reaches_no_real_desk() -> None:
    async def test() -> None:
        async with desks() as at:
            outcome = await at.send(alarm(thing=99, values={"simulated": True}))
            assert not outcome.ok and "Test" in outcome.error

    run(test)


def test_an_alarm_of_a_home_that_nobody_knows_any_more_is_told_all_the_same() -> None:
    async def test() -> None:
        async with desks() as at:
            gone = alarm(thing=99, values={"call_back": "+82-2-555-0100"})
            assert (await at.send(gone)).ok
            dispatch = at.held(0, gone).dispatch
            assert (dispatch.presence, dispatch.alert.infos[0].contact) == (None, "+82-2-555-0100")
            follows = alarm("over", follows="home_alarm/17/fire/forgotten", ends=True)
            assert (await at.send(follows)).ok
            alert = at.held(0, follows).dispatch.alert
            assert (alert.msg_type, alert.references[0].identifier) == (
                "Cancel",
                identifier_of(SENDER, follows.follows),
            )

    run(test)


def test_a_message_without_a_notice_is_final() -> None:
    async def test() -> None:
        async with desks() as at:
            outcome = await at.channel.send(message(None))
            assert (outcome.ok, outcome.is_final, at.came(0)) == (False, True, 0)

    run(test)


# --- what the desk says


def test_what_the_desk_does_is_heard_in_order_also_after_it_could_not_be_taken() -> None:
    async def test() -> None:
        async with desks() as at:
            assert (await at.send(alarm())).ok
            incident = identifier_of(SENDER, alarm().key)
            heard: asyncio.Queue[DispatchEvent] = asyncio.Queue()
            refusals = iter([RetryLater("full"), KeyError("a mistake of ours")])

            async def tell(desk: str, event: DispatchEvent) -> None:
                assert desk == "desk0"
                if (refusal := next(refusals, None)) is not None:
                    raise refusal
                heard.put_nowait(event)

            at.all[0].desk.do(incident, "acknowledged", by="박 상황요원")
            following = asyncio.create_task(follow(at.channel.lines[0], tell))
            assert msgspec.structs.asdict(await asyncio.wait_for(heard.get(), 20)) | {} == {
                "number": 1, "incident": incident, "time": WHEN, "step": "acknowledged", "by": "박 상황요원", "unit": "", "cause": "",
            }  # fmt: skip
            for step in ("unit_sent", "arrived"):
                at.all[0].desk.do(incident, step, unit="종로 구급 1")
            at.all[0].desk.do(incident, "closed", cause="음식 조리")
            assert [(await heard.get()).step for _ in range(3)] == ["unit_sent", "arrived", "closed"]
            following.cancel()

    run(test)


# --- the setting


def made(tmp_path: Path, **more: Any) -> DispatchChannel:
    desk = DeskConfig(**{"name": "seoul", "url": "https://desk.example.org/", **more})
    return make_dispatch(
        DispatchConfig(sender=SENDER, desks=(desk,)), Secrets(tmp_path, {"TOKEN": "t0"}), Known(), ZONE
    )


def test_a_channel_is_made_of_city_toml_with_its_secrets(tmp_path: Path) -> None:
    line = made(tmp_path, token_env="TOKEN").lines[0]
    assert (line.desk.url, line.desk.token, line.desk.takes_tests) == ("https://desk.example.org", "t0", False)


@pytest.mark.parametrize(
    ("desk", "message"), [({"url": "http://desk.example.org"}, "is no https"), ({"token_env": "NONE"}, "NONE is not set"), ({"token_file": "none"}, "can't be read")]
)  # fmt: skip
def test_a_setting_that_is_wrong_is_named_at_the_start(tmp_path: Path, desk: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetup, match=message):
        made(tmp_path, **desk)


def test_two_desks_need_two_names(tmp_path: Path) -> None:
    desk = DeskConfig(name="a", url="https://a.example.org")
    with pytest.raises(BadSetup, match="a name of its own"):
        make_dispatch(DispatchConfig(sender=SENDER, desks=(desk, desk)), Secrets(tmp_path, {}), Known(), ZONE)
