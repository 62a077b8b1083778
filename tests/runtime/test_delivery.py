"""The rules of the outbox: who goes first, what is the same message, when nights are, and who is meant."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.model.entities import Thing
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.notices import Attempt, Notice
from dongne.model.outbox import Rules
from dongne.runtime.delivery import (
    BROKEN,
    Line,
    Way,
    may_repeat,
    message_id,
    rank_of,
    rounds_of,
    undelivered_event,
    ways_of,
)
from dongne.runtime.directory import CityDirectory

SEOUL, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
CONTACTS = [
    {"id": "d", "role": "guardian", "name": "D", "language": "en", "addresses": [["sms", "+821"], ["dispatch", "x"]]},
    {"id": "s", "role": "guardian", "addresses": [["push", "p"], "strange", ["sms", ""]]},
    {"id": "n", "role": "neighbour", "addresses": [["voice", "+823"]]},
]


def notice(to: str = "guardian", **more: object) -> Notice:
    made = Notice(
        id=7, key="toy/1/help/1", name="help", to=to, state="requested", requested=NOON, changed=NOON, thing=1
    )
    return msgspec.structs.replace(made, **more)


def directory(**more: object) -> CityDirectory:
    home = Thing(
        id=1, name="home", properties={"contacts": CONTACTS, "phone": "+8223", "gateway": "gw-1", "language": "cs"}
    )
    return CityDirectory(ThingGraph([home]), **more)  # type: ignore[arg-type]


def test_119_goes_first_and_an_exercise_is_none() -> None:
    assert rank_of(notice("119")) < rank_of(notice(urgent=True)) < rank_of(notice())
    assert rank_of(notice("119", exercise=True, urgent=True)) == rank_of(notice(urgent=True))


def test_an_identifier_is_lasting_and_another_for_each_recipient_but_for_119() -> None:
    ids = {message_id("c", notice(), who, channel) for who in ("a", "b") for channel in ("sms", "mail")}
    assert len(ids) == 4
    assert message_id("c", notice("119"), "119", "dispatch") == message_id(
        "c", notice("119", values={"x": 1}), "y", "z"
    )
    assert message_id("c", notice("119"), "", "") != message_id("other", notice("119"), "", "")


@pytest.mark.parametrize(
    ("local", "hours"),
    [("2026-11-02T20:59", None), ("2026-11-02T21:00", 11.0), ("2026-11-03T07:30", 0.5), ("2026-11-03T08:00", None)],
)
def test_quiet_hours_are_local(local: str, hours: float | None) -> None:
    now = datetime.fromisoformat(local).replace(tzinfo=SEOUL)
    until = Rules().quiet_until(notice(), now.astimezone(UTC), SEOUL)
    assert (None if until is None else (until - now) / timedelta(hours=1)) == hours
    assert Rules().quiet_until(notice(urgent=True), now, SEOUL) is None
    assert Rules().quiet_until(notice("unit:desk"), now, SEOUL) is None
    assert Rules(quiet_to="21:00").quiet_until(notice(), now, SEOUL) is None


def test_a_night_in_which_clocks_change_ends_in_the_morning() -> None:
    evening = datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN).astimezone(UTC)  # clocks go back at 3
    until = Rules().quiet_until(notice(), evening, BERLIN)
    assert until is not None and until.astimezone(UTC) - evening == timedelta(hours=11)


def test_only_what_goes_to_119_goes_through_its_channel() -> None:
    line = Line(recipient="x", ways=(Way("dispatch"), Way("sms", "1"), Way("mail", "m")))
    there = ("sms", "mail", "dispatch")
    assert [way.channel for way in ways_of(line, notice(), there)] == ["sms", "mail"]
    assert [way.channel for way in ways_of(line, notice("119"), there)] == ["dispatch"]
    assert "dispatch" not in [way.channel for way in ways_of(line, notice("119", exercise=True), there)]
    assert [way.channel for way in ways_of(line, notice(channels=("mail", "dispatch", "sms")), there)] == [
        "mail",
        "sms",
    ]


def test_what_may_have_arrived_is_a_repeat_and_what_was_refused_is_none() -> None:
    def after(error: str) -> Notice:
        attempt = Attempt(1, "sms", "a", NOON, "failed", NOON, error=error)
        return notice(attempts=(attempt,))

    assert may_repeat(after("no answer within 4 s"), "a", "sms") and may_repeat(after(BROKEN), "a", "sms")
    assert not may_repeat(after("refused: 422"), "a", "sms") and not may_repeat(after(BROKEN), "b", "sms")
    ways = (Way("sms", "1"),)
    assert (rounds_of(after("500"), "a", ways), rounds_of(after(BROKEN), "a", ways)) == (1, 0)


def test_contacts_of_a_role_are_told_where_the_person_agreed() -> None:
    found = directory().find(notice(), NOON)
    assert [line.recipient for line in found.lines] == ["guardian:d", "guardian:s"]
    assert found.lines[0].ways == (Way("sms", "+821"),) and found.lines[0].language == "en"
    assert found.lines[1].ways == (Way("push", "p"),)
    some = directory(consents=lambda thing, contact: contact == "s").find(notice(), NOON)
    assert [line.recipient for line in some.lines] == ["guardian:s"]
    none = directory(consents=lambda thing, contact: False)
    assert "not agreed" in none.find(notice(), NOON).why
    assert none.find(notice("119"), NOON).lines and none.find(notice("resident"), NOON).lines


def test_a_resident_is_told_on_the_screen_and_beside_it_by_speaker_and_telephone() -> None:
    screen, person = directory().find(notice("resident"), NOON).lines
    assert screen.ways == (Way("screen", "1"),)
    assert person.ways[:2] == (Way("speaker", "gw-1"), Way("voice", "+8223")) and person.language == "cs"


def test_who_is_not_there_is_said() -> None:
    assert directory().find(notice("nurse"), NOON).why == "there is no nurse"
    assert directory().find(notice(thing=5), NOON).why == "there is no Thing 5"
    assert directory().find(notice("unit:x"), NOON).why == "the city has no duty roster"


def test_119_is_not_given_up_before_both_time_and_attempts_are_over() -> None:
    rules = Rules()
    many = notice("119", attempts=tuple(Attempt(n, "dispatch", "119", NOON, "failed") for n in range(1, 70)))
    assert not rules.is_over(many, 69, NOON + timedelta(minutes=59))
    assert rules.is_over(many, 69, NOON + timedelta(minutes=61))
    assert not rules.is_over(notice("119"), 3, NOON + timedelta(hours=9))


def test_an_urgent_notice_that_reached_nobody_is_a_case_of_life_safety_and_an_exercise_is_not() -> None:
    assert undelivered_event(notice(urgent=True), NOON, "x").priority == 0
    assert undelivered_event(notice(urgent=True, exercise=True), NOON, "x").priority is None


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"quiet_from": "9 pm"}, {"retry_s": ()}, {"failover_s": 0.0}])
def test_a_setting_that_cannot_be_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSetup, match=f"outbox.{next(iter(wrong))}"):
        Rules(**wrong).check()  # type: ignore[arg-type]
