"""The plan of a person: when what is measured next, what was reminded of, what was left out."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dongne.methods.local_times import next_time, parse_local_times
from dongne.runtime.service import Emission, Notify, TakeBack, Wake
from dongne.services.measurement_plan.person import MEASUREMENTS, Appointment, Person
from dongne.services.measurement_plan.settings import Settings


def plan_of(settings: Settings, measurement: str) -> str:
    """When it is planned; empty for never."""
    return str(getattr(settings, f"{measurement}_at"))


def signature(settings: Settings) -> str:
    """The whole plan in one text."""
    return (
        f"{settings.blood_pressure_at}|{settings.heart_rate_at}|{settings.oxygen_at}|{settings.weight_at}|"
        f"{settings.glucose_at}|{settings.temperature_at}|{settings.questions_at}"
    )


def begin(person: Person, settings: Settings, now: datetime, zone: ZoneInfo) -> Iterator[Emission]:
    """Another plan than before: what it has in common with the old one goes on."""
    old = dict(zip(MEASUREMENTS, person.plan.split("|"), strict=False))
    person.plan = signature(settings)
    for name in MEASUREMENTS:
        text = plan_of(settings, name)
        if text != old.get(name, ""):
            person.missed.pop(name, None)
            left = person.next.pop(name, None)
            if left is not None and left.is_reminded:
                yield TakeBack(f"remind_{name}", _once(left))
            _next(person, settings, name, now, zone)
    yield look_at(person, settings)


def _next(person: Person, settings: Settings, name: str, after: datetime, zone: ZoneInfo) -> None:
    times = parse_local_times(plan_of(settings, name))
    if times is not None:
        person.next[name] = Appointment(next_time(times, after, zone))


def look_at(person: Person, settings: Settings) -> Wake:
    """When to look at the plan again."""
    return Wake(min((_due(one, settings) for one in person.next.values()), default=None), "plan")


def _due(one: Appointment, settings: Settings) -> datetime:
    return one.at + timedelta(minutes=settings.window_min if one.is_reminded else settings.remind_min)


def measured(person: Person, settings: Settings, name: str, time: datetime, zone: ZoneInfo) -> Iterator[Emission]:
    """A measurement came: the appointment it belongs to is kept."""
    person.missed.pop(name, None)
    one = person.next.get(name)
    if one is None or time < one.at - timedelta(minutes=settings.early_min):
        return
    if one.is_reminded:
        yield TakeBack(f"remind_{name}", _once(one))
    _next(person, settings, name, max(time, one.at), zone)
    yield look_at(person, settings)


def time_over(
    person: Person, settings: Settings, now: datetime, zone: ZoneInfo, is_silent: bool
) -> Iterator[Emission | str]:
    """What is due: reminders, and names of measurements that were left out too often. While the home is not heard nobody is
    reminded, and nothing counts as left out: it may have been measured."""
    for name, one in list(person.next.items()):
        if _due(one, settings) > now:
            continue
        if not one.is_reminded and now < one.at + timedelta(minutes=settings.window_min):
            one.is_reminded = True
            if not is_silent:
                yield Notify(f"remind_{name}", _once(one), "resident")
            continue
        if one.is_reminded:
            yield TakeBack(f"remind_{name}", _once(one))
        if not is_silent:
            person.missed[name] = person.missed.get(name, 0) + 1
            if person.missed[name] >= settings.missed:
                yield name
        _next(person, settings, name, max(one.at, now - timedelta(minutes=settings.remind_min)), zone)
    yield look_at(person, settings)


def _once(one: Appointment) -> str:
    return one.at.strftime("%Y-%m-%dT%H:%MZ")
