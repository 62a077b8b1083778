"""How persistently people are told, as `[outbox]` in a city's `city.toml` says."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.errors import BadSetup
from dongne.model.notices import DISPATCH, UNIT, Notice


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    dispatch_limit: int = 64
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

    def wait_s(self, to: str, failures: int) -> float:
        """How long to wait after so many rounds have failed."""
        waits = self.dispatch_retry_s if to == DISPATCH else self.retry_s
        return waits[min(failures, len(waits)) - 1]

    def longest_wait_s(self, to: str) -> float:
        """The most that a provider may ask to be left alone."""
        return self.dispatch_retry_s[-1] if to == DISPATCH else self.longest_retry_s

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
