"""Who is on duty: over midnight, over a change of the clocks, and who comes next."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongne.adapters.people import load_people
from dongne.adapters.sources import convert, load_city
from dongne.model.city import CityConfig
from dongne.model.duty import DAYS, Member, Shift, Unit
from dongne.model.errors import BadSetup, NotFound
from dongne.runtime.roster import Roster

HELSINKI, SEOUL = ZoneInfo("Europe/Helsinki"), ZoneInfo("Asia/Seoul")
PEOPLE = {name: Member(id=name, name=name.title()) for name in ("aino", "eero", "kim")}
ROUND_THE_CLOCK = Unit(
    shifts=(
        Shift(people=("aino",), start="08:00", end="20:00"),
        Shift(people=("eero", "kim"), start="20:00", end="08:00"),
    ),
    next="chief",
)
CHIEF = Unit(shifts=(Shift(people=("kim",), days=("mon",), start="00:00", end="00:00"),))


def roster(zone: ZoneInfo = HELSINKI, **units: Unit) -> Roster:
    return Roster(units or {"desk": ROUND_THE_CLOCK, "chief": CHIEF}, PEOPLE, zone)


def names(found: list[Member]) -> list[str]:
    return [person.id for person in found]


def at(text: str, zone: ZoneInfo = HELSINKI, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("2026-11-20T07:59:59", ["eero", "kim"]), ("2026-11-20T08:00:00", ["aino"]), ("2026-11-20T19:59:59", ["aino"]),
        ("2026-11-20T20:00:00", ["eero", "kim"]), ("2026-11-21T00:00:00", ["eero", "kim"]),
    ],
)  # fmt: skip
def test_a_shift_begins_and_ends_by_the_citys_clocks_also_over_midnight(when: str, who: list[str]) -> None:
    for zone in (HELSINKI, SEOUL):
        assert names(roster(zone).on_duty("desk", at(when, zone))) == who


def test_days_are_those_on_which_a_shift_begins() -> None:
    night = Unit(shifts=(Shift(people=("kim",), days=("fri",), start="22:00", end="06:00"),))
    found = roster(night=night)
    friday, saturday = "2026-11-20", "2026-11-21"
    assert names(found.on_duty("night", at(f"{friday}T23:00:00"))) == ["kim"]
    assert names(found.on_duty("night", at(f"{saturday}T05:59:00"))) == ["kim"]
    assert names(found.on_duty("night", at(f"{friday}T05:00:00"))) == []
    assert names(found.on_duty("night", at(f"{saturday}T23:00:00"))) == []


def test_the_night_the_clocks_change_is_an_hour_longer_or_shorter() -> None:
    """Finland 2026: 29 March 03:00 becomes 04:00, 25 October 04:00 becomes 03:00."""
    found = roster()
    for evening, hours in (("2026-03-28", 11), ("2026-10-24", 13), ("2026-11-20", 12)):
        start = at(f"{evening}T20:00:00")
        turn = found.list_turns("desk", start, start + timedelta(days=1))[0]
        assert turn.end - turn.start == timedelta(hours=hours), evening
        assert names(list(turn.people)) == ["eero", "kim"]


def test_in_an_hour_that_comes_twice_nobody_hands_over_twice() -> None:
    halves = Unit(
        shifts=(
            Shift(people=("aino",), start="00:00", end="03:30"),
            Shift(people=("eero",), start="03:30", end="00:00"),
        )
    )
    found = roster(desk=halves)
    assert names(found.on_duty("desk", at("2026-10-25T03:29:00"))) == ["aino"]
    assert names(found.on_duty("desk", at("2026-10-25T03:30:00"))) == ["eero"]
    assert names(found.on_duty("desk", at("2026-10-25T03:15:00", fold=1))) == ["eero"]
    changes = found.list_turns("desk", at("2026-10-25T00:00:00"), at("2026-10-26T00:00:00"))
    assert [names(list(turn.people)) for turn in changes] == [["aino"], ["eero"]]


@given(st.integers(0, 366 * 24 * 60), st.sampled_from(["Europe/Helsinki", "Asia/Seoul", "America/New_York"]))
def test_round_the_clock_somebody_is_there_at_every_minute_of_a_year(minute: int, zone: str) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    found = roster(ZoneInfo(zone))
    on_duty = names(found.on_duty("desk", when))
    assert on_duty in (["aino"], ["eero", "kim"]), "never nobody, never both shifts"
    local = when.astimezone(ZoneInfo(zone))
    assert on_duty == (["aino"] if 8 <= local.hour < 20 else ["eero", "kim"])


def test_turns_leave_no_gap_and_say_where_nobody_is_there() -> None:
    office = Unit(shifts=(Shift(people=("aino",), days=DAYS[:5], start="09:00", end="17:00"),))
    start = at("2026-11-20T12:00:00")  # a Friday
    turns = roster(office=office).list_turns("office", start, start + timedelta(days=4))
    assert [names(list(turn.people)) for turn in turns] == [["aino"], [], ["aino"], [], ["aino"]]
    assert turns[0].start == start and turns[-1].end == start + timedelta(days=4)
    assert all(one.end == other.start for one, other in pairwise(turns))
    assert turns[1].end == at("2026-11-23T09:00:00")


def test_where_nobody_is_there_the_next_unit_is_found() -> None:
    office = Unit(shifts=(Shift(people=("aino",), start="09:00", end="17:00"),), next="desk")
    found = roster(office=office, desk=ROUND_THE_CLOCK, chief=CHIEF)
    noon, night = at("2026-11-20T12:00:00"), at("2026-11-20T23:00:00")
    assert found.find_on_duty("office", noon)[0] == "office"
    unit, people = found.find_on_duty("office", night)
    assert (unit, names(people)) == ("desk", ["eero", "kim"])
    assert found.find_on_duty("chief", night) == ("chief", [])
    assert (found.next_unit("office"), found.next_unit("chief"), found.next_unit("nobody knows it")) == ("desk", "", "")
    with pytest.raises(NotFound, match="no unit 'east'; units: chief, desk, office"):
        found.on_duty("east", noon)


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        (Unit(next="gone"), "next is 'gone'; units: desk"),
        (Unit(next="desk"), "desk -> desk goes round in a circle"),
        (
            Unit(shifts=(Shift(people=("aino",), start="8:00", end="20:00"),)),
            "'8:00' is no time of day; write it as 08:00",
        ),
        (Unit(shifts=(Shift(people=("aino",), start="08:00", end="24:00"),)), "'24:00' is no time of day"),
        (Unit(shifts=(Shift(people=("aino",), days=("monday",), start="08:00", end="20:00"),)), "no day 'monday'"),
        (Unit(shifts=(Shift(people=("olli",), start="08:00", end="20:00"),)), r"add \[people.olli\] to people.toml"),
    ],
)
def test_a_roster_that_can_not_hold_is_refused(unit: Unit, says: str) -> None:
    with pytest.raises(BadSetup, match=rf"\[units.desk\]: .*{says}"):
        roster(desk=unit)


def test_people_are_read_from_their_files_and_the_later_one_counts(tmp_path: Path) -> None:
    city, data = tmp_path / "city", tmp_path / "data"
    city.mkdir(), data.mkdir()
    (city / "people.toml").write_text(
        '[people.kim]\nname = "Kim"\naddresses = [["sms", "+358501"], ["mail", "kim@example.org"]]\nsimulated = true\n'
        '[people.aino]\nname = "Aino"\nlanguage = "fi"\n'
    )
    (data / "people.toml").write_text('[people.aino]\nname = "Aino V."\n')
    people = load_people(city, data)
    assert people["kim"].addresses == (("sms", "+358501"), ("mail", "kim@example.org")) and people["kim"].simulated
    assert people["aino"].name == "Aino V."
    (data / "people.toml").write_text('[people.aino]\nname = "Aino"\nadresses = []\n')
    with pytest.raises(BadSetup, match=r"people\.toml: .*adresses.*addresses"):
        load_people(city, data)


def test_units_are_read_as_a_city_writes_them() -> None:
    table = {
        "name": {"ko": "돌봄 상황실", "en": "Care desk"},
        "next": "chief",
        "shifts": [{"people": ["kim"], "days": ["sat"], "from": "20:00", "to": "08:00"}],
    }
    unit = convert(table, Unit, Path("city.toml"))
    assert unit.shifts == (Shift(people=("kim",), days=("sat",), start="20:00", end="08:00"),)
    city = {"id": "x", "name": {"en": "X"}, "zone": "Asia/Seoul", "bounds": [0, 0, 1, 1], "units": {"desk": table}}
    assert convert(city, CityConfig, Path("city.toml")).units == {"desk": unit}
    with pytest.raises(BadSetup, match=r"city\.toml: unknown key 'units\.desk\.nxt'; did you mean 'next'"):
        convert({**city, "units": {"desk": {"nxt": "chief"}}}, CityConfig, Path("city.toml"))


def test_the_demonstration_city_has_somebody_who_cares_at_every_hour_and_all_of_them_are_invented() -> None:
    folder = Path(__file__).parents[2] / "cities" / "helsinki"
    city = load_city(folder)
    found = Roster(city.units, load_people(folder), city.zone_info)
    start = at("2026-11-20T12:00:00")
    for unit in ("care_desk", "responders"):
        assert all(turn.people for turn in found.list_turns(unit, start, start + timedelta(days=7)))
    assert all(person.simulated and person.addresses for person in found.people.values())
