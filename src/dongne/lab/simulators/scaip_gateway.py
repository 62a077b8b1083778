"""A gateway of a home that speaks SCAIP, simulated: alarms by their codes, heartbeats at the interval that the city sets, over
UDP or TCP. It sends again as RFC 3261 says (17.1.2), says the whole again under the same reference where no `<mrs>` comes,
and loses packets on request. Its clock is given, so that a test waits for nothing.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol, TypeVar

from dongne.model.errors import BadSetup, RetryLater
from dongne.standards.scaip import sip, xml
from dongne.standards.scaip.codes import BUSY
from dongne.standards.scaip.framing import Framer
from dongne.standards.scaip.heartbeat import INTERVALS_S
from dongne.standards.scaip.message import Mrq, Mrs, Refused
from dongne.standards.scaip.transaction import LIFE_S, resends_s

Address = tuple[str, int]
T = TypeVar("T")
HEARD_S = 1_800.0  # between heartbeats, until the city sets it
BUSY_S = 5.0  # before it asks again whoever was busy
MOST_HEARD = 10_000
MARK = "simulated"


class Clock(Protocol):
    """What time it is for the gateway."""

    def now_s(self) -> float:
        """Seconds; only differences say anything."""

    async def sleep(self, wait_s: float) -> None:
        """Returns when so much has passed."""


class RealClock:
    """Time as it passes."""

    def now_s(self) -> float:
        """Seconds; only differences say anything."""
        return time.monotonic()

    async def sleep(self, wait_s: float) -> None:
        """Returns when so much has passed."""
        await asyncio.sleep(wait_s)


class TurnedAway(RetryLater):
    """SIP itself refused the request, with this status."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the receiver answered {code} {reason}", reason="sip")
        self.code = code


class NoAnswer(RetryLater):
    """Nobody answered, however often it was sent."""


class ScaipGateway:
    """One gateway, in the running event loop. `cid` is what the city knows it by; `loses(n)` says whether the n-th packet that
    it sends (from 0) is lost on the way, over UDP."""

    def __init__(
        self, to: Address, cid: str, *, transport: str = "udp", clock: Clock | None = None,
        loses: Callable[[int], bool] = lambda number: False, intervals_s: Mapping[str, float] = INTERVALS_S,
        tries: int = 3,
    ) -> None:  # fmt: skip
        self.to, self.cid, self.transport = to, cid, transport
        self.clock: Clock = clock or RealClock()
        self.heartbeat_s = HEARD_S
        self.sent = self.lost = self.resent = self.received = 0  # packets
        self.heard: list[Mrs] = []  # the newest last
        self._loses, self._intervals_s, self._tries = loses, intervals_s, tries
        self._line: _Line | None = None
        self._responses: dict[str, asyncio.Future[sip.Response]] = {}
        self._answers: dict[str, asyncio.Future[Mrs]] = {}
        self._cseq = 0

    async def open(self) -> None:
        """Opens its socket. Raises BadSetup where nobody is there (TCP)."""
        loop = asyncio.get_running_loop()
        try:
            if self.transport == "tcp":
                _, self._line = await loop.create_connection(lambda: _Stream(self._came), *self.to)
            else:
                _, self._line = await loop.create_datagram_endpoint(lambda: _Packets(self._came), remote_addr=self.to)
        except OSError as error:
            raise BadSetup(f"nobody listens for SCAIP at {self.to[0]}:{self.to[1]} over {self.transport}") from error

    def close(self) -> None:
        """Closes its socket."""
        if self._line is not None:
            self._line.close()

    async def heartbeat(self) -> Mrs:
        """Says that it lives; takes over the interval that it is told."""
        return await self.send(Mrq(cid=self.cid, dty="0002", mty="PI", hbo="1", ref=new_ref(), stt=MARK))

    async def alarm(self, dty: str, stc: str = "0009", *, did: str = "", lco: str = "", mty: str = "ME") -> Mrs:
        """Raises an alarm, or says whatever else the codes say."""
        request = Mrq(cid=self.cid, dty=dty, stc=stc, did=did, lco=lco, mty=mty, ref=new_ref(), hbo="1", stt=MARK)
        return await self.send(request)

    async def beat(self, times: int | None = None) -> AsyncIterator[Mrs | RetryLater]:
        """Heartbeats at the interval that the city set last, for ever or so often: what came of each."""
        done = 0
        while times is None or done < times:
            if done:
                await self.clock.sleep(self.heartbeat_s)
            done += 1
            try:
                yield await self.heartbeat()
            except RetryLater as error:  # the next one may be heard
                yield error

    async def send(self, request: Mrq) -> Mrs:
        """The city's answer. Said again whole, under its reference, where no answer comes, or one that says to come again.
        Raises TurnedAway and NoAnswer."""
        error: RetryLater = NoAnswer("there was no try")
        for _ in range(self._tries):
            try:
                answer = await self._ask(request)
            except (NoAnswer, TurnedAway) as failed:
                error = failed
                continue
            self._heed(answer)
            if answer.snu != BUSY:
                return answer
            error = NoAnswer(f"the city is busy: {answer.ste}")
            await self.clock.sleep(BUSY_S)
        raise error

    def _heed(self, answer: Mrs) -> None:
        self.heard = [*self.heard, answer][-MOST_HEARD:]
        if answer.hbi:
            self.heartbeat_s = self._intervals_s.get(answer.hbi, self.heartbeat_s)

    # --- one request

    async def _ask(self, request: Mrq) -> Mrs:
        answer: asyncio.Future[Mrs] = asyncio.get_running_loop().create_future()
        self._answers[request.ref] = answer
        try:
            response = await self._transact(xml.encode_request(request))
            if response.status >= 300:
                raise TurnedAway(response.status, response.reason)
            if response.body:
                return xml.decode_answer(response.body)
            if await self._within(answer, LIFE_S):
                return answer.result()
            raise NoAnswer("the city took the request and sent no <mrs>")
        finally:
            del self._answers[request.ref]

    async def _transact(self, body: bytes) -> sip.Response:
        """The final answer to a MESSAGE with this body. Raises NoAnswer."""
        branch = sip.MAGIC + secrets.token_hex(8)
        data = self._message(branch, body)
        response: asyncio.Future[sip.Response] = asyncio.get_running_loop().create_future()
        self._responses[branch] = response
        begun_s = self.clock.now_s()
        try:
            self._put(data)
            for at_s in (*(() if self.transport == "tcp" else resends_s()), LIFE_S):
                if await self._within(response, begun_s + at_s - self.clock.now_s()):
                    return response.result()
                if at_s < LIFE_S:
                    self.resent += 1
                    self._put(data)
            raise NoAnswer("nobody answered, however often it was sent")
        finally:
            del self._responses[branch]

    async def _within(self, future: "asyncio.Future[T]", wait_s: float) -> bool:
        """It is there before so much has passed."""
        late = asyncio.ensure_future(self.clock.sleep(wait_s))
        try:
            both: set[asyncio.Future[Any]] = {future, late}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
        return future.done()

    def _message(self, branch: str, body: bytes) -> bytes:
        assert self._line is not None
        host, port = self._line.here
        self._cseq += 1
        headers = (
            ("via", f"{sip.VERSION}/{self.transport.upper()} {host}:{port};rport;branch={branch}"),
            ("max-forwards", "70"),
            ("from", f"<sip:{self.cid}@{host}:{port}>;tag={secrets.token_hex(4)}"),
            ("to", f"<sip:city@{self.to[0]}:{self.to[1]}>"),
            ("call-id", f"{secrets.token_hex(8)}@{host}"),
            ("cseq", f"{self._cseq} MESSAGE"),
            ("content-type", xml.MEDIA_TYPE),
        )
        return sip.Request("MESSAGE", f"sip:city@{self.to[0]}:{self.to[1]}", headers, body).encode()

    def _put(self, data: bytes) -> None:
        assert self._line is not None
        number, self.sent = self.sent, self.sent + 1
        if self.transport != "tcp" and self._loses(number):
            self.lost += 1
            return
        self._line.put(data)

    # --- what comes

    def _came(self, data: bytes) -> None:
        self.received += 1
        try:
            message = sip.parse(data)
        except sip.SipError:
            return
        if isinstance(message, sip.Request):
            self._asked(message)
            return
        vias = sip.list_vias(message.headers)
        waiting = self._responses.get(vias[0].branch) if vias else None
        if waiting is not None and not waiting.done() and message.status >= 200:
            waiting.set_result(message)

    def _asked(self, request: sip.Request) -> None:
        """An `<mrs>` that comes as a request of the city's own is acknowledged, each time it comes."""
        self._put(sip.answer(request, 200 if request.method == "MESSAGE" else 405, self.to).encode())
        try:
            answer = xml.decode_answer(request.body)
        except Refused:
            return
        waiting = self._answers.get(answer.ref)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


def new_ref() -> str:
    """A reference that is not used twice: 16 letters and digits."""
    return secrets.token_hex(8)


def parse_codes(text: str) -> dict[str, str]:
    """Type and status of "0003:0010", "23:9@k1" (a device) or "23:9@k1/021" (and a place). Raises BadSetup."""
    codes, _, where = text.partition("@")
    dty, colon, stc = codes.partition(":")
    did, _, lco = where.partition("/")
    try:
        if not colon:
            raise Refused("2", "there is no colon")
        read = xml.decode_request(xml.encode_request(Mrq(cid="1", dty=dty, stc=stc, did=did, lco=lco)))
    except Refused as error:
        raise BadSetup(f"--alarm {text!r}: {error.message}; write type:status@device, as 0023:0009@smoke-1") from error
    return {name: getattr(read, name) for name in ("dty", "stc", "did", "lco")}


class _Line(Protocol):
    @property
    def here(self) -> Address: ...

    def put(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class _Packets(asyncio.DatagramProtocol):
    def __init__(self, came: Callable[[bytes], None]) -> None:
        self._came = came
        self.here: Address = ("", 0)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.here = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._came(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens; it is sent again."""

    def put(self, data: bytes) -> None:
        self._transport.sendto(data)

    def close(self) -> None:
        self._transport.close()


class _Stream(asyncio.Protocol):
    def __init__(self, came: Callable[[bytes], None]) -> None:
        self._came, self._framer = came, Framer()
        self.here: Address = ("", 0)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.here = transport.get_extra_info("sockname")[:2]

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        while (message := self._framer.take()) is not None:
            self._came(message)

    def put(self, data: bytes) -> None:
        self._transport.write(data)

    def close(self) -> None:
        self._transport.close()
