"""One notice brought to all its recipients: the rules of `runtime.delivery` followed with timers, channels and the store."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import msgspec

from dongne.adapters.outbox.counts import Counts
from dongne.adapters.outbox.gate import Gate
from dongne.adapters.outbox.ledger import Ledger
from dongne.adapters.outbox.means import Means
from dongne.adapters.outbox.tracked import Tracked
from dongne.adapters.outbox.within import Within
from dongne.model.cases import CaseEvent
from dongne.model.notices import ATTEMPTED, DEAD, DISPATCH, FAILED, RECEIVED, REQUESTED, Notice, NoticeEvent, event_of
from dongne.model.records import RecordKind
from dongne.runtime.channels import Channel, Foreseeing, Message, Outcome, answers_of
from dongne.runtime.delivery import (
    BROKEN,
    CERTAIN,
    DISPATCH_CHANNEL,
    EXERCISE,
    ORIGIN,
    Line,
    Said,
    Way,
    is_over,
    is_reached,
    is_wanted,
    may_repeat,
    message_id,
    rank_of,
    rounds_of,
    undelivered_event,
    ways_of,
)
from dongne.runtime.ports import Entry

log = logging.getLogger(__name__)
MOOT = "nobody needs it any more"
LOOK_S = 30.0  # the end of quiet hours is looked at anew so often, as the city's clock may run faster
AFTER_FAULT_S = 5.0
FOLLOW_S = 30.0  # what goes on with another waits so long for that one
LONGEST_ERROR = 300
_encode = msgspec.msgpack.Encoder().encode


class Came(NamedTuple):
    """What came of an attempt for the rounds: `is_final` this way will never take it; `asked_s` the provider asks to wait."""

    ok: bool
    is_final: bool = False
    asked_s: float = 0.0


class Courier:
    """Serves notices; all methods run in one event loop. `find` gives what is tracked, `reload` brings one to what the store has."""

    def __init__(
        self, means: Means, ledger: Ledger, counts: Counts, *, now: Callable[[], datetime],
        find: Callable[[str], Tracked | None], reload: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._means, self._ledger, self._counts = means, ledger, counts
        self._channels, self._rules, self._ticks = means.channels, means.rules, means.ticks
        self._now, self._find, self._reload = now, find, reload
        rules = means.rules
        self._foreseeing = {
            name: channel for name, channel in means.channels.items() if isinstance(channel, Foreseeing)
        }
        self._recorded, self._sent = Within(rules.record_s), Within(rules.send_s)
        self._gates = {
            name: Gate(rules.dispatch_limit if name == DISPATCH_CHANNEL else rules.limit) for name in means.channels
        }

    def queued(self) -> dict[str, int]:
        """How many attempts wait for their turn, by channel."""
        return {name: gate.waiting for name, gate in self._gates.items()}

    async def serve(self, one: Tracked) -> None:
        """Until nothing more is to be done for it. A fault in the way never ends it, and is an undelivered notice."""
        while True:
            try:
                await self._serve(one)
                return
            except Exception as fault:  # an alarm is never lost to a mistake of ours
                log.exception("notice %s could not be served; tried again", one.notice.id)
                self._counts.faults += 1
                self._open_case(one, f"{type(fault).__name__}: {fault}"[:LONGEST_ERROR])
                await self._rest(one, AFTER_FAULT_S)

    async def _serve(self, one: Tracked) -> None:
        self._settle_broken(one)
        await self._hold_back(one)
        if is_over(one.notice):
            return
        if one.notice.to == DISPATCH and one.notice.exercise:
            self._take_exercise(one)
            return
        found = self._means.directory.find(one.notice, self._now())
        lines = [(line, ways) for line in found.lines if (ways := ways_of(line, one.notice, tuple(self._channels)))]
        if not lines:
            why = found.why or f"no way there is: {', '.join(sorted(_names(found.lines))) or 'no address'}"
            self._give_up(one, why)
            return
        if self._rules.is_in_turn(one.notice.to):
            await self._reach_in_turn(one, lines)
        elif len(lines) == 1:
            await self._reach(one, *lines[0])
        else:
            came = await asyncio.gather(*(self._reach(one, *line) for line in lines), return_exceptions=True)
            for fault in came:
                if isinstance(fault, BaseException):
                    raise fault
        if one.notice.state == REQUESTED:
            errors = [f"{name}: {why}" for name, why in one.obstacles.items()]
            errors += [f"{attempt.channel}: {attempt.error}" for attempt in one.notice.attempts if attempt.error]
            self._give_up(one, "; ".join(dict.fromkeys(reversed(errors)))[:LONGEST_ERROR] or "nobody could be reached")

    # --- before it is sent

    def _settle_broken(self, one: Tracked) -> None:
        """Attempts that the process which began them never ended: nobody knows what became of them."""
        for attempt in one.notice.attempts:
            if not attempt.outcome:
                self._counts.add("broken", attempt.channel)
                self._write(one, event_of(one.notice, FAILED, self._now(), attempt=attempt.number, error=BROKEN))

    async def _hold_back(self, one: Tracked) -> None:
        """Until quiet hours are over, and until what it goes on with was sent."""
        while not is_over(one.notice):
            until = self._rules.quiet_until(one.notice, self._now(), self._means.zone)
            if until is None:
                break
            one.is_held = True
            await self._rest(one, min(LOOK_S, max(0.001, (until - self._now()).total_seconds())))
        one.is_held = False
        end_s = self._ticks() + FOLLOW_S
        while one.notice.follows and (before := self._find(one.notice.follows)) is not None:
            left_s = end_s - self._ticks()
            if before.notice.state != REQUESTED or left_s <= 0:
                break
            await self._rest(before, left_s)

    def _take_exercise(self, one: Tracked) -> None:
        """Nothing of an exercise is ever sent to 119: it counts as received, so that the exercise goes on."""
        attempt = one.next_attempt
        begun = event_of(
            one.notice, ATTEMPTED, self._now(), attempt=attempt, channel=EXERCISE, recipient=DISPATCH, exercise=True
        )
        self._write(one, begun)
        self._write(
            one, event_of(one.notice, RECEIVED, self._now(), attempt=attempt, channel=EXERCISE, receipt=EXERCISE)
        )
        self._counts.add("receipts", EXERCISE)

    # --- recipients and ways

    async def _reach_in_turn(self, one: Tracked, lines: list[tuple[Line, list[Way]]]) -> None:
        for line, ways in lines:
            if not is_reached(one.notice, line.recipient):
                await self._reach(one, line, ways)
            if is_over(one.notice):
                return
            if is_reached(one.notice, line.recipient):
                if not one.notice.asks:
                    return
                await self._rest_until_over(one, self._rules.answer_s)

    async def _reach(self, one: Tracked, line: Line, ways: list[Way]) -> None:
        """Tries the ways of one recipient round by round, each not before its provider wants to be asked again."""
        rounds = rounds_of(one.notice, line.recipient, ways)
        not_before: dict[Way, float] = {}
        while ways and is_wanted(one.notice, line.recipient):
            ready = [way for way in ways if not_before.get(way, 0.0) <= self._ticks()]
            if not ready:
                left_s = min(not_before.values()) - self._ticks()
                await self._rest_until_unwanted(one, line.recipient, left_s)
                continue
            came = await self._round(one, line, ready)
            if any(one_way.ok for one_way in came.values()) or not is_wanted(one.notice, line.recipient):
                return
            rounds += 1
            if one.notice.to == DISPATCH:  # somebody must know at once, and it is tried on
                self._open_case(one, next((a.error for a in reversed(one.notice.attempts) if a.error), ""))
            else:
                ways = [way for way in ways if not (way in came and came[way].is_final)]
            if self._rules.is_over(one.notice, rounds, self._now()):
                return
            for way, one_way in came.items():
                asked_s = min(one_way.asked_s, self._rules.longest_wait_s(one.notice.to))
                not_before[way] = self._ticks() + asked_s
            await self._rest_until_unwanted(one, line.recipient, self._rules.wait_s(one.notice.to, rounds))

    async def _round(self, one: Tracked, line: Line, ways: list[Way]) -> dict[Way, Came]:
        """One after the other, the next when the one before has failed or has no receipt in time; ends with the first receipt, or
        when all have failed."""
        if len(ways) == 1:
            if one.notice.to != DISPATCH:
                await asyncio.sleep(0)  # as a task would: people are tried in their order
            return {ways[0]: await self._attempt(one, line, ways[0])}
        running: dict[asyncio.Task[Came], Way] = {}
        came: dict[Way, Came] = {}
        for way in ways:
            task = asyncio.get_running_loop().create_task(self._attempt(one, line, way))
            running[task] = way
            one.tasks.add(task)
            last = way == ways[-1]
            if await self._first_ok(running, came, None if last else self._rules.failover_s):
                break
        return came

    async def _first_ok(
        self, running: dict[asyncio.Task[Came], Way], came: dict[Way, Came], within_s: float | None
    ) -> bool:
        """Whether one of them was received within the time; False as soon as all have failed."""
        end_s = None if within_s is None else self._ticks() + within_s
        while running:
            left_s = None if end_s is None else end_s - self._ticks()
            if left_s is not None and left_s <= 0:
                return False
            done, _ = await asyncio.wait(running, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                came[running.pop(task)] = task.result()
            if any(one_way.ok for one_way in came.values()):
                return True
        return False

    # --- one attempt

    async def _attempt(self, one: Tracked, line: Line, way: Way) -> Came:
        """Durable before it is sent; what came of it is written behind it. None is made where it is known that nothing would arrive."""
        gate, foreseeing = self._gates[way.channel], self._foreseeing.get(way.channel)
        if foreseeing is not None and (obstacle := foreseeing.find_obstacle(way.address)):
            one.obstacles[way.channel] = obstacle
            return Came(False)
        await gate.enter(rank_of(one.notice))
        try:
            return await self._attempt_inside(one, line, way, gate)
        finally:
            gate.leave()

    async def _attempt_inside(self, one: Tracked, line: Line, way: Way, gate: Gate) -> Came:
        if not is_wanted(one.notice, line.recipient):
            return Came(False)
        number, is_first = one.next_attempt, not one.notice.attempts
        repeat = may_repeat(one.notice, line.recipient, way.channel)
        begun = event_of(
            one.notice,
            ATTEMPTED,
            self._now(),
            attempt=number,
            channel=way.channel,
            recipient=line.recipient,
            repeat=repeat,
        )
        await self._written(self._write(one, begun), rank_of(one.notice))
        if is_first:
            self._counts.first_attempt((self._now() - one.notice.requested).total_seconds())
        if not is_wanted(one.notice, line.recipient):
            self._settle(one, number, way, Outcome(ok=False, error=MOOT, is_final=True))
            return Came(False)
        self._counts.add("attempts", way.channel)
        if repeat:
            self._counts.add("repeats", way.channel)
        outcome = await self._send(self._channels[way.channel], self._message(one.notice, line, way, repeat))
        gate.went(well=outcome.ok or _is_refused(outcome))
        self._settle(one, number, way, outcome)
        return Came(outcome.ok, outcome.is_final, outcome.retry_after_s or 0.0)

    async def _written(self, future: "asyncio.Future[int]", rank: int) -> None:
        """Until it is durable. What is urgent goes out all the same where the store can't write, or takes too long: better twice
        than never. It is written as soon as that is possible."""
        if rank > 1:
            await future
            return
        if not self._ledger.is_stuck:
            await self._recorded.ended(future)
        if not future.done():
            self._counts.sent_unrecorded += 1

    async def _send(self, channel: Channel, message: Message) -> Outcome:
        sending: asyncio.Task[Outcome] = asyncio.get_running_loop().create_task(channel.send(message))
        try:
            is_done = await self._sent.ended(sending)
        except asyncio.CancelledError:
            sending.cancel()
            raise
        if not is_done:
            sending.cancel()  # not waited for: a channel that hangs holds up nobody
            return Outcome(ok=False, error=f"no end within {self._rules.send_s:g} s")
        try:
            return sending.result()
        except Exception as fault:
            log.exception("channel %s raised, which it never should", channel.name)
            self._counts.faults += 1
            return Outcome(ok=False, error=f"{type(fault).__name__}: {fault}"[:LONGEST_ERROR])

    def _message(self, notice: Notice, line: Line, way: Way, repeat: bool) -> Message:
        said = self._say(notice, line.language)
        url = (
            self._means.answer_url(notice, line.recipient, way.channel) if notice.asks and notice.to != DISPATCH else ""
        )
        return Message(
            id=message_id(self._means.city, notice, line.recipient, way.channel), to=way.address, subject=said.subject,
            text=said.text, language=line.language, urgent=notice.urgent, exercise=notice.exercise, asks=notice.asks,
            answers=answers_of(notice), answer_url=url, values=notice.values, repeat=repeat, notice=notice,
        )  # fmt: skip

    def _say(self, notice: Notice, language: str) -> Said:
        try:
            return self._means.render(notice, language)
        except Exception:  # a text that can't be filled in must not keep anybody from hearing of it
            log.exception("notice %s can't be put into words", notice.id)
            self._counts.faults += 1
            return Said(notice.name, notice.name.replace("_", " "))

    # --- what is written down

    def _settle(self, one: Tracked, number: int, way: Way, outcome: Outcome) -> None:
        if outcome.ok:
            event = event_of(
                one.notice, RECEIVED, self._now(), attempt=number, channel=way.channel, receipt=outcome.receipt[:200]
            )
        else:
            error = f"{CERTAIN if _is_refused(outcome) else ''}{outcome.error}"[:LONGEST_ERROR]
            event = event_of(one.notice, FAILED, self._now(), attempt=number, channel=way.channel, error=error)
        self._counts.add("receipts" if outcome.ok else "failures", way.channel)
        self._write(one, event, can_wait=True)

    def _give_up(self, one: Tracked, error: str) -> None:
        log.warning("notice %s (%s to %s) reached nobody: %s", one.notice.id, one.notice.name, one.notice.to, error)
        self._counts.dead[one.notice.to if one.notice.to == DISPATCH else one.notice.to.partition(":")[0]] += 1
        self._open_case(one, error)  # before it, so that no crash leaves a dead notice without one
        self._write(one, event_of(one.notice, DEAD, self._now(), error=error))

    def _open_case(self, one: Tracked, error: str) -> None:
        if one.has_case:
            return
        one.has_case = True
        event: CaseEvent = undelivered_event(one.notice, self._now(), error)
        self._ledger.write(
            [Entry(RecordKind.CASE, _encode(event), origin=ORIGIN, cause=one.notice.id)], rank_of(one.notice)
        )

    def _write(self, one: Tracked, event: NoticeEvent, *, can_wait: bool = False) -> "asyncio.Future[int]":
        one.take(event)
        entry = Entry(RecordKind.NOTICE, _encode(event), origin=ORIGIN, cause=one.notice.id)
        (future,) = self._ledger.write([entry], rank_of(one.notice), can_wait=can_wait)

        def written(done: "asyncio.Future[int]") -> None:
            one.written(event)
            if not done.cancelled() and not done.result():  # it changed nothing: others were quicker
                self._reload(one.notice.key)

        future.add_done_callback(written)
        return future

    # --- waiting

    async def _rest(self, one: Tracked, within_s: float) -> None:
        """Until something changes, or the time is over."""
        one.changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await one.changed.wait()

    async def _rest_until_over(self, one: Tracked, within_s: float) -> None:
        end_s = self._ticks() + within_s
        while not is_over(one.notice) and (left_s := end_s - self._ticks()) > 0:
            await self._rest(one, left_s)

    async def _rest_until_unwanted(self, one: Tracked, recipient: str, within_s: float) -> None:
        end_s = self._ticks() + within_s
        while is_wanted(one.notice, recipient) and (left_s := end_s - self._ticks()) > 0:
            await self._rest(one, left_s)


def _is_refused(outcome: Outcome) -> bool:
    """Whether the provider said so: it has surely not taken it."""
    return outcome.is_final or outcome.retry_after_s is not None


def _names(lines: tuple[Line, ...]) -> set[str]:
    return {way.channel for line in lines for way in line.ways}
