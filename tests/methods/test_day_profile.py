"""A person's quiet hours: learned day by day, checked by hand, and on the sensors of two real homes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dongne.methods.day_profile import (
    HOURS,
    Bounds,
    DayProfile,
    away_too_long,
    check_at,
    note_absence,
    note_activity,
    too_long,
)

SEOUL = ZoneInfo("Asia/Seoul")
MONDAY = datetime(2026, 3, 2, tzinfo=SEOUL)
BOUNDS = Bounds(timedelta(hours=6), timedelta(hours=16), timedelta(hours=12))


def lived(days: int, wake_h: float = 7.0, bed_h: float = 22.0, every_min: int = 30) -> tuple[DayProfile, datetime]:
    """A profile of so many equal days, and the last sign of life."""
    profile, last = DayProfile(), None
    for day in range(days):
        at = MONDAY + timedelta(days=day, hours=wake_h)
        while at <= MONDAY + timedelta(days=day, hours=bed_h):
            note_activity(profile, at.astimezone(UTC), last, SEOUL)
            last, at = at.astimezone(UTC), at + timedelta(minutes=every_min)
    assert last is not None
    return profile, last


def test_a_night_is_usual_at_its_hours_and_not_by_day() -> None:
    profile, _ = lived(30)
    assert profile.peak_min[6] == 9 * 60  # from 22 h to the end of the hour before waking
    assert profile.peak_min[14] == 30
    at_six, at_two = MONDAY + timedelta(days=30, hours=6), MONDAY + timedelta(days=30, hours=14)
    assert too_long(profile, at_six, BOUNDS, SEOUL) == timedelta(minutes=1.5 * 9 * 60)
    assert too_long(profile, at_two, BOUNDS, SEOUL) == BOUNDS.least


def test_two_people_are_judged_by_their_own_days() -> None:
    early, last = lived(30, wake_h=5.0, bed_h=20.0)
    late, last_of_late = lived(30, wake_h=9.5, bed_h=23.5)
    assert check_at(early, last, BOUNDS, SEOUL) < check_at(late, last_of_late, BOUNDS, SEOUL)


def test_nobody_is_judged_before_their_days_are_known() -> None:
    profile, last = lived(10)
    assert check_at(profile, last, BOUNDS, SEOUL) == last + BOUNDS.first


def test_a_spell_is_checked_between_the_bounds_and_exactly_when_it_becomes_unusual() -> None:
    profile, last = lived(40)
    for hours in range(0, 24):
        since = last + timedelta(hours=hours)
        at = check_at(profile, since, BOUNDS, SEOUL)
        assert BOUNDS.least <= at - since <= BOUNDS.most
        assert at - since >= too_long(profile, at, BOUNDS, SEOUL) or at - since == BOUNDS.most
        before = at - timedelta(minutes=1)
        assert before - since < too_long(profile, before, BOUNDS, SEOUL)


def test_a_spell_over_midnight_belongs_to_both_days() -> None:
    profile = DayProfile()
    note_activity(profile, (MONDAY + timedelta(hours=22)).astimezone(UTC), None, SEOUL)
    note_activity(
        profile, (MONDAY + timedelta(hours=26)).astimezone(UTC), (MONDAY + timedelta(hours=22)).astimezone(UTC), SEOUL
    )
    assert profile.peak_min[23] == 120 and profile.today[1] == 240


def test_what_is_not_known_of_a_day_teaches_nothing() -> None:
    profile, _ = lived(1)
    assert profile.days == 0 and profile.today[3] == -1
    profile, _ = lived(2)
    assert profile.mean_min[3] == 0 and profile.mean_min[12] == 30


def test_a_peak_fades() -> None:
    profile, last = lived(5)
    long = last + timedelta(hours=14)  # until noon of a Saturday
    note_activity(profile, long, last, SEOUL)
    at = long
    for _ in range(100):
        note_activity(profile, at + timedelta(days=1), None, SEOUL)
        at += timedelta(days=1)
    assert 0.3 < profile.peak_min[HOURS + 11] / (14 * 60) < 0.45  # 0.99 ** 100 = 0.37, and rounded down each day


def test_absences_are_judged_by_the_longest() -> None:
    profile = DayProfile()
    least, most = timedelta(hours=26), timedelta(hours=72)
    assert away_too_long(profile, least, most) == least
    note_absence(profile, timedelta(hours=30))
    assert away_too_long(profile, least, most) == timedelta(hours=45)
    note_absence(profile, timedelta(hours=100))
    assert away_too_long(profile, least, most) == most


def _times(file: Path) -> list[datetime]:
    """When a sensor of the home said something: the starts and ends of its rows."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines()[2:]:
        words = line.split()
        if len(words) >= 4:
            found += [datetime.fromisoformat(f"{words[i]} {words[i + 1]}").replace(tzinfo=UTC) for i in (0, 2)]
    return sorted(found)


@pytest.mark.parametrize("home", ["A", "B"])
def test_real_homes_are_not_asked_about_more_than_now_and_then(home: str, data_folder: Path) -> None:
    """Ordonez (UCI 271): two people alone, 14 and 21 days, with front doors; their first days are lived twice so that they are known."""
    times = _times(data_folder / "smart_home_adl" / f"Ordonez{home}_Sensors.txt")
    days = (times[-1] - times[0]).days + 1
    again = [at + timedelta(days=-(-days // 7) * 7) for at in times]
    profile, last, checks, longest_h = DayProfile(), None, 0, 0.0
    for at in [*times, *again]:
        if last is not None and at > last:
            longest_h = max(longest_h, (at - last) / timedelta(hours=1))
            checks += profile.days >= 14 and check_at(profile, last, BOUNDS, UTC) < at
        note_activity(profile, at, last, ZoneInfo("UTC"))
        last = at
    assert profile.days > 20
    assert HOURS == 24 and longest_h > 6.0
    assert checks <= 1
