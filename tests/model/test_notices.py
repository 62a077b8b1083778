"""A notice: attempts, the provider's receipt and a person's answer are three things."""

from datetime import UTC, datetime, timedelta

import pytest

from dongne.model.errors import BadInput, Conflict
from dongne.model.notices import Notice, NoticeEvent, apply_notice_event, check_to, event_of

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ASKED = NoticeEvent(
    key="home_alarm/7/ask/1", action="requested", name="ask", time=NOON, thing=7, service="home_alarm", to="resident",
    asks=True,
)  # fmt: skip


def applied(notice: Notice | None, event: NoticeEvent, number: int = 9) -> Notice:
    after = apply_notice_event(notice, event, number)
    assert after is not None
    return after


def requested() -> Notice:
    return applied(None, ASKED, 5)


def step(notice: Notice, action: str, after_s: int, **more: object) -> Notice:
    return applied(notice, event_of(notice, action, NOON + timedelta(seconds=after_s), **more))


def test_what_is_requested_twice_is_requested_once() -> None:
    assert apply_notice_event(requested(), ASKED, 6) is None


def test_a_receipt_is_no_answer() -> None:
    notice = step(requested(), "attempted", 1, attempt=1, channel="sms", recipient="+82 10")
    assert notice.unsettled is not None
    notice = step(notice, "received", 2, attempt=1, receipt="abc")
    assert (notice.state, notice.answers, notice.unsettled) == ("received", (), None)
    notice = step(notice, "answered", 30, answer="fine", by="resident", channel="sms")
    assert (notice.state, notice.answers[0].answer) == ("answered", "fine")


def test_a_second_answer_is_kept_beside_the_first() -> None:
    notice = step(step(requested(), "answered", 5, answer="fine"), "answered", 9, answer="help")
    assert [answer.answer for answer in notice.answers] == ["fine", "help"]


def test_an_outcome_told_twice_counts_once() -> None:
    notice = step(requested(), "attempted", 1, attempt=1, channel="sms", recipient="a")
    notice = step(notice, "failed", 2, attempt=1, error="busy")
    assert apply_notice_event(notice, event_of(notice, "received", NOON, attempt=1), 12) is None


def test_what_was_received_is_never_given_up() -> None:
    notice = step(requested(), "attempted", 1, attempt=1, channel="sms", recipient="a")
    notice = step(notice, "received", 2, attempt=1)
    assert apply_notice_event(notice, event_of(notice, "dead", NOON), 12) is None


def test_an_answer_counts_also_after_it_was_given_up() -> None:
    notice = step(step(requested(), "dead", 60, error="nobody"), "answered", 90, answer="acknowledged")
    assert notice.state == "answered"


def test_a_repeat_is_counted() -> None:
    notice = step(requested(), "attempted", 1, attempt=1, channel="dispatch", recipient="119")
    notice = step(notice, "attempted", 9, attempt=2, channel="dispatch", recipient="119", repeat=True)
    assert notice.repeats == 1


def test_attempts_are_numbered_one_after_the_other() -> None:
    with pytest.raises(Conflict, match="attempt 2 of notice 5"):
        step(requested(), "attempted", 1, attempt=2)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (event_of(requested(), "answered", NOON, answer="perhaps"), "'perhaps' is no answer"),
        (event_of(requested(), "eaten", NOON), "'eaten' is no step"),
    ],
)
def test_what_nobody_knows_is_refused_by_name(event: NoticeEvent, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        apply_notice_event(requested(), event, 9)


def test_a_notice_to_nobody_is_refused() -> None:
    with pytest.raises(BadInput, match="'mayor' is none of them"):
        check_to("mayor")
    check_to("unit:care")
