"""The server for gateways that speak SCAIP, over real sockets: each message is taken once and answered after the door, a wrong
one is told why and counted, and nothing from outside holds it up."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.adapters.listening import until
from tests.standards.scaip_messages import BUTTON, FORMS, HEARTBEAT, mrq
from tests.standards.scaip_messages import sip as packet

from dongne.adapters.clock import CityClock
from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.scaip import ScaipConfig, ScaipServer, bind, parse_listen
from dongne.compose.scaip import door_of
from dongne.lab.simulators.scaip_gateway import NoAnswer, ScaipGateway, TurnedAway
from dongne.model.entities import Thing, put
from dongne.model.errors import BadSetup, NotFound, RetryLater
from dongne.model.home import GatewayMessage, GatewayReply
from dongne.model.records import RecordKind, decode_batch
from dongne.runtime.ports import Entry, Transaction
from dongne.standards.scaip import sip, xml
from dongne.standards.scaip.framing import Framer
from dongne.standards.scaip.message import Mrq, Mrs
from dongne.stores.embedded import EmbeddedStore

LIMIT_S = 10.0
NOW_US = 1_800_000_000_000_000


class Door:
    """Takes what comes, as the desk of gateways does: the same number again is the same message."""

    def __init__(self) -> None:
        self.taken: list[GatewayMessage] = []
        self.asked = 0
        self.now_us = NOW_US
        self.error: Exception | None = None
        self.held: asyncio.Event | None = None

    async def take(self, message: GatewayMessage) -> GatewayReply:
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if self.error is not None:
            raise self.error
        is_repeat = any((message.gateway, message.seq) == (one.gateway, one.seq) for one in self.taken)
        if not is_repeat:
            self.taken.append(message)
        refused = {n: "no such device" for n, event in enumerate(message.events) if event.device == "nobody"}
        now = datetime(2027, 1, 15, tzinfo=UTC)
        return GatewayReply(message.seq, 300.0, now, len(message.events) - len(refused), is_repeat, refused)


@pytest.fixture
def door() -> Door:
    return Door()


@contextmanager
def serving(door: Door, **more: Any) -> Iterator[ScaipServer]:
    config = ScaipConfig(port=0, **more)
    made = ScaipServer(config, door.take, lambda: door.now_us, bind(config))
    made.start()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def server(door: Door) -> Iterator[ScaipServer]:
    with serving(door) as made:
        yield made


def address_of(server: ScaipServer) -> tuple[str, int]:
    return parse_listen(server.address)


class Udp:
    """A socket of a gateway."""

    def __init__(self, server: ScaipServer) -> None:
        self.to = address_of(server)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(LIMIT_S)

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.to)

    def __del__(self) -> None:
        self.socket.close()

    def next(self) -> sip.Request | sip.Response:
        return sip.parse(self.socket.recv(65_536))

    def response(self) -> sip.Response:
        found = self.next()
        assert isinstance(found, sip.Response)
        return found

    def mrs(self) -> Mrs:
        """The answer that comes as a request, acknowledged."""
        found = self.next()
        assert isinstance(found, sip.Request) and found.method == "MESSAGE"
        self.send(sip.answer(found, 200, self.to).encode())
        return xml.decode_answer(found.body)


@pytest.fixture
def udp(server: ScaipServer) -> Iterator[Udp]:
    yield Udp(server)


class Tcp:
    """A connection of a gateway."""

    def __init__(self, server: ScaipServer) -> None:
        self.socket = socket.create_connection(address_of(server), timeout=LIMIT_S)
        self._framer = Framer()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def next(self) -> sip.Request | sip.Response:
        while (message := self._framer.take()) is None:
            data = self.socket.recv(4_096)
            assert data, "the connection was closed"
            self._framer.feed(data)
        return sip.parse(message)


@pytest.fixture
def tcp(server: ScaipServer) -> Iterator[Tcp]:
    made = Tcp(server)
    yield made
    made.socket.close()


# --- what is taken


def test_an_alarm_is_taken_once_and_answered_with_the_heartbeat_interval_that_we_set(udp: Udp, door: Door) -> None:
    udp.send(packet(BUTTON))
    response = udp.response()
    assert (response.status, response.body) == (200, b"")  # RFC 3428: no body in it
    assert udp.mrs() == Mrs(ref="00001883", hbi="1")
    (message,) = door.taken
    assert (message.gateway, [e.property for e in message.events]) == ("26317", ["button"])
    assert message.sent.timestamp() * 1e6 == NOW_US


def test_the_answer_goes_back_to_whom_the_request_is_from(udp: Udp) -> None:
    udp.send(packet(BUTTON, extra="Contact: <sip:gw@192.0.2.7:5099>"))
    udp.response()
    found = udp.next()
    assert isinstance(found, sip.Request)
    assert found.uri == "sip:gw@192.0.2.7:5099"
    assert sip.uri_of(found.find("to") or "") == "sip:26317@127.0.0.1"
    assert sip.uri_of(found.find("from") or "") == "sip:city@127.0.0.1"
    assert sip.list_vias(found.headers)[0].sent_by == "127.0.0.1:5060"  # as the gateway calls us


def test_a_retransmission_gets_the_same_answer_and_is_no_second_event(
    udp: Udp, door: Door, server: ScaipServer
) -> None:
    udp.send(packet(BUTTON))
    first = udp.response()
    udp.mrs()
    for _ in range(3):
        udp.send(packet(BUTTON))
        assert udp.response() == first
    assert (len(door.taken), door.asked) == (1, 1)
    assert server.status().retransmissions == 3


def test_a_retransmission_while_the_first_is_at_the_door_is_not_given_to_it(door: Door) -> None:
    door.held = asyncio.Event()
    with serving(door) as server:
        udp = Udp(server)
        for _ in range(3):
            udp.send(packet(BUTTON))
        until(lambda: server.status().retransmissions == 2, "two retransmissions")
        assert server.status().answered == {}  # nothing is acknowledged before it is stored
        server._loop.call_soon_threadsafe(door.held.set)  # type: ignore[union-attr]
        assert udp.response().status == 200
        assert udp.mrs().is_ok
        assert door.asked == 1


def test_the_same_message_in_a_new_request_has_the_same_number_and_another_has_another(
    udp: Udp, door: Door, server: ScaipServer
) -> None:
    seqs = []
    for branch, body in (
        ("a", BUTTON),
        ("b", BUTTON),
        ("c", BUTTON.replace(b"1883", b"1884")),
        ("d", BUTTON.replace(b"10<", b"93<")),
    ):
        udp.send(packet(body, branch="z9hG4bK" + branch, call=branch))
        udp.response()
        assert udp.mrs().is_ok
        seqs = [one.seq for one in door.taken]
    assert seqs == [NOW_US // 1_000 + n for n in range(3)]  # within the few that the door knows again
    assert server.status().repeats == 1


def test_a_gateway_that_uses_a_branch_twice_loses_no_alarm_by_it(udp: Udp, door: Door) -> None:
    for body in (HEARTBEAT, BUTTON):
        udp.send(packet(body))
        udp.response()
        assert udp.mrs().is_ok
    assert [len(one.events) for one in door.taken] == [0, 1]


def test_all_forms_are_taken_over_udp(udp: Udp, door: Door) -> None:
    for number, (body, _) in enumerate(FORMS):
        udp.send(packet(body, branch=f"z9hG4bK{number}", cseq=number + 1))
        assert udp.response().status == 200
        assert udp.mrs().is_ok
    assert len(door.taken) == len(FORMS)


def test_who_writes_scaip_gets_its_answer_in_the_response(udp: Udp) -> None:
    udp.send(packet(BUTTON.replace(b"mrq>", b"scaip>"), kind="application/xml"))
    response = udp.response()
    assert (response.status, response.find("content-type")) == (200, "application/xml")
    assert response.body.startswith(b"<scaip>")
    assert xml.decode_answer(response.body).is_ok


def test_what_was_set_aside_is_said_and_counted(udp: Udp, server: ScaipServer) -> None:
    udp.send(packet(BUTTON.replace(b"<cha>0</cha>", b"<lco>999</lco>")))
    udp.response()
    answer = udp.mrs()
    assert answer.is_ok and "999" in answer.ste
    assert server.status().set_aside == 1


def test_a_gateway_that_does_not_let_its_interval_be_set_is_told_none(udp: Udp) -> None:
    udp.send(packet(BUTTON.replace(b"<cha>0</cha>", b"<hbo>0</hbo>")))
    udp.response()
    assert udp.mrs().hbi == ""


# --- what is refused


@pytest.mark.parametrize(
    ("body", "snu", "reason"),
    [
        (mrq(cid="1", dty="0003", ite="x" * 9_000), "1", "message_too_long"),
        (b"<mrq><cid>", "2", "xml"),
        (b"", "2", "xml"),
        (mrq(cid="1", dty="0042"), "3", "wrong_data_content"),
        (mrq(cid="1", dty="0003", did="nobody"), "3", "event"),
        (mrq(cid="1", dty="0011", stc="0081"), "5", "not_treated"),
        (mrq(cid="1"), "7", "mandatory_tag_missing"),
    ],
)
def test_a_wrong_body_gets_its_number_and_is_counted(
    udp: Udp, server: ScaipServer, body: bytes, snu: str, reason: str
) -> None:
    udp.send(packet(body))
    assert udp.response().status == 200
    answer = udp.mrs()
    assert answer.snu == snu and answer.ste
    assert server.status().refused == {reason: 1}


@pytest.mark.parametrize(
    ("error", "snu", "reason"),
    [
        (NotFound("no home has the gateway 26317", reason="gateway"), "3", "gateway"),
        (RetryLater("the queue is full"), "6", "busy"),
        (TimeoutError(), "6", "busy"),
        (ValueError("ours"), "5", "failed"),
    ],
)
def test_what_goes_wrong_at_the_door_has_its_number(
    udp: Udp, door: Door, server: ScaipServer, error: Exception, snu: str, reason: str
) -> None:
    door.error = error
    udp.send(packet(BUTTON))
    udp.response()
    answer = udp.mrs()
    assert (answer.snu, answer.ref, answer.hbi) == (snu, "00001883", "")
    assert answer.ste
    assert server.status().refused == {reason: 1}
    assert server.status().failed == (reason == "failed")


def test_after_a_fault_at_the_door_the_same_message_is_taken(udp: Udp, door: Door) -> None:
    door.error = RetryLater("the queue is full")
    udp.send(packet(BUTTON))
    udp.response()
    assert udp.mrs().snu == "6"
    door.error = None
    udp.send(packet(BUTTON, branch="z9hG4bKagain"))
    udp.response()
    assert udp.mrs().is_ok
    assert len(door.taken) == 1


@pytest.mark.parametrize(
    ("data", "status", "header", "reason"),
    [
        (packet(b"", method="OPTIONS"), 200, ("allow", "MESSAGE, OPTIONS"), ""),
        (packet(b"", method="INVITE"), 405, ("allow", "MESSAGE, OPTIONS"), "method"),
        (packet(b"", method="REGISTER"), 405, ("allow", "MESSAGE, OPTIONS"), "method"),
        (packet(BUTTON, kind="text/plain"), 415, ("accept", ", ".join(xml.MEDIA_TYPES)), "media_type"),
        (packet(BUTTON, extra="Content-Encoding: gzip"), 415, ("accept-encoding", "identity"), "encoding"),
        (packet(BUTTON, extra="Require: foo"), 420, ("unsupported", "foo"), "extension"),
        (packet(BUTTON).replace(b"CSeq: 1 ", b"CSeq: x "), 400, None, "cseq"),
        (packet(BUTTON).replace(b"To: ", b"Ta: "), 400, None, "header_missing"),
        (packet(BUTTON, length=9_999), 400, None, "cut_short"),
        (packet(BUTTON).replace(b"5060 SIP/2.0", b"5060 SIP/9.0"), 505, None, "version"),
    ],
)
def test_sip_itself_refuses_what_it_must(
    udp: Udp, door: Door, server: ScaipServer, data: bytes, status: int, header: Any, reason: str
) -> None:
    udp.send(data)
    response = udp.response()
    assert response.status == status
    assert header is None or response.find(header[0]) == header[1]
    assert server.status().refused == ({reason: 1} if reason else {})
    assert not door.taken


def test_what_can_not_be_answered_is_counted_and_the_next_one_is_served(udp: Udp, server: ScaipServer) -> None:
    for data in (
        b"\x00",
        b"\r\n\r\n",
        b"hello",
        b"\xff" * 3_000,
        packet(BUTTON).replace(b"Via:", b"Vio:"),
        packet(b"", method="ACK"),
    ):
        udp.send(data)
    udp.send(packet(BUTTON))
    assert udp.response().status == 200
    status = server.status()
    assert (status.pings, status.unanswerable, status.refused) == (2, 3, {"no_end": 2, "header_missing": 1})


def test_an_answer_that_nobody_asked_for_is_not_answered_by_another(udp: Udp, server: ScaipServer) -> None:
    udp.send(packet(xml.encode_answer(Mrs(ref="1"))))
    assert udp.response().status == 200
    udp.send(packet(b"", method="OPTIONS", branch="z9hG4bKo"))
    assert udp.response().find("cseq") == "1 OPTIONS"  # nothing came between
    assert server.status().refused == {"answer": 1}


def test_beyond_what_may_be_at_the_door_others_are_told_to_come_again(door: Door) -> None:
    door.held = asyncio.Event()
    with serving(door, most_in_flight=1) as server:
        udp = Udp(server)
        udp.send(packet(BUTTON))
        until(lambda: door.asked == 1, "one is at the door")
        udp.send(packet(HEARTBEAT, branch="z9hG4bKb"))
        response = udp.response()
        assert (response.status, response.find("retry-after")) == (503, "5")
        server._loop.call_soon_threadsafe(door.held.set)  # type: ignore[union-attr]
        assert udp.response().status == 200
        assert udp.mrs().is_ok
        udp.send(packet(HEARTBEAT, branch="z9hG4bKb"))  # it was not kept as refused
        assert udp.response().status == 200


def test_a_door_that_hangs_is_waited_for_only_so_long(door: Door) -> None:
    door.held = asyncio.Event()
    with serving(door, door_s=0.05) as server:
        udp = Udp(server)
        udp.send(packet(BUTTON))
        assert udp.response().status == 200
        assert udp.mrs().snu == "6"


def test_an_answer_is_sent_again_until_it_is_acknowledged_and_given_up_at_last(door: Door) -> None:
    with serving(door, t1_s=0.01) as server:
        udp = Udp(server)
        udp.send(packet(BUTTON))
        udp.response()
        first, second = udp.next(), udp.next()
        assert first == second
        until(lambda: server.status().answers_given_up == 1, "given up")
        assert server.status().answers_resent == 10
        udp.send(packet(HEARTBEAT, branch="z9hG4bKb"))
        until(lambda: server.status().answers_sent == 2, "the next answer")
        while not isinstance(found := udp.next(), sip.Request) or found.body == first.body:
            pass
        udp.send(sip.answer(found, 200, udp.to).encode())
        until(lambda: server.status().answers_acknowledged == 1, "acknowledged")


def test_a_refusal_is_said_once_so_that_nobody_can_have_us_flood_another(door: Door) -> None:
    with serving(door, t1_s=0.005) as server:
        udp = Udp(server)
        udp.send(packet(mrq(cid="1")))
        udp.response()
        until(lambda: server.status().answers_given_up == 1, "given up")
        assert (server.status().answers_sent, server.status().answers_resent) == (1, 0)


def test_what_is_kept_for_retransmissions_is_bounded(door: Door) -> None:
    with serving(door, most_transactions=10, most_known=10) as server:
        udp = Udp(server)
        for number in range(50):
            udp.send(packet(b"", method="OPTIONS", branch=f"z9hG4bK{number}"))
            assert udp.response().status == 200
        assert server.status().transactions <= 10


# --- TCP


def test_segments_may_end_anywhere(tcp: Tcp, door: Door) -> None:
    stream = packet(BUTTON, via="TCP") + b"\r\n\r\n" + packet(HEARTBEAT, via="TCP", branch="z9hG4bKb")
    for start in range(0, len(stream), 7):
        tcp.send(stream[start : start + 7])
    came = [tcp.next() for _ in range(4)]
    assert [one.status for one in came if isinstance(one, sip.Response)] == [200, 200]
    assert [xml.decode_answer(one.body).ref for one in came if isinstance(one, sip.Request)] == ["00001883", "00001A85"]
    assert len(door.taken) == 2


def test_a_ping_is_answered_with_a_pong(tcp: Tcp) -> None:
    tcp.send(b"\r\n\r\n")
    assert tcp.socket.recv(16) == b"\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (packet(BUTTON, via="TCP", length=None), 400),
        (packet(BUTTON, via="TCP", length=70_000), 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"x" * 20_000, None),
    ],
)
def test_a_stream_that_can_not_be_cut_is_answered_where_it_can_be_and_ended(
    tcp: Tcp, server: ScaipServer, data: bytes, status: int | None
) -> None:
    tcp.send(data)
    if status is not None:
        response = tcp.next()
        assert isinstance(response, sip.Response) and response.status == status
    with suppress(ConnectionResetError):
        assert tcp.socket.recv(1) == b""
    assert sum(server.status().refused.values()) == 1
    until(lambda: server.status().connections == 0, "no connection")


def test_who_does_not_end_a_message_or_connects_too_often_is_sent_away(door: Door) -> None:
    with serving(door, part_s=0.05, most_connections=1) as server:
        slow = Tcp(server)
        slow.send(packet(BUTTON, via="TCP")[:100])
        until(lambda: server.status().broken_off == 1, "broken off")
        slow.socket.close()
        first = Tcp(server)
        first.send(packet(b"", method="OPTIONS", via="TCP"))
        first.next()
        second = Tcp(server)
        until(lambda: server.status().turned_away == 1, "turned away")
        for one in (first, second):
            one.socket.close()


# --- the simulated gateway


class HandClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self._now_s

    async def sleep(self, wait_s: float) -> None:
        if wait_s > 0:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((self._now_s + wait_s, future))
            await future

    async def until_done(self, task: "asyncio.Future[Any]", is_quiet: Callable[[], bool]) -> Any:
        """Lets time pass up to each thing that is waited for, while nothing is on its way, until the task is done."""
        while not task.done():
            await asyncio.wait({task}, timeout=0.002)
            if not is_quiet():
                continue
            for _ in range(10):  # what has arrived is looked at
                await asyncio.sleep(0)
            self._waiting = [one for one in self._waiting if not one[1].done()]
            if not task.done() and self._waiting and is_quiet():
                self._now_s = min(at_s for at_s, _ in self._waiting)
                for at_s, future in self._waiting:
                    if at_s <= self._now_s:
                        future.set_result(None)
        return task.result()


def with_gateway(to: ScaipServer | tuple[str, int], work: Callable[[ScaipGateway], Awaitable[Any]], **more: Any) -> Any:
    """What the work with a gateway gives, its time passed by hand."""
    clock = HandClock()

    async def run() -> Any:
        gateway = ScaipGateway(to if isinstance(to, tuple) else address_of(to), "26317", clock=clock, **more)
        await gateway.open()

        def is_quiet() -> bool:
            """All that was sent has arrived, on both sides."""
            if isinstance(to, tuple):
                return True
            now = to.status()
            said = sum(now.answered.values()) + now.answers_sent + now.answers_resent + now.retransmissions
            heard = sum(now.received.values()) == gateway.sent - gateway.lost and now.in_flight == 0
            return heard and gateway.received == said

        try:
            done = await clock.until_done(asyncio.ensure_future(work(gateway)), is_quiet)
            while not is_quiet():
                await asyncio.sleep(0)
            return done
        finally:
            gateway.close()

    return asyncio.run(run())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_simulated_gateway_is_taken_and_heeds_the_interval(server: ScaipServer, door: Door, transport: str) -> None:
    async def work(gateway: ScaipGateway) -> None:
        assert (await gateway.heartbeat()).is_ok
        assert gateway.heartbeat_s == 300.0
        assert (await gateway.alarm("0023", did="smoke-1", lco="021")).is_ok
        assert (await gateway.alarm("0023", did="smoke-1", mty="RE", stc="")).is_ok

    with_gateway(server, work, transport=transport)
    assert [[(e.device, e.property, e.value) for e in one.events] for one in door.taken] == [
        [], [("smoke-1", "smoke", 1.0)], [("smoke-1", "smoke", 0.0)],
    ]  # fmt: skip
    until(lambda: server.status().answers_acknowledged == 3, "all answers are acknowledged")


def test_lost_packets_are_sent_again_by_the_timers_of_the_standard(server: ScaipServer, door: Door) -> None:
    async def work(gateway: ScaipGateway) -> tuple[Mrs, float, int]:
        return await gateway.alarm("0003", "0010"), gateway.clock.now_s(), gateway.resent

    answer, after_s, resent = with_gateway(server, work, loses=lambda number: number < 4)
    assert answer.is_ok
    assert (after_s, resent) == (7.5, 4)
    assert len(door.taken) == 1


def test_an_alarm_is_taken_once_when_answers_are_lost(door: Door) -> None:
    """Every second packet of the gateway is lost, its acknowledgements too."""

    async def work(gateway: ScaipGateway) -> list[bool]:
        return [(await gateway.alarm("0003", "0010")).is_ok for _ in range(5)]

    with serving(door) as server:
        assert with_gateway(server, work, loses=lambda number: number % 2 == 0) == [True] * 5
    assert len(door.taken) == 5


def test_a_gateway_beats_at_the_interval_that_the_city_sets(server: ScaipServer, door: Door) -> None:
    async def work(gateway: ScaipGateway) -> float:
        assert [isinstance(came, Mrs) and came.is_ok async for came in gateway.beat(4)] == [True] * 4
        return gateway.clock.now_s()

    assert 900.0 <= with_gateway(server, work) < 930.0  # three times 300 s, and what was said again in between
    assert len(door.taken) == 4


def test_a_gateway_that_nobody_hears_gives_up_after_64_t1(door: Door) -> None:
    async def work(gateway: ScaipGateway) -> tuple[float, int]:
        with pytest.raises(NoAnswer):
            await gateway.alarm("0003")
        return gateway.clock.now_s(), gateway.sent

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert with_gateway(nobody.getsockname(), work, tries=1) == (32.0, 11)


def test_a_gateway_that_is_told_503_asks_again(door: Door) -> None:
    door.held = asyncio.Event()

    async def work(gateway: ScaipGateway) -> None:
        with pytest.raises(TurnedAway, match="503"):
            await gateway.alarm("0003")

    with serving(door, most_in_flight=0) as server:
        with_gateway(server, work)
        assert server.status().refused == {"overloaded": 3}


def test_many_gateways_at_once_each_get_their_own_answer(server: ScaipServer, door: Door) -> None:
    async def run() -> list[bool]:
        gateways = [ScaipGateway(address_of(server), f"gw-{n}", transport=("udp", "tcp")[n % 2]) for n in range(40)]
        await asyncio.gather(*(one.open() for one in gateways))
        answers = await asyncio.gather(*(one.alarm("0003", "0010", did=f"p{n}") for n, one in enumerate(gateways)))
        for one in gateways:
            one.close()
        return [answer.is_ok for answer in answers]

    assert asyncio.run(run()) == [True] * 40
    assert {one.gateway: one.events[0].device for one in door.taken} == {f"gw-{n}": f"p{n}" for n in range(40)}


# --- with the gateways' own door


def test_what_is_answered_ok_lies_in_the_homes_store(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path, CityClock(), follow=False)
    home = Thing(id=1, name="home 1", properties={"kind": "home", "gateway": "26317", "access": "personal"})
    store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(home)]))])).result()
    desk, config = GatewayDesk(store), ScaipConfig(port=0)

    async def work(gateway: ScaipGateway) -> list[Mrs]:
        alarm = Mrq(cid="26317", dty="0023", did="smoke-1", ref="r1")
        other = Mrq(cid="99999", dty="0023", did="smoke-1", ref="r2")
        return [await gateway.send(one) for one in (alarm, alarm, other)]

    server = ScaipServer(config, door_of(desk), store.clock.now_us, bind(config))
    server.start()
    first, again, unknown = with_gateway(server, work)
    server.close()
    assert first == again == Mrs(ref="r1", hbi="1")
    assert unknown.snu == "3" and "99999" in unknown.ste
    assert (server.status().repeats, server.status().refused) == (1, {"gateway_unknown": 1})
    batches = [decode_batch(one.body, one.count) for one in store.read(0, kinds=(RecordKind.OBSERVATIONS,))]
    streams = [store.graph.datastreams[int(stream)] for batch in batches for stream in batch.datastream]
    assert [one.properties["device"] for one in streams] == ["gateway", "smoke-1"]
    desk.close()
    store.close()


def test_after_a_restart_new_messages_are_beyond_those_before(door: Door) -> None:
    for alarm in (BUTTON, HEARTBEAT):
        with serving(door) as server:
            udp = Udp(server)
            udp.send(packet(alarm))
            udp.response()
            assert udp.mrs().is_ok
        door.now_us += 2_000
    first, second = door.taken
    assert second.seq > first.seq


# --- its life


def test_it_ends_with_a_connection_open_and_a_message_at_the_door(door: Door) -> None:
    door.held = asyncio.Event()
    with serving(door) as server:
        tcp = Tcp(server)
        tcp.send(packet(BUTTON, via="TCP"))
        until(lambda: door.asked == 1, "at the door")
    assert not any(thread.name == "scaip" for thread in threading.enumerate())
    tcp.socket.close()


def test_an_address_that_is_taken_or_none_is_said_so(server: ScaipServer) -> None:
    host, port = address_of(server)
    with pytest.raises(BadSetup, match=f"{port}.*--scaip-listen"):
        bind(ScaipConfig(host=host, port=port))
    for wrong in ("here", "127.0.0.1:", "127.0.0.1:99999", "1:²"):
        with pytest.raises(BadSetup, match="no address"):
            parse_listen(wrong)
    assert parse_listen(":5060") == ("0.0.0.0", 5060)
    assert parse_listen("[::1]:5060") == ("::1", 5060)


def test_counts_are_numbers_with_a_label_at_most(udp: Udp, server: ScaipServer) -> None:
    udp.send(packet(BUTTON))
    udp.response()
    udp.mrs()
    counts = server.status().counts()
    assert counts["told.ok"] == 1.0
    assert all(isinstance(value, float) for value in counts.values())
