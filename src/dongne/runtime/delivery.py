"""How a notice is brought to people: who is tried by which ways, in what order, and when it is given up. The rules, as values
and pure functions; `adapters.outbox` follows them.

    recipient 1:  sms ──(no receipt within failover_s)──> voice ──> ... then from the beginning, `rounds` times
    recipient 2:  push ──> sms
"""

import hashlib
from base64 import b32encode
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from dongne.model.case_kinds import OPEN
from dongne.model.cases import CaseEvent, CaseLink
from dongne.model.notices import ANSWERED, DEAD, DISPATCH, RECEIVED, REQUESTED, WITHDRAWN, Attempt, Notice

ORIGIN = "outbox"  # of the records it writes
UNDELIVERED = "undelivered"
DISPATCH_CHANNEL = "dispatch"
EXERCISE = "exercise"  # the channel that takes what an exercise would have told to 119
BROKEN = "broken off"  # the error of an attempt that a crash left without an outcome
CERTAIN = "refused: "  # how the error of an attempt begins that has surely not arrived


class Way(msgspec.Struct, frozen=True):
    """A channel, and the recipient's address there."""

    channel: str
    address: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is to be reached, by these ways in turn. `language` is a BCP 47 tag."""

    recipient: str
    ways: tuple[Way, ...]
    language: str = "ko"
    name: str = ""


class Found(msgspec.Struct, frozen=True):
    """Who is meant by a notice; where nobody is, `why`."""

    lines: tuple[Line, ...] = ()
    why: str = ""


class Directory(Protocol):
    """Knows who is meant."""

    def find(self, notice: Notice, at: datetime) -> Found:
        """Those to be reached by this notice at that instant, in order."""


class Said(msgspec.Struct, frozen=True):
    """A notice in words."""

    subject: str
    text: str


class Render(Protocol):
    """Puts a notice into words."""

    def __call__(self, notice: Notice, language: str) -> Said:
        """In this language, or the nearest there is."""


def rank_of(notice: Notice) -> int:
    """Who goes first: 119, then what is urgent, then the rest."""
    if notice.to == DISPATCH and not notice.exercise:
        return 0
    return 1 if notice.urgent else 2


def message_id(city: str, notice: Notice, recipient: str, channel: str) -> str:
    """The lasting identifier of what is said to a recipient by a channel: the same at every attempt, in every process. To 119 it is
    that of the notice alone. Nothing can be read from it."""
    parts = [city, notice.key] if notice.to == DISPATCH else [city, notice.key, recipient, channel]
    digest = hashlib.sha256("\n".join(parts).encode()).digest()[:20]
    return b32encode(digest).decode().lower()


def ways_of(line: Line, notice: Notice, channels: Sequence[str]) -> list[Way]:
    """The ways there are: through these channels, those the notice names in its order where it names some. Only what goes to 119
    goes through the channel to 119, and nothing of an exercise."""
    is_dispatch = notice.to == DISPATCH and not notice.exercise
    there = [way for way in line.ways if way.channel in channels and (way.channel == DISPATCH_CHANNEL) == is_dispatch]
    if not notice.channels or is_dispatch:
        return there
    return [way for name in notice.channels for way in there if way.channel == name]


def attempts_of(notice: Notice, recipient: str, channel: str = "") -> list[Attempt]:
    """Those that were made to reach them; by one channel where it is given."""
    return [one for one in notice.attempts if one.recipient == recipient and (not channel or one.channel == channel)]


def is_reached(notice: Notice, recipient: str) -> bool:
    """Whether a provider took it for them."""
    return any(one.outcome == RECEIVED for one in attempts_of(notice, recipient))


def may_repeat(notice: Notice, recipient: str, channel: str) -> bool:
    """Whether a message sent now may arrive a second time: an attempt before it had no outcome, or one which doesn't say that
    it never arrived."""
    return any(not one.error.startswith(CERTAIN) for one in attempts_of(notice, recipient, channel))


def is_wanted(notice: Notice, recipient: str) -> bool:
    """Whether this one has still to be told: nobody has taken it back or answered, and no provider took it for them."""
    if notice.state not in (REQUESTED, RECEIVED):
        return False
    return not is_reached(notice, recipient)


def is_over(notice: Notice) -> bool:
    """Whether nothing more is begun for it."""
    return notice.state in (ANSWERED, DEAD, WITHDRAWN)


def rounds_of(notice: Notice, recipient: str, ways: Sequence[Way]) -> int:
    """How many rounds through these ways are behind this recipient, by the attempts that are stored. One that a crash broke off
    doesn't count: it is made up for."""
    if not notice.attempts:
        return 0
    per_way = [sum(one.error != BROKEN for one in attempts_of(notice, recipient, way.channel)) for way in ways]
    return min(per_way, default=0)


def undelivered_event(notice: Notice, time: datetime, error: str) -> CaseEvent:
    """The Case of a notice that reached nobody: opened twice it is opened once."""
    is_safety = notice.urgent and not notice.exercise
    values = {"notice": notice.key, "to": notice.to, "name": notice.name, "by": notice.service, "error": error}
    return CaseEvent(
        key=f"{ORIGIN}/{notice.thing or 0}/{UNDELIVERED}/{notice.key}", kind=UNDELIVERED, action=OPEN, name=UNDELIVERED,
        time=time, thing=notice.thing, service=ORIGIN, values=values | ({"exercise": True} if notice.exercise else {}),
        severity="extreme" if is_safety else "", priority=0 if is_safety else None, by=f"service:{ORIGIN}",
        links=(CaseLink("related", notice.case),) if notice.case else (),
    )  # fmt: skip
