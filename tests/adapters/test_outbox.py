"""The outbox on a real store: who is told, by which way, in which order, and what is known of it afterwards."""

import asyncio
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.adapters.outbox_bench import (
    FAILED,
    GONE,
    QUICK,
    ZONE,
    Clock,
    Line,
    ask,
    notice_when,
    now,
    opened,
    outbox,
    step,
    until,
)

from dongne.adapters.outbox.ledger import Ledger
from dongne.adapters.outbox.within import Within
from dongne.model.duty import Member
from dongne.model.errors import RetryLater
from dongne.model.notices import ATTEMPTED, DEAD, RECEIVED, REQUESTED, Notice, NoticeEvent, event_of
from dongne.model.records import RecordKind
from dongne.runtime.channels import Message, Outcome
from dongne.runtime.delivery import Found, Said, is_reached
from dongne.runtime.ports import CaseFilter, Entry, Lane, Transaction
from dongne.stores.embedded import EmbeddedStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened_store = opened(tmp_path)
    yield opened_store
    opened_store.close()


def test_what_is_requested_is_attempted_and_received(store: EmbeddedStore) -> None:
    dispatch = Line("dispatch")
    sender = outbox(store, dispatch)
    sender.start()
    key = ask(store, to="119", urgent=True)
    notice = notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()
    (attempt,) = notice.attempts
    assert (attempt.channel, attempt.recipient, attempt.outcome, attempt.receipt) == (
        "dispatch",
        "119",
        RECEIVED,
        "dispatch-1",
    )
    assert not attempt.repeat
    (message,) = dispatch.got
    assert message.notice is not None and message.notice.key == key
    assert "toy" not in message.id and len(message.id) == 32


def test_what_was_requested_before_the_start_is_sent(store: EmbeddedStore) -> None:
    key = ask(store, to="119")
    dispatch = Line("dispatch")
    sender = outbox(store, dispatch)
    sender.start()
    notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()
    assert len(dispatch.got) == 1


def test_an_outbox_that_cannot_find_what_is_pending_does_not_start_as_if_nothing_were(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ask(store, to="119", urgent=True)
    with monkeypatch.context() as broken:
        broken.setattr(store, "list_notices", lambda which: {}["a mistake"])
        with pytest.raises(KeyError):
            outbox(store, Line("dispatch")).start()
    sender = outbox(store, Line("dispatch"))
    sender.start()
    notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()


def test_what_comes_behind_a_record_that_cannot_be_looked_at_is_sent(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = outbox(store, Line("dispatch"))
    sender.start()
    first = ask(store, to="119", urgent=True)
    notice_when(store, first, lambda one: one.state == RECEIVED)
    with monkeypatch.context() as broken:
        broken.setattr(sender, "_reload", lambda key: {}["a mistake"])
        step(store, first, "answered", answer="acknowledged", by="desk")
        until(lambda: sender.counts.faults == 1)
    second = ask(store, "2", to="119", urgent=True)
    notice_when(store, second, lambda one: one.state == RECEIVED)
    sender.close()


def test_an_attempt_broken_off_is_made_again_under_the_same_identifier_and_counted(store: EmbeddedStore) -> None:
    key = ask(store, to="119", urgent=True)
    hanging = Line("dispatch", None)
    sender = outbox(store, hanging)
    sender.start()
    (first,) = hanging.wait(1)
    sender.close()
    (attempt,) = notice_when(store, key, lambda one: True).attempts
    assert attempt.outcome == ""
    again = Line("dispatch")
    sender = outbox(store, again)
    sender.start()
    notice = notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()
    (second,) = again.got
    assert second.id == first.id and second.repeat and not first.repeat
    assert [(one.outcome, one.repeat) for one in notice.attempts] == [("failed", False), ("received", True)]
    assert notice.repeats == 1 == sender.counts.by_channel["repeats", "dispatch"]


def test_each_guardian_is_told_and_the_next_way_is_tried_where_one_fails(store: EmbeddedStore) -> None:
    sms, mail, push = Line("sms", FAILED), Line("mail"), Line("push", GONE)
    sender = outbox(store, sms, mail, push)
    sender.start()
    key = ask(store, urgent=True)
    reached = {"guardian:d", "guardian:s"}
    notice = notice_when(
        store, key, lambda one: {a.recipient for a in one.attempts if a.outcome == RECEIVED} == reached
    )
    sender.close()
    ways = [(a.recipient, a.channel, a.outcome) for a in notice.attempts]
    assert next(way for way in ways if way[0] == "guardian:s")[1:] == ("push", "failed")
    assert notice.state == RECEIVED and len(ways) == 4
    assert len({message.id for line in (sms, mail, push) for message in line.got}) == 4


def test_a_channel_that_hangs_is_overtaken_by_the_next(store: EmbeddedStore) -> None:
    sms, mail = Line("sms", None), Line("mail")
    sender = outbox(store, sms, mail)
    sender.start()
    key = ask(store, urgent=True)
    notice = notice_when(store, key, lambda one: sum(a.outcome == RECEIVED for a in one.attempts) == 2)
    sender.close()
    assert {a.channel: a.outcome for a in notice.attempts if a.recipient == "guardian:d"} == {
        "sms": "",
        "mail": RECEIVED,
    }


def test_what_reaches_nobody_is_dead_and_a_case_of_its_own(store: EmbeddedStore) -> None:
    sms = Line("sms", *[FAILED] * 100)
    sender = outbox(store, sms)
    sender.start()
    key = ask(store, urgent=True)
    notice = notice_when(store, key, lambda one: one.state == DEAD)
    sender.close()
    (case,) = store.list_cases(CaseFilter(kind="undelivered"))
    assert (case.priority, case.values["notice"], case.thing) == (0, key, 1)
    assert len(notice.attempts) == 2 * QUICK.rounds
    assert "500" in notice.error
    assert sender.status()["dead"] == {"guardian": 1}


def test_nobody_to_tell_is_said_at_once(store: EmbeddedStore) -> None:
    sender = outbox(store, Line("sms"))
    sender.start()
    key = ask(store, to="nurse")
    assert notice_when(store, key, lambda one: one.state == DEAD).error == "there is no nurse"
    sender.close()
    (case,) = store.list_cases(CaseFilter(kind="undelivered"))
    assert case.priority == 2


def test_119_is_never_given_up_and_the_case_is_opened_when_the_first_round_failed(store: EmbeddedStore) -> None:
    dispatch = Line("dispatch", *[FAILED] * 20)
    sender = outbox(store, dispatch)
    sender.start()
    key = ask(store, to="119", urgent=True)
    notice = notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()
    assert len(notice.attempts) == 21
    assert len({message.id for message in dispatch.got}) == 1
    (case,) = store.list_cases(CaseFilter(kind="undelivered"))
    assert case.priority == 0


def test_what_was_taken_back_is_not_sent_again(store: EmbeddedStore) -> None:
    dispatch = Line("dispatch", *[FAILED] * 3, None)
    sender = outbox(store, dispatch)
    sender.start()
    key = ask(store, to="119", urgent=True)
    dispatch.wait(4)
    step(store, key, "withdrawn")
    sender.close()
    again = Line("dispatch")
    sender = outbox(store, again)
    sender.start()
    notice_when(store, key, lambda one: one.unsettled is None)
    sender.close()
    assert not again.got


def test_an_exercise_never_reaches_119_and_goes_on(store: EmbeddedStore) -> None:
    dispatch, sms = Line("dispatch"), Line("sms")
    sender = outbox(store, dispatch, sms)
    sender.start()
    key = ask(store, to="119", urgent=True, exercise=True, channels=("dispatch",))
    notice = notice_when(store, key, lambda one: one.state == RECEIVED)
    told = ask(store, "2", urgent=True, exercise=True)
    notice_when(store, told, lambda one: one.state == RECEIVED)
    sender.close()
    assert notice.attempts[0].channel == "exercise" and not dispatch.got
    assert all(message.exercise for message in sms.got)


def test_quiet_hours_hold_back_what_is_not_urgent_and_nothing_else(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock)
    local = now(store).astimezone(ZONE)
    to_evening_s = ((22 - local.hour) % 24) * 3600
    clock.ahead_us = to_evening_s * 1_000_000
    sms, rules = Line("sms"), msgspec.structs.replace(QUICK, quiet_to="08:00")
    sender = outbox(store, sms, rules=rules)
    sender.start()
    calm = ask(store, "calm")
    urgent = ask(store, "urgent", urgent=True)
    notice_when(store, urgent, lambda one: one.state == RECEIVED)
    assert sender.status()["held"] == 1
    assert store.find_notice(calm).attempts == ()  # type: ignore[union-attr]
    sender.close()
    clock.ahead_us += 11 * 3_600_000_000
    sender = outbox(store, sms, rules=rules)
    sender.start()
    notice_when(store, calm, lambda one: one.state == RECEIVED)
    sender.close()
    store.close()


def test_a_hanging_channel_holds_up_neither_others_nor_119(store: EmbeddedStore) -> None:
    rules = msgspec.structs.replace(QUICK, failover_s=60.0, limit=2)
    sms, dispatch = Line("sms", *[None] * 40), Line("dispatch")
    sender = outbox(store, sms, dispatch, rules=rules)
    sender.start()
    for n in range(20):
        ask(store, f"calm {n}", urgent=True)
    key = ask(store, "fire", to="119", urgent=True)
    notice_when(store, key, lambda one: one.state == RECEIVED)
    assert sender.status()["queued"]["sms"] > 10
    sender.close()


def test_an_answer_ends_it_also_before_the_next_way(store: EmbeddedStore) -> None:
    rules = msgspec.structs.replace(QUICK, retry_s=(60.0,), rounds=5)
    sms, mail = Line("sms", FAILED, FAILED), Line("mail", FAILED)
    sender = outbox(store, sms, mail, rules=rules)
    sender.start()
    key = ask(store, urgent=True, asks=True)
    notice_when(store, key, lambda one: len(one.attempts) == 3 and one.unsettled is None)
    step(store, key, "answered", answer="fine", by="guardian:d", channel="voice")
    until(lambda: sender.status()["pending"] == 0)
    sender.close()
    assert len(sms.got) + len(mail.got) == 3
    assert sender.counts.by_channel["answers", "voice"] == 1


def test_a_disk_that_is_full_keeps_nobody_from_119(store: EmbeddedStore) -> None:
    """SQLITE_FULL between the request and the attempt: it is sent first, and written down as soon as there is space."""
    rules = msgspec.structs.replace(QUICK, record_s=0.2)
    key, calm = ask(store, to="119", urgent=True), ask(store, "calm")
    (pages,) = store._truth.rows("pragma page_count")[0]
    store._truth.set_max_pages(pages)
    filled = False
    while not filled:  # what is left of the last pages
        try:
            ask(store, f"fill {store.head()}", to="nurse", values={"x": "y" * 3000})
        except RetryLater:
            filled = True
    dispatch, sms = Line("dispatch"), Line("sms")
    sender = outbox(store, dispatch, sms, rules=rules)
    sender.start()
    dispatch.wait(1)
    until(lambda: sender.status()["unwritten"] > 0)
    assert sender.counts.sent_unrecorded >= 1
    assert not sms.got  # what is not urgent waits until it can be written down
    store._truth.set_max_pages(0)
    notice = notice_when(store, key, lambda one: one.state == RECEIVED)
    notice_when(store, calm, lambda one: one.state == RECEIVED)
    until(lambda: sender.status()["unwritten"] == 0)
    sender.close()
    assert len(notice.attempts) == 1 == len(dispatch.got)


def test_a_channel_that_raises_is_a_failed_attempt_and_counted(store: EmbeddedStore) -> None:
    class Raising(Line):
        async def send(self, message: Message) -> Outcome:
            await super().send(message)
            raise RuntimeError("a mistake")

    sms, mail = Raising("sms"), Line("mail")
    sender = outbox(store, sms, mail)
    sender.start()
    key = ask(store, urgent=True)
    notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()
    assert sender.counts.faults >= 1


def test_a_text_that_cannot_be_filled_in_does_not_keep_119_from_hearing(store: EmbeddedStore) -> None:
    def broken(notice: Notice, language: str) -> Said:
        raise KeyError("raised")

    dispatch = Line("dispatch")
    sender = outbox(store, dispatch, render=broken)
    sender.start()
    key = ask(store, to="119", urgent=True)
    notice_when(store, key, lambda one: one.state == RECEIVED)
    sender.close()
    assert dispatch.got[0].text == "help"


def test_a_directory_with_a_mistake_is_tried_again_and_says_so_in_a_case(store: EmbeddedStore) -> None:
    class Broken:
        def find(self, notice: Notice, at: datetime) -> Found:
            raise RuntimeError("a mistake")

    sender = outbox(store, Line("sms"), directory=Broken())
    sender.start()
    key = ask(store, urgent=True)
    until(lambda: bool(store.list_cases(CaseFilter(kind="undelivered"))))
    assert sender.status()["pending"] == 1
    sender.close()
    assert store.list_cases(CaseFilter(kind="undelivered"))[0].values["notice"] == key


def test_what_goes_on_with_an_alarm_waits_for_it(store: EmbeddedStore) -> None:
    dispatch = Line("dispatch", FAILED, FAILED, FAILED)
    sender = outbox(store, dispatch)
    sender.start()
    first = ask(store, "1", to="119", urgent=True)
    second = ask(store, "2", to="119", urgent=True, follows=first, ends=True)
    notice_when(store, second, lambda one: one.state == RECEIVED)
    sender.close()
    told = [message.notice.key for message in dispatch.got if message.notice is not None]
    assert told == [first] * 4 + [second]


def test_who_is_on_duty_is_told_one_after_the_other_until_somebody_answers(store: EmbeddedStore) -> None:
    person = Member(id="kim", name="Kim", addresses=(("sms", "+821"),))
    other = Member(id="lee", name="Lee", addresses=(("sms", "+822"),))
    third = Member(id="choi", name="Choi", addresses=(("sms", "+823"),))

    class OnDuty:
        def find_on_duty(self, unit_id: str, at: datetime) -> tuple[str, list[Member]]:
            return unit_id, [person, other, third]

    rules = msgspec.structs.replace(QUICK, answer_s=0.3)
    sms = Line("sms")
    sender = outbox(store, sms, rules=rules, duty=OnDuty())
    sender.start()
    key = ask(store, to="unit:responders", urgent=True, asks=True)
    sms.wait(2)
    step(store, key, "answered", answer="acknowledged", by="lee", channel="sms")
    until(lambda: sender.status()["tracked"] == 0)
    sender.close()
    assert [message.to for message in sms.got] == ["+821", "+822"]


def test_a_provider_that_asks_to_wait_is_waited_for_and_the_next_way_is_tried_meanwhile(store: EmbeddedStore) -> None:
    busy = Outcome(ok=False, error="503", retry_after_s=0.4)
    sms, mail = Line("sms", busy, busy), Line("mail", *[FAILED] * 500)
    rules = msgspec.structs.replace(QUICK, rounds=500)
    sender = outbox(store, sms, mail, rules=rules)
    sender.start()
    key = ask(store, urgent=True)
    notice = notice_when(store, key, lambda one: is_reached(one, "guardian:d"))
    sender.close()
    first, second = [a for a in notice.attempts if a.channel == "sms" and a.recipient == "guardian:d"][:2]
    assert (second.begun - first.begun).total_seconds() >= 0.4
    assert not second.repeat  # it was refused, so that it can't have arrived


@pytest.mark.parametrize("seed", range(8))
def test_each_notice_ends_received_or_dead_with_a_case_whatever_the_channels_do(tmp_path: Path, seed: int) -> None:
    """Channels that fail, hang, refuse or lose an answer by chance, with an outbox that is closed and started again."""
    chance, store = random.Random(seed), opened(tmp_path)

    def plan(n: int) -> list[Outcome | None]:
        kinds = [FAILED, GONE, None, Outcome(ok=True), Outcome(ok=False, error="503", retry_after_s=0.01)]
        return [chance.choice(kinds) for _ in range(n)]

    rules = msgspec.structs.replace(QUICK, send_s=0.05, failover_s=0.02)
    keys = []
    for turn in range(3):
        lines = [Line("sms", *plan(20)), Line("mail", *plan(20)), Line("dispatch", *plan(8))]
        sender = outbox(store, *lines, rules=rules)
        sender.start()
        for n in range(6):
            to = chance.choice(["119", "guardian", "nurse"])
            keys.append(ask(store, f"{turn} {n}", to=to, urgent=chance.random() < 0.5))
        if turn < 2 and chance.random() < 0.5:
            lines[0].got.clear()
        elif turn == 2:
            until(lambda: sender.status()["tracked"] == 0)  # noqa: B023
        sender.close()
    cases = {case.values["notice"] for case in store.list_cases(CaseFilter(kind="undelivered"))}
    for key in keys:
        notice = notice_when(store, key, lambda one: True)
        assert notice.state == RECEIVED or (notice.state == DEAD and key in cases and notice.to != "119"), notice
        assert notice.unsettled is None
    store.close()


def test_119_goes_first_also_where_it_was_asked_for_last(store: EmbeddedStore) -> None:
    """Of what comes together: its attempt is begun and written down before the others'."""
    sms, dispatch = Line("sms"), Line("dispatch")
    began: list[str] = []
    sms_send, dispatch_send = sms.send, dispatch.send

    async def noted(message: Message, send: Any, name: str) -> Outcome:
        began.append(name)
        outcome: Outcome = await send(message)
        return outcome

    sms.send = lambda message: noted(message, sms_send, "sms")  # type: ignore[method-assign]
    dispatch.send = lambda message: noted(message, dispatch_send, "119")  # type: ignore[method-assign]
    sender = outbox(store, sms, dispatch)
    sender.start()
    events = [
        NoticeEvent(
            key=f"toy/1/help/{n}", action=REQUESTED, name="help", time=now(store), thing=1, service="toy",
            to="119" if n == 9 else "guardian", urgent=n > 4,
        )
        for n in range(10)
    ]  # fmt: skip
    entries = [Entry(RecordKind.NOTICE, msgspec.msgpack.encode(event)) for event in events]
    store.submit(Transaction(entries), Lane.LIFE_SAFETY).result(10)
    for event in events:
        notice_when(store, event.key, lambda one: one.state == RECEIVED)
    sender.close()
    assert began[0] == "119"


def test_what_is_written_together_is_written_by_rank_and_each_notice_in_its_order(store: EmbeddedStore) -> None:
    async def write() -> list[int]:
        ledger = Ledger(store)
        keys = [ask(store, name) for name in "abc"]

        def entry(key: str, n: int) -> Entry:
            found = store.find_notice(key)
            assert found is not None
            event = event_of(found, ATTEMPTED, now(store), attempt=n, channel="sms", recipient="guardian:d")
            return Entry(RecordKind.NOTICE, msgspec.msgpack.encode(event))

        a, b, c = keys
        told = ledger.write([entry(a, 1)], 2)
        told += ledger.write([entry(b, 1), entry(b, 2)], 2) + ledger.write([entry(c, 1), entry(c, 2)], 0)
        assert ledger.unwritten == 5
        numbers = [await one for one in told]
        assert ledger.unwritten == 0
        return numbers

    a1, b1, b2, c1, c2 = asyncio.run(write())
    assert 0 < c1 < c2 < a1 < b1 < b2


class Screen(Line):
    """A channel that knows whether anything would arrive."""

    obstacle = "it is off"

    def find_obstacle(self, to: str) -> str:
        return self.obstacle


def test_what_would_not_arrive_is_not_attempted_and_is_when_it_would(store: EmbeddedStore) -> None:
    screen = Screen("sms")
    sender = outbox(store, screen)
    sender.start()
    lost = notice_when(store, ask(store, "lost"), lambda one: one.state == DEAD)
    assert lost.attempts == () and "sms: it is off" in lost.error
    screen.obstacle = ""
    reached = notice_when(store, ask(store, "reached"), lambda one: one.state == RECEIVED)
    sender.close()
    assert reached.attempts and all(message.notice and message.notice.key == reached.key for message in screen.got)


def test_what_can_wait_goes_along_with_what_can_not_and_is_written_alone_too(store: EmbeddedStore) -> None:
    async def write() -> list[int]:
        ledger = Ledger(store)
        begun, other = (found for name in "ab" if (found := store.find_notice(ask(store, name))) is not None)

        def entry(notice: Notice, action: str) -> Entry:
            event = event_of(notice, action, now(store), attempt=1, channel="sms", recipient="guardian:d")
            return Entry(RecordKind.NOTICE, msgspec.msgpack.encode(event))

        first = ledger.write([entry(begun, ATTEMPTED)])
        await first[0]
        commits = store.counts()["commits"]
        along = ledger.write([entry(begun, RECEIVED)], can_wait=True) + ledger.write([entry(other, ATTEMPTED)])
        numbers = [await one for one in along]
        assert store.counts()["commits"] == commits + 1
        return [*numbers, await ledger.write([entry(other, RECEIVED)], can_wait=True)[0]]

    assert all(asyncio.run(write()))


def test_many_are_waited_for_with_a_time_for_each() -> None:
    async def wait() -> list[bool]:
        within = Within(0.02)
        loop = asyncio.get_running_loop()
        never, soon, failed = (loop.create_future() for _ in range(3))
        loop.call_later(0.005, soon.set_result, None)
        loop.call_later(0.005, failed.set_exception, OSError())
        came = await asyncio.gather(*(within.ended(one) for one in (never, soon, failed)))
        came.append(await within.ended(soon))  # it has ended before
        later = within.ended(never)  # after the timer has rung it rings again
        assert isinstance(failed.exception(), OSError)
        return [*came, await later]

    assert asyncio.run(wait()) == [False, True, True, True, False]
