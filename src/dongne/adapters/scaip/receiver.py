"""What is done with a message: answered once, however often it is sent; given to the door; its sender told how it went.

`<mrs>` goes back as a MESSAGE of our own, as RFC 3428 wants no body in the answer to a MESSAGE; a sender who writes `<scaip>`
waits for it there, and gets it there. Both come after the door's reply, and so after the commit.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2s

import msgspec

from dongne.adapters.scaip.config import Door, ScaipConfig
from dongne.adapters.scaip.links import Address, Link
from dongne.adapters.scaip.status import ScaipStatus, count
from dongne.model.errors import BadInput, DongneError, NotFound, RetryLater
from dongne.model.home import GatewayReply
from dongne.model.times import from_us, to_us
from dongne.standards.scaip import codes, sip, xml
from dongne.standards.scaip.heartbeat import code_for
from dongne.standards.scaip.mapping import to_message
from dongne.standards.scaip.message import Mrq, Mrs, Refused
from dongne.standards.scaip.transaction import resends_s

log = logging.getLogger(__name__)
METHODS = ("MESSAGE", "OPTIONS")
ALLOW = ("allow", ", ".join(METHODS))
ACCEPT = ("accept", ", ".join(xml.MEDIA_TYPES))


class Transaction(msgspec.Struct):
    """A request that came: its answer once there is one, kept until `until_s` by the loop's clock."""

    until_s: float
    answer: bytes = b""


class Known(msgspec.Struct, frozen=True):
    """A message that came: its number at the door and the instant at which it came first; until then the same is the same."""

    until_s: float
    seq: int
    came: datetime


class Outgoing(msgspec.Struct):
    """An `<mrs>` on its way."""

    data: bytes
    link: Link
    to: Address
    timers: list[asyncio.TimerHandle] = []


class Receiver:
    """Lives in one event loop. `now_us` is the city's clock."""

    def __init__(self, config: ScaipConfig, door: Door, now_us: Callable[[], int], status: ScaipStatus) -> None:
        self._config, self._door, self._now_us, self._status = config, door, now_us, status
        self._loop = asyncio.get_running_loop()
        self._transactions: OrderedDict[tuple[str, ...], Transaction] = OrderedDict()
        self._outgoing: dict[str, Outgoing] = {}
        self._known: OrderedDict[tuple[str, ...], Known] = OrderedDict()
        self._last: OrderedDict[str, int] = OrderedDict()  # the number of each gateway's newest message
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, came: bytes | sip.SipError, link: Link) -> None:
        """One message, or what is wrong with a stream. Never raises."""
        count(self._status.received, "tcp" if link.is_reliable else "udp")
        try:
            if isinstance(came, sip.SipError):
                raise came
            message = sip.parse(came)
            if isinstance(message, sip.Response):
                self._acknowledged(message)
            else:
                self._requested(message, link)
        except sip.SipError as error:
            self._spoilt(error, link)
        except Exception:
            self._status.failed += 1
            log.exception("a message over SIP could not be handled")

    async def close(self) -> None:
        """What is at the door is broken off: its sender has no answer, and sends it again."""
        for branch in list(self._outgoing):
            self._settle(branch)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- requests

    def _spoilt(self, error: sip.SipError, link: Link) -> None:
        count(self._status.refused, error.reason)
        request = error.request
        if request is None or request.method == "ACK" or not sip.list_vias(request.headers):
            self._status.unanswerable += 1
            return
        self._send(request, link, sip.answer(request, error.status, link.source, reason=_phrase(error)))

    def _requested(self, request: sip.Request, link: Link) -> None:
        count(self._status.requests, request.method)
        if request.method == "ACK":  # it ends an INVITE that we refused
            return
        self._forget_old()
        key = sip.transaction_key(request)
        known = self._transactions.get(key)
        if known is not None:
            self._status.retransmissions += 1
            if known.answer:  # else its answer is being worked out
                link.send(known.answer, sip.reply_address(request, link.source))
            return
        refusal = self._refusal(request)
        if self._is_full(at_door=refusal is None):
            count(self._status.refused, "overloaded")
            retry = ("retry-after", str(self._config.retry_after_s))
            self._send(
                request, link, sip.answer(request, 503, link.source, headers=[retry])
            )  # not kept: it may come again
            return
        self._transactions[key] = Transaction(self._loop.time() + self._config.life_s)
        self._status.transactions = len(self._transactions)
        if refusal is not None:
            status, headers = refusal
            self._answer(request, link, sip.answer(request, status, link.source, headers=headers))
            return
        task = self._loop.create_task(self._treat(request, link))
        self._tasks.add(task)
        self._status.in_flight = len(self._tasks)
        task.add_done_callback(self._treated)

    def _refusal(self, request: sip.Request) -> tuple[int, list[sip.Header]] | None:
        """The status and headers where SIP itself answers; None where the body has to be looked at."""
        if request.method == "OPTIONS":
            return 200, [ALLOW, ACCEPT]
        if request.method not in METHODS:
            count(self._status.refused, "method")
            return 405, [ALLOW]
        if required := request.find("require"):
            count(self._status.refused, "extension")
            return 420, [("unsupported", required)]
        kind = (request.find("content-type") or "").partition(";")[0].strip().lower()
        if (request.find("content-encoding") or "identity").strip().lower() != "identity":
            count(self._status.refused, "encoding")
            return 415, [("accept-encoding", "identity")]
        if kind and kind not in xml.MEDIA_TYPES:
            count(self._status.refused, "media_type")
            return 415, [ACCEPT]
        return None

    def _is_full(self, at_door: bool) -> bool:
        """Too much is at the door, or every transaction that is held still waits for its answer."""
        if at_door and len(self._tasks) >= self._config.most_in_flight:
            return True
        while len(self._transactions) >= self._config.most_transactions:
            key, oldest = next(iter(self._transactions.items()))
            if not oldest.answer:
                return True
            del self._transactions[key]
        return False

    def _forget_old(self) -> None:
        now_s = self._loop.time()
        while self._transactions:
            key, oldest = next(iter(self._transactions.items()))
            if oldest.until_s > now_s or not oldest.answer:
                break
            del self._transactions[key]
        while self._known and next(iter(self._known.values())).until_s <= now_s:
            self._known.popitem(last=False)

    # --- the door

    async def _treat(self, request: sip.Request, link: Link) -> None:
        root = xml.EITHER if xml.says_either(request.body) else xml.ANSWER
        if xml.is_answer(request.body):  # an answer is not answered, or two would answer each other for ever
            count(self._status.refused, "answer")
            self._answer(request, link, sip.answer(request, 200, link.source))
            return
        answer = await self._ask(request)
        count(self._status.told, codes.STATUS_NUMBERS[answer.snu])
        body = xml.encode_answer(answer, root)
        if root == xml.EITHER:
            kind = ("content-type", (request.find("content-type") or xml.MEDIA_TYPE).partition(";")[0])
            self._answer(request, link, sip.answer(request, 200, link.source, headers=[kind], body=body))
            return
        self._answer(request, link, sip.answer(request, 200, link.source))
        self._tell(request, link, body, insists=answer.is_ok)

    async def _ask(self, request: sip.Request) -> Mrs:
        """What the gateway is told; whatever goes wrong has its number and is counted."""
        ref = xml.seen_ref(request.body)
        try:
            said = xml.decode_request(request.body)
            now = from_us(self._now_us())
            known = self._know(request, said, now)
            message = msgspec.structs.replace(to_message(said, known.seq, known.came), sent=now)
            async with asyncio.timeout(self._config.door_s):
                reply = await self._door(message)
            return self._reply(said, reply)
        except Refused as error:
            count(self._status.refused, error.reason)
            return error.answer()
        except (RetryLater, TimeoutError) as error:
            return self._no(ref, codes.BUSY, error, "busy", "not stored yet; send it again")
        except (BadInput, NotFound) as error:
            return self._no(ref, codes.WRONG_DATA, error, error.reason)
        except DongneError as error:
            return self._no(ref, codes.NOT_TREATED, error, error.reason)
        except Exception as error:
            self._status.failed += 1
            log.exception("a message of a gateway could not be handled")
            return self._no(ref, codes.NOT_TREATED, error, "failed", "a fault at the receiver; send it again")

    def _no(self, ref: str, snu: str, error: Exception, reason: str, text: str = "") -> Mrs:
        count(self._status.refused, reason)
        said = error.message if isinstance(error, DongneError) else ""
        return Mrs(ref=ref, snu=snu, ste=(said or text)[:128])

    def _reply(self, said: Mrq, reply: GatewayReply) -> Mrs:
        self._status.set_aside += len(said.set_aside)
        self._status.repeats += reply.is_repeat
        self._status.events += reply.stored
        if reply.refused:
            count(self._status.refused, "event")
            return Mrs(ref=said.ref, snu=codes.WRONG_DATA, ste="; ".join(reply.refused.values())[:128])
        hbi = "" if said.hbo == "0" else code_for(reply.heartbeat_s, self._config.intervals_s)
        aside = f"taken; set aside: {'; '.join(said.set_aside)}" if said.set_aside else ""
        return Mrs(ref=said.ref, ste=aside[:128], hbi=hbi)

    def _know(self, request: sip.Request, said: Mrq, now: datetime) -> Known:
        """The number of this message at the door, and since when it is known: the same where the same is said again under the same reference; else
        the next, as gateways begin their references anew, and an alarm must not pass for an old one. A gateway's first since
        the start is the time in ms, beyond all before it."""
        name = (said.ref,) if said.ref else (request.find("call-id") or "", str(request.cseq))
        text = blake2s(msgspec.msgpack.encode(said), digest_size=16).hexdigest()
        key = (said.cid, text, *name)
        known = self._known.get(key)
        if known is not None and known.until_s > self._loop.time():
            return known
        last = self._last.pop(said.cid, None)
        seq = to_us(now) // 1_000 if last is None else last + 1
        self._last[said.cid] = seq
        self._known.pop(key, None)
        found = self._known[key] = Known(self._loop.time() + self._config.again_s, seq, now)
        for held in (self._known, self._last):
            if len(held) > self._config.most_known:
                held.popitem(last=False)
        return found

    def _treated(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._status.in_flight = len(self._tasks)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._status.failed += 1
            log.error("an answer over SIP could not be given", exc_info=error)

    # --- answers

    def _answer(self, request: sip.Request, link: Link, answer: sip.Response) -> None:
        data = self._send(request, link, answer)
        known = self._transactions.get(sip.transaction_key(request))
        if known is not None:
            known.answer, known.until_s = data, self._loop.time() + self._config.life_s
            self._transactions.move_to_end(sip.transaction_key(request))

    def _send(self, request: sip.Request, link: Link, answer: sip.Response) -> bytes:
        count(self._status.answered, str(answer.status))
        data = answer.encode()
        link.send(data, sip.reply_address(request, link.source))
        return data

    def _tell(self, request: sip.Request, link: Link, body: bytes, insists: bool) -> None:
        """Sends `<mrs>` as a request of our own to whom the request is from, and again until it is acknowledged where it
        `insists`: a refusal is said once, so that who writes another's address into packets can't have us flood them."""
        branch = sip.MAGIC + secrets.token_hex(8)
        here, there = request.find("to") or "", request.find("from") or ""
        transport = "TCP" if link.is_reliable else "UDP"
        headers = [
            ("via", f"{sip.VERSION}/{transport} {sip.host_of(request.uri)};rport;branch={branch}"),
            ("max-forwards", "70"),
            ("from", f"<{sip.uri_of(here)}>;tag={sip.our_tag(request)}"),
            ("to", f"<{sip.uri_of(there)}>"),
            ("call-id", secrets.token_hex(12)),
            ("cseq", "1 MESSAGE"),
            ("content-type", xml.MEDIA_TYPE),
        ]
        uri = sip.uri_of(request.find("contact") or there)
        data = sip.Request("MESSAGE", uri, tuple(headers), body).encode()
        to = sip.reply_address(request, link.source)
        link.send(data, to)
        self._status.answers_sent += 1
        if len(self._outgoing) >= self._config.most_transactions:
            return  # sent once; a gateway that did not hear it asks again
        outgoing = self._outgoing[branch] = Outgoing(data, link, to)
        resends = resends_s(self._config.t1_s, 8 * self._config.t1_s) if insists and not link.is_reliable else ()
        for wait_s in resends:
            outgoing.timers.append(self._loop.call_later(wait_s, self._resend, branch))
        outgoing.timers.append(self._loop.call_later(self._config.life_s, self._give_up, branch))

    def _resend(self, branch: str) -> None:
        outgoing = self._outgoing[branch]
        self._status.answers_resent += 1
        outgoing.link.send(outgoing.data, outgoing.to)

    def _give_up(self, branch: str) -> None:
        self._settle(branch)
        self._status.answers_given_up += 1

    def _acknowledged(self, response: sip.Response) -> None:
        vias = sip.list_vias(response.headers)
        if response.status < 200 or not vias or vias[0].branch not in self._outgoing:
            return
        self._settle(vias[0].branch)
        if response.status < 300:
            self._status.answers_acknowledged += 1
        else:
            self._status.answers_given_up += 1

    def _settle(self, branch: str) -> None:
        for timer in self._outgoing.pop(branch).timers:
            timer.cancel()


def _phrase(error: sip.SipError) -> str:
    """What was wrong, in the place where SIP has a sentence for it."""
    return f"{sip.REASONS.get(error.status, 'Bad Request')} - {error.message}"[:120]
