"""A person's day at home by its quiet spells: for each hour, how long nothing moved, and when a spell is too long for them.

A spell is the time since the last sign of life. For each local hour of a day the longest that the spell had become in that
hour is noted; working days and weekends are kept apart. Of each cell (kind of day, hour) three figures are kept: an
exponentially weighted mean and variance (West, Comm. ACM 22(9), 1979, with a weight of 1/15), and a peak that fades by 1 % a
day. A spell is too long when it exceeds what was ever usual at this hour or the ones beside it: the larger of
PEAK_FACTOR * peak and mean + SPREADS * standard deviation, within bounds that the caller gives.

Minutes are whole: a state is some 200 small numbers.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

HOURS = 24
UNSEEN = -1  # an hour of today of which nothing can be said (not at home, or not come yet)
WEIGHT = 1.0 / 15.0
FADES = 0.99  # of the peak, a day
FADES_AWAY = 0.997  # of the longest absence: who is away for a night is so a few times a year
PEAK_FACTOR = 1.5
SPREADS = 5.0
KNOWN_DAYS = 14  # from then on the person's own days count
BESIDE = (-3, -2, -1, 0, 1, 2, 3)  # hours: who gets up late one day is not asked about at once
SHORT_MIN = 20  # shorter spells are nothing to remember
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class DayProfile:
    """Cells by kind of day (0 working day, 1 weekend) and hour: [0..23] and [24..47]; `limit_min` is what
    follows from them: from which length on a spell is unusual. `today` is the longest spell so far of
    each hour of the local day number `day` (proleptic ordinal), in minutes."""

    mean_min: list[int] = field(default_factory=lambda: [0] * (2 * HOURS))
    spread_min: list[int] = field(default_factory=lambda: [0] * (2 * HOURS))
    peak_min: list[int] = field(default_factory=lambda: [0] * (2 * HOURS))
    limit_min: list[int] = field(default_factory=lambda: [0] * (2 * HOURS))
    today: list[int] = field(default_factory=lambda: [UNSEEN] * HOURS)
    day: int = 0
    days: int = 0
    away_min: int = 0  # the longest absence, fading


def note_activity(profile: DayProfile, now: datetime, since: datetime | None, zone: ZoneInfo) -> None:
    """Something moved at `now` for the first time since `since` (None: nothing is to be learned of the time before)."""
    local = now.astimezone(zone)
    if profile.day != local.date().toordinal() or since is not None:
        if since is not None and now - since >= timedelta(minutes=SHORT_MIN):
            _note_spell(profile, since, now, zone)
        _turn_to(profile, local.date().toordinal())
    profile.today[local.hour] = max(profile.today[local.hour], 0)


def note_absence(profile: DayProfile, spell: timedelta) -> None:
    """The person came back after so long."""
    profile.away_min = max(profile.away_min, int(spell / timedelta(minutes=1)))


def _note_spell(profile: DayProfile, since: datetime, now: datetime, zone: ZoneInfo) -> None:
    """Writes into each hour that the spell touched how long it had become at the hour's end."""
    at = since
    while at < now:
        local = at.astimezone(zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        end = min(at - into + HOUR, now)
        _turn_to(profile, local.date().toordinal())
        minutes = int((end - since) / timedelta(minutes=1))
        profile.today[local.hour] = max(profile.today[local.hour], minutes)
        at = end


def _turn_to(profile: DayProfile, day: int) -> None:
    """Begins another local day: the one before becomes part of what is usual."""
    if day <= profile.day:
        return
    if profile.day:
        _learn_day(profile)
    profile.day, profile.today = day, [UNSEEN] * HOURS


def _learn_day(profile: DayProfile) -> None:
    kind = HOURS if _is_weekend(profile.day) else 0
    profile.peak_min = [int(peak * FADES) for peak in profile.peak_min]
    for hour, minutes in enumerate(profile.today):
        cell = kind + hour
        if minutes < 0:
            continue
        if not profile.peak_min[cell]:
            profile.mean_min[cell] = minutes  # the first of this cell
        mean, spread = profile.mean_min[cell], profile.spread_min[cell]
        weight = max(WEIGHT, 1.0 / (profile.days + 1))
        step = minutes - mean
        profile.mean_min[cell] = round(mean + weight * step)
        profile.spread_min[cell] = round(sqrt((1.0 - weight) * (spread**2 + weight * step**2)))
        profile.peak_min[cell] = max(profile.peak_min[cell], minutes)
    profile.away_min = int(profile.away_min * FADES_AWAY)
    profile.days += 1
    profile.limit_min = [_limit_min(profile, kind, hour) for kind in (0, HOURS) for hour in range(HOURS)]


def _limit_min(profile: DayProfile, kind: int, hour: int) -> int:
    """The most that is usual at this hour and the ones beside it. Weekends are few: what is usual on working days is then too."""
    kinds = (0, HOURS) if kind else (0,)
    cells = [one + (hour + beside) % HOURS for one in kinds for beside in BESIDE]
    return int(
        max(
            max(PEAK_FACTOR * profile.peak_min[c], profile.mean_min[c] + SPREADS * profile.spread_min[c]) for c in cells
        )
    )


def _is_weekend(day: int) -> bool:
    return (day + 6) % 7 >= 5  # ordinal 1 was a Monday


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what lengths a spell is judged by the person's own days; `first` holds while these are not known."""

    least: timedelta
    most: timedelta
    first: timedelta


def too_long(profile: DayProfile, at: datetime, bounds: Bounds, zone: ZoneInfo) -> timedelta:
    """From which length on a spell that lasts at this instant is unusual for the person."""
    if profile.days < KNOWN_DAYS:
        return bounds.first
    local = at.astimezone(zone)
    usual = timedelta(minutes=profile.limit_min[local.hour + (HOURS if local.weekday() >= 5 else 0)])
    return min(max(usual, bounds.least), bounds.most)


def check_at(profile: DayProfile, since: datetime, bounds: Bounds, zone: ZoneInfo) -> datetime:
    """When the spell that began at `since` becomes unusual if nothing moves."""
    if profile.days < KNOWN_DAYS:
        return since + bounds.first
    at, last = since + bounds.least, since + bounds.most
    while at < last:
        needed = since + too_long(profile, at, bounds, zone)
        if needed <= at:
            return at
        into = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
        at = min(needed, at - into + HOUR)
    return last


def away_too_long(profile: DayProfile, least: timedelta, most: timedelta) -> timedelta:
    """From which length on an absence is unusual for the person."""
    return min(max(timedelta(minutes=1.5 * profile.away_min), least), most)
