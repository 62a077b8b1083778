"""The channel "dispatch": a notice to 119 goes to the first desk that takes it, and what follows on it to all desks, as an
answer that was lost may have left the alarm with more than one.

Nothing of an exercise is ever sent: it is refused here too, before a connection is opened, whatever others have refused.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import tzinfo
from typing import Protocol

from dongne.adapters.dispatch.desk import Came, Desk, DeskLine
from dongne.model.errors import BadInput
from dongne.model.notices import Notice
from dongne.runtime.channels import Message, Outcome
from dongne.standards.cap.message import Status
from dongne.standards.dispatch import body
from dongne.standards.dispatch.alarm import DispatchHome, Says
from dongne.standards.dispatch.build import build_dispatch, status_of
from dongne.standards.dispatch.noticed import alarm_of

EXERCISE = "an exercise is never told to 119"
UNKNOWN_HOME = DispatchHome(properties={}, point=None)  # whoever answers the call-back number may know more
MOST_EARLIER = 100
SHUNNED_S = 30.0  # a desk that failed is asked after the others for so long


class Directory(Protocol):
    """What the channel must know of homes and notices."""

    def find_home(self, thing: int) -> DispatchHome | None:
        """The home as a control centre may know it now: consent is looked at for each message."""

    def find_notice(self, key: str) -> Notice | None:
        """A notice that another one follows."""

    def name_device(self, datastream: int) -> str:
        """What the home calls the device behind a Datastream; empty where nobody knows."""


class DispatchChannel:
    """Sends alarms to desks. Each desk gets the same identifier, and the same bytes, at every attempt."""

    name = "dispatch"

    def __init__(self, desks: Sequence[Desk], directory: Directory, *, sender: str, zone: tzinfo) -> None:
        self._lines = [DeskLine(desk) for desk in desks]
        self._directory, self._sender, self._zone = directory, sender, zone

    @property
    def lines(self) -> Sequence[DeskLine]:
        """The desks, in the order of the setting."""
        return self._lines

    async def send(self, message: Message) -> Outcome:
        """What came of it; ok says which desk has it."""
        notice = message.notice
        if message.exercise or (notice is not None and notice.exercise):
            return _refused(EXERCISE)
        if notice is None:
            return _refused("the message has no notice; 119 is told of nothing else")
        alarm = alarm_of(notice, self._list_earlier(notice), self._directory.name_device)
        home = (None if notice.thing is None else self._directory.find_home(notice.thing)) or UNKNOWN_HOME
        status = status_of(alarm, home)
        if status == "Exercise":
            return _refused(EXERCISE)
        lines = self._ordered(status)
        if not lines:
            return _refused(f"no desk takes what is {status}")
        says = Says(message.subject, message.text, message.language)
        try:
            dispatch = build_dispatch(alarm, home, says, sender=self._sender, zone=self._zone)
            content_type, content = body.encode(dispatch)
        except BadInput as error:
            return _refused(f"it can't be written: {error.message}")
        hand_over = _all if dispatch.alert.references else _first
        return await hand_over(lines, dispatch.alert.identifier, content_type, content)

    def _list_earlier(self, notice: Notice) -> list[Notice]:
        found: list[Notice] = []
        while notice.follows and len(found) < MOST_EARLIER:
            before = self._directory.find_notice(notice.follows)
            if before is None or before in found:
                break
            found.insert(0, before)
            notice = before
        return found

    def _ordered(self, status: Status) -> list[DeskLine]:
        """Those that may have it; those that failed a moment ago come last."""
        now_s = time.monotonic()
        meant = [line for line in self._lines if line.desk.takes_tests == (status == "Test")]
        return sorted(meant, key=lambda line: line.failed_s is not None and now_s - line.failed_s < SHUNNED_S)

    async def close(self) -> None:
        """Connections end."""
        await asyncio.gather(*(line.close() for line in self._lines))


def _refused(why: str) -> Outcome:
    return Outcome(ok=False, error=why, is_final=True)


async def _first(lines: Sequence[DeskLine], identifier: str, content_type: str, content: bytes) -> Outcome:
    failed: list[tuple[str, Came]] = []
    for line in lines:
        came = await line.post(identifier, content_type, content)
        if came.ok:
            return Outcome(ok=True, receipt=f"{line.desk.name} {came.receipt}")
        failed.append((line.desk.name, came))
    return _failed(failed)


async def _all(lines: Sequence[DeskLine], identifier: str, content_type: str, content: bytes) -> Outcome:
    came = await asyncio.gather(*(line.post(identifier, content_type, content) for line in lines))
    answers = [(line.desk.name, one) for line, one in zip(lines, came, strict=True)]
    if failed := [answer for answer in answers if not answer[1].ok]:
        return _failed(failed)
    return Outcome(ok=True, receipt="; ".join(f"{name} {one.receipt}" for name, one in answers))


def _failed(failed: Sequence[tuple[str, Came]]) -> Outcome:
    asked = [came.retry_after_s for _, came in failed]
    return Outcome(
        ok=False, error="; ".join(f"{name}: {came.error}" for name, came in failed)[:500],
        retry_after_s=min(asked) if all(asked) else None, is_final=all(came.is_final for _, came in failed),
    )  # fmt: skip
