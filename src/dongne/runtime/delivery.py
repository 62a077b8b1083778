"""How a notice is brought to people: who is tried by which ways, in what order, and when it is given up. The rules, as values
and pure functions; `adapters.outbox` follows them.

    recipient 1:  sms ──(no receipt within failover_s)──> voice ──> ... then from the beginning, `rounds` times
    recipient 2:  push ──> sms
"""

import hashlib
from base64 import b32encode
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.case_kinds import OPEN
from dongne.model.cases import CaseEvent, CaseLink
from dongne.model.errors import BadSetup
from dongne.model.notices import ANSWERED, DEAD, DISPATCH, RECEIVED, REQUESTED, UNIT, WITHDRAWN, Attempt, Notice

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


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How persistent it is; `[outbox]` of city.toml. Waits are in seconds of the machine's own clock.

    After `failover_s` without a receipt the next channel is tried, while the first may still be under way. When all ways of a
    recipient have failed they are tried again after `retry_s` (the last one for all that follow), `rounds` times in all.
    `in_turn`: of these, recipients are told one after the other, the next one when the one before could not be reached or, where
    an answer is wanted, has given none within `answer_s`; all others at once. What is not urgent waits from `quiet_from` to
    `quiet_to` (local time; the same twice is never), but for people on duty.

    To 119 nothing is given up within `dispatch_s` of the city's clock, nor before `dispatch_attempts`; `dispatch_retry_s` are
    the waits between. `send_s` is the most that one attempt may take, `limit` how many a channel has under way at once.
    Where the store has not written within `record_s` that 119 is about to be told, it is told all the same.
    """

    failover_s: float = 20.0
    rounds: int = 3
    retry_s: tuple[float, ...] = (10.0, 60.0, 300.0)
    longest_retry_s: float = 900.0
    in_turn: tuple[str, ...] = ("unit",)
    answer_s: float = 60.0
    quiet_from: str = "21:00"
    quiet_to: str = "08:00"
    dispatch_s: float = 3_600.0
    dispatch_attempts: int = 60
    dispatch_retry_s: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
    send_s: float = 90.0
    limit: int = 64
    dispatch_limit: int = 256
    record_s: float = 3.0

    def check(self) -> None:
        """Raises BadSetup naming the setting."""
        for name in ("quiet_from", "quiet_to"):
            said = getattr(self, name)
            try:
                time.fromisoformat(said)
            except ValueError:
                raise BadSetup(
                    f"city.toml: outbox.{name}: {said!r} is no time of day; write it as 21:00", reason="outbox"
                ) from None
        for name in ("rounds", "limit", "dispatch_limit", "dispatch_attempts"):
            if getattr(self, name) < 1:
                raise BadSetup(f"city.toml: outbox.{name} is {getattr(self, name)}; it is at least 1", reason="outbox")
        for name in ("failover_s", "send_s", "longest_retry_s", "answer_s", "dispatch_s", "record_s"):
            if not getattr(self, name) > 0:
                raise BadSetup(f"city.toml: outbox.{name} is {getattr(self, name)}; it is above 0", reason="outbox")
        for name in ("retry_s", "dispatch_retry_s"):
            if not getattr(self, name) or min(getattr(self, name)) < 0:
                raise BadSetup(f"city.toml: outbox.{name} needs at least one wait, of 0 or more", reason="outbox")

    def is_in_turn(self, to: str) -> bool:
        """Whether its recipients are told one after the other."""
        return role_of(to) in self.in_turn

    def wait_s(self, to: str, failures: int, asked_s: float = 0.0) -> float:
        """How long to wait after so many rounds have failed, where the provider asks for `asked_s`."""
        waits = self.dispatch_retry_s if to == DISPATCH else self.retry_s
        longest_s = waits[-1] if to == DISPATCH else self.longest_retry_s
        return min(max(waits[min(failures, len(waits)) - 1], asked_s), max(longest_s, waits[-1]))

    def quiet_until(self, notice: Notice, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When it may be sent; None where that is now."""
        if notice.urgent or notice.to == DISPATCH or notice.to.startswith(UNIT):
            return None
        start, end = time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_to)
        local = now.astimezone(zone)
        clock = local.time()
        is_quiet = start <= clock < end if start <= end else (clock >= start or clock < end)
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1) if clock >= end else local.date()
        return datetime.combine(day, end, zone)

    def is_over(self, notice: Notice, rounds: int, now: datetime) -> bool:
        """Whether a recipient is given up after so many rounds."""
        if notice.to != DISPATCH:
            return rounds >= self.rounds
        age_s = (now - notice.requested).total_seconds()
        return age_s >= self.dispatch_s and len(notice.attempts) >= self.dispatch_attempts


def role_of(to: str) -> str:
    """ "unit" of "unit:<id>"; else itself."""
    return "unit" if to.startswith(UNIT) else to


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


def rounds_of(notice: Notice, line: Line) -> int:
    """How many rounds through its ways are behind this line, by the attempts that are stored. One that a crash broke off doesn't
    count: it is made up for."""
    per_way = [
        sum(one.error != BROKEN for one in attempts_of(notice, line.recipient, way.channel)) for way in line.ways
    ]
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
