"""What happens when a deadline passes: once, whatever happens beside it, and the same in a replay."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dongne.model.cases import Case, CaseEvent, apply_event
from dongne.model.duty import Unit
from dongne.model.entities import Thing, put
from dongne.model.errors import BadInput, Conflict
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.deadlines import Deadlines, overdue_event
from dongne.runtime.ports import CaseFilter, Entry, Store, Transaction
from dongne.runtime.roster import Roster
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.sealed import SealedStore

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ROSTER = Roster({"desk": Unit(next="chief"), "chief": Unit()}, {}, ZoneInfo("UTC"))


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.now = START

    def now_us(self) -> int:
        return to_us(self.now)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "store", clock, follow=False)
    yield opened
    opened.close()


def say(store: Store, action: str, key: str = "x/1/alert/smoke/1", **more: Any) -> None:
    given = {"key": key, "kind": "alert", "action": action, "name": "smoke", **more}
    given["time"] = datetime.fromtimestamp(store.clock.now_us() / 1e6, UTC)
    body = msgspec.msgpack.encode(msgspec.convert(given, CaseEvent))
    store.submit(Transaction([Entry(RecordKind.CASE, body)])).result()


def run(deadlines: Deadlines) -> None:
    for _ in range(50):
        if not deadlines.step():
            return
    raise AssertionError("it never comes to rest")


def case_of(store: Store, key: str = "x/1/alert/smoke/1") -> Case:
    found = store.find_case(key)
    assert found is not None
    return found


def actions(store: EmbeddedStore) -> list[str]:
    return [event.action for _, event, _ in store.list_case_events(case_of(store).id)]


def test_a_deadline_that_passes_is_said_once_and_makes_the_case_more_urgent(
    store: EmbeddedStore, clock: SetClock
) -> None:
    deadlines = Deadlines(store)
    say(store, "open")
    run(deadlines)
    assert deadlines.next_us == to_us(START + DAY)
    clock.now = START + DAY - MINUTE
    run(deadlines)
    assert actions(store) == ["open"]
    clock.now = START + DAY
    run(deadlines)
    case = case_of(store)
    assert (actions(store), case.state, case.rank, case.overdue) == (["open", "overdue"], "new", 4, START + DAY)
    assert case.deadline == START + DAY, "it is still late"
    clock.now += 100 * DAY
    run(deadlines)
    run(Deadlines(store))
    assert actions(store) == ["open", "overdue"] and deadlines.next_us is None


def test_what_was_done_in_time_is_not_overdue(store: EmbeddedStore, clock: SetClock) -> None:
    deadlines = Deadlines(store)
    say(store, "open", due=START + 3 * DAY)
    run(deadlines)
    say(store, "acknowledge")
    clock.now = START + 2 * DAY
    run(deadlines)
    assert actions(store) == ["open", "acknowledge"], "it left its state"
    say(store, "clear")
    clock.now = START + 4 * DAY
    run(deadlines)
    assert actions(store) == ["open", "acknowledge", "clear"]


def test_each_of_two_deadlines_and_one_put_off_is_said(store: EmbeddedStore, clock: SetClock) -> None:
    deadlines = Deadlines(store)
    say(store, "open", due=START + HOUR)
    clock.now = START + HOUR
    run(deadlines)
    clock.now = START + 2 * HOUR
    say(store, "update", due=START + 3 * HOUR)
    run(deadlines)
    clock.now = START + 2 * DAY
    run(deadlines)
    assert [event.time - START for _, event, _ in store.list_case_events(case_of(store).id) if event.action == "overdue"] == [
        HOUR, 3 * HOUR, DAY,
    ]  # fmt: skip
    assert case_of(store).rank == 2


def test_life_safety_is_not_made_of_lateness(store: EmbeddedStore, clock: SetClock) -> None:
    say(store, "open", "a", priority=1)
    say(store, "open", "b", priority=0)
    clock.now = START + DAY
    run(Deadlines(store))
    assert (case_of(store, "a").rank, case_of(store, "b").rank) == (1, 0)


def test_the_next_unit_gets_it_with_the_time_of_its_state_again_and_the_last_one_keeps_it(
    store: EmbeddedStore, clock: SetClock
) -> None:
    deadlines = Deadlines(store, ROSTER.next_unit)
    say(store, "open", unit="desk", assignee="kim")
    clock.now = START + DAY
    run(deadlines)
    case = case_of(store)
    assert (case.unit, case.assignee, case.respond_by) == ("chief", "", START + 2 * DAY)
    clock.now = START + 2 * DAY
    run(deadlines)
    case = case_of(store)
    assert (case.unit, case.rank, case.respond_by) == ("chief", 3, START + 2 * DAY)
    clock.now = START + 9 * DAY
    run(deadlines)
    assert actions(store) == ["open", "overdue", "overdue"]


def test_a_crash_between_says_it_neither_twice_nor_never(store: EmbeddedStore, clock: SetClock) -> None:
    """Two followers at once, one of them from before a step: the second is dropped, and counted."""
    say(store, "open")
    one, other = Deadlines(store), Deadlines(store)
    clock.now = START + DAY
    run(one)
    run(other)
    body = msgspec.msgpack.encode(
        overdue_event(msgspec.structs.replace(case_of(store), overdue=None), ROSTER.next_unit)
    )
    receipt = store.submit(Transaction([Entry(RecordKind.CASE, body, 1, "deadlines")])).result()
    assert receipt.numbers == (0,)
    assert actions(store) == ["open", "overdue"]


def test_a_step_at_the_same_moment_does_not_hide_that_it_is_overdue(store: EmbeddedStore, clock: SetClock) -> None:
    say(store, "open")
    deadlines = Deadlines(store)
    clock.now = START + DAY
    say(store, "note", note="on my way")
    run(deadlines)
    assert actions(store) == ["open", "note", "overdue"]


def test_an_instant_that_is_no_deadline_of_the_case_is_refused(store: EmbeddedStore) -> None:
    say(store, "open")
    wrong = msgspec.structs.replace(overdue_event(case_of(store), ROSTER.next_unit), time=START + HOUR)
    with pytest.raises(Conflict, match="no deadline of the case is at 2026-11-20T13:00:00"):
        apply_event(case_of(store), wrong, 9)


def test_deadlines_of_homes_pass_too_and_those_of_one_that_withdrew_are_nobodys(
    tmp_path: Path, clock: SetClock
) -> None:
    homes = SealedStore.open(tmp_path / "homes", clock, master_file=tmp_path / "key")
    try:
        things = [Thing(id=n, name=f"home {n}", properties={"kind": "home", "access": "personal"}) for n in (1, 2)]
        body = msgspec.msgpack.encode([put(thing) for thing in things])
        homes.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
        deadlines = Deadlines(homes, ROSTER.next_unit)
        for home in (1, 2):
            say(homes, "open", f"x/{home}/alert/smoke/1", thing=home, unit="desk")
        run(deadlines)
        homes.withdraw(2)
        clock.now = START + DAY
        run(deadlines)
        assert case_of(homes, "x/1/alert/smoke/1").unit == "chief"
        assert homes.find_case("x/2/alert/smoke/1") is None
        run(Deadlines(homes, ROSTER.next_unit))
        (case,) = homes.list_cases(CaseFilter(is_open=True))
        assert [event.action for _, event, _ in homes.list_case_events(case.id)] == ["open", "overdue"]
    finally:
        homes.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["open", "acknowledge", "clear", "reopen", "note", "wait", "restart"])), max_size=25),
    data=st.randoms(use_true_random=False),
)  # fmt: skip
def test_whatever_happens_each_deadline_is_said_once_and_a_replay_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[int, str]], data: Any
) -> None:
    clock = SetClock()
    store = EmbeddedStore.open(tmp_path_factory.mktemp("deadlines") / "store", clock, follow=False)
    try:
        deadlines = Deadlines(store, ROSTER.next_unit)
        for number, action in plan:
            key = f"x/{number}/alert/smoke/1"
            if action == "wait":
                clock.now += number * 7 * HOUR
            elif action == "restart":
                deadlines = Deadlines(store, ROSTER.next_unit)
            else:
                try:
                    say(store, action, key, unit=data.choice(["", "desk", "chief"]) if action == "open" else "")
                except (BadInput, Conflict) as error:
                    assert "has no step" in str(error) or "there is no case" in str(error)
            if data.random() < 0.5:
                run(deadlines)
        run(deadlines)
        for case in store.list_cases(CaseFilter(limit=100)):
            events = [event for _, event, _ in store.list_case_events(case.id)]
            said = [event.time for event in events if event.action == "overdue"]
            assert len(said) == len(set(said))
            assert case.next_deadline is None or case.next_deadline > clock.now
            again: Case | None = None
            for event in events:
                applied = apply_event(again, event, case.id, is_stored=True)
                assert applied is not None
                again = applied[0]
            assert again == case
    finally:
        store.close()
