"""The screen at home as a way to people: arrived when it was shown, and no wait where no screen is on."""

import asyncio
from datetime import UTC, datetime

from dongne.adapters.channels.screen import ON_S, ScreenBoard, ScreenChannel
from dongne.model.notices import Notice
from dongne.runtime.channels import Message

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
NOTICE = Notice(
    id=1, key="home_alarm/17/ask/1", name="ask", to="resident", state="requested", requested=NOON, changed=NOON
)
MESSAGE = Message(id="1", to="17", subject="", text="", notice=NOTICE)


class HandClock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_it_has_arrived_when_the_page_has_shown_it() -> None:
    board = ScreenBoard()

    async def both() -> None:
        board.note_on(17)
        sending = asyncio.create_task(ScreenChannel(board, wait_s=5.0).send(MESSAGE))
        board.note_shown(NOTICE.key)
        outcome = await sending
        assert outcome.ok and outcome.receipt == "shown"

    asyncio.run(both())


def test_a_screen_that_is_on_and_shows_nothing_has_not_got_it() -> None:
    board = ScreenBoard()
    board.note_on(17)
    board.note_shown("another/17/ask/1")
    outcome = asyncio.run(ScreenChannel(board, wait_s=0.05).send(MESSAGE))
    assert not outcome.ok and "did not show it" in outcome.error


def test_without_a_screen_the_next_way_is_tried_at_once() -> None:
    clock = HandClock()
    board = ScreenBoard(clock)
    channel = ScreenChannel(board, wait_s=60.0)
    assert asyncio.run(channel.send(MESSAGE)).error == "no screen is on at this home"
    board.note_on(17)
    clock.s += ON_S + 1
    assert asyncio.run(channel.send(MESSAGE)).error == "no screen is on at this home"
