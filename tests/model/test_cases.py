"""Kinds of Case, the steps there are, and histories that were written before there were so many."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from dongne.model.case_kinds import (
    ALERT,
    BUILT_IN,
    CONSENT,
    MERGED,
    STAYING,
    WORK_ORDER,
    CaseKind,
    define_case_kind,
    kind_of,
)
from dongne.model.cases import RELATIONS, Case, CaseEvent, CaseLink, apply_event, chain_hash
from dongne.model.errors import BadInput, BadSetup, Conflict
from dongne.model.who import Right

T = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
KEY = "smart_bins/2/work_order/collect/round 3"
# What was stored before events had unit, cause and the rest: the record, the row of the history, the hash of the chain.
OLD = [
    (
        b"\x8c\xa3key\xd9'smart_bins/2/work_order/collect/round 3\xa4kind\xaawork_order\xa6action\xa4open\xa4name\xa7collect"
        b"\xa4time\xd7\xff;\x9a\xca\x00k\x006@\xa5thing\x02\xa7service\xaasmart_bins\xa5state\xa3new\xa6values\x81"
        b"\xadlevel_percent\xcb@W\xe0\x00\x00\x00\x00\x00\xa3due\xd7\xff;\x9a\xca\x00k\x00R`\xa8severity\xa8moderate\xa2by"
        b"\xb2service:smart_bins",
        b'{"key":"smart_bins/2/work_order/collect/round 3","kind":"work_order","action":"open","name":"collect","time":'
        b'"2026-11-20T12:00:00.250000Z","thing":2,"service":"smart_bins","state":"new","values":{"level_percent":95.5},'
        b'"due":"2026-11-20T14:00:00.250000Z","severity":"moderate","by":"service:smart_bins"}',
        "145348c9260122ca0a284da3f7449e4442b686c75090cead5a7f4a49a17b3d81",
    ),
    (
        b"\x8a\xa3key\xd9'smart_bins/2/work_order/collect/round 3\xa4kind\xaawork_order\xa6action\xa6accept\xa4name\xa7collect"
        b"\xa4time\xd7\xff;\x9a\xca\x00k\x007l\xa5thing\x02\xa7service\xaasmart_bins\xa5state\xa8accepted\xa2by\xa4Aino"
        b"\xa4note\xaa\xea\xb0\x80\xeb\x8a\x94 \xec\xa4\x91",
        b'{"key":"smart_bins/2/work_order/collect/round 3","kind":"work_order","action":"accept","name":"collect","time":'
        b'"2026-11-20T12:05:00.250000Z","thing":2,"service":"smart_bins","state":"accepted","by":"Aino","note":'
        b'"\xea\xb0\x80\xeb\x8a\x94 \xec\xa4\x91"}',
        "71bfe3a2e8bd0190ad97671d637aabd8458690d7d44ef18ce40435d14209c9b9",
    ),
    (
        b"\x87\xa3key\xd9'smart_bins/2/work_order/collect/round 3\xa4kind\xaawork_order\xa6action\xa6cancel\xa4name\xa7collect"
        b"\xa4time\xd7\xff;\x9a\xca\x00k\x008\\\xa5state\xa9cancelled\xa2by\xa4Aino",
        b'{"key":"smart_bins/2/work_order/collect/round 3","kind":"work_order","action":"cancel","name":"collect","time":'
        b'"2026-11-20T12:09:00.250000Z","state":"cancelled","by":"Aino"}',
        "1e69d22f2491cb6b56deee6642a06696ad8c87c1ad2659c0248036600d4ce2cf",
    ),
]
OLD_CASE = (
    b'{"id":7,"key":"smart_bins/2/work_order/collect/round 3","kind":"work_order","name":"collect","state":"cancelled",'
    b'"opened":"2026-11-20T12:00:00.250000Z","changed":"2026-11-20T12:09:00.250000Z","thing":2,"service":"smart_bins",'
    b'"values":{"level_percent":95.5},"due":"2026-11-20T14:00:00.250000Z","severity":"moderate","events":3,"hash":'
    b'"1e69d22f2491cb6b56deee6642a06696ad8c87c1ad2659c0248036600d4ce2cf"}'
)


def event(action: str, **more: object) -> CaseEvent:
    given = {"key": KEY, "kind": "work_order", "action": action, "name": "collect", "time": T, "by": "Aino", **more}
    return msgspec.convert(given, CaseEvent)


def opened(**more: object) -> Case:
    return step(None, event("open", thing=2, **more))


def step(case: Case | None, taken: CaseEvent, *, is_stored: bool = False) -> Case:
    applied = apply_event(case, taken, 7, is_stored=is_stored)
    assert applied is not None
    return applied[0]


def test_what_was_written_before_is_read_and_its_chain_holds() -> None:
    before, case = "", None
    for record, row, digest in OLD:
        stored = msgspec.msgpack.decode(record, type=CaseEvent)
        assert stored == msgspec.json.decode(row, type=CaseEvent)
        assert msgspec.json.encode(stored) == row, "nothing is added to what was hashed"
        before = chain_hash(before, stored)
        assert before == digest
        case = step(case, stored, is_stored=True)
        assert case.hash == digest
    old = msgspec.json.decode(OLD_CASE, type=Case)
    assert (old.is_closed, old.rank, old.respond_by, old.links) == (True, WORK_ORDER.priority, None, ())
    assert step(old, event("reopen")).state == "new", "and goes on"


def test_every_kind_ends_somewhere_and_can_be_opened_again() -> None:
    for kind in BUILT_IN:
        for state, steps in kind.steps.items():
            assert set(steps.values()) <= set(kind.steps), state
        assert MERGED in kind.closed
        again = {"reopen": kind.initial}
        assert kind.closed <= {state for state, steps in kind.steps.items() if steps in ({}, again)}
        assert set(kind.within_s) <= set(kind.steps) - kind.closed


@pytest.mark.parametrize("kind", BUILT_IN, ids=[kind.name for kind in BUILT_IN])
def test_steps_of_every_kind_are_there_in_each_open_state_only(kind: CaseKind) -> None:
    for state in kind.steps:
        for action in STAYING - {"link", "unlink"}:
            if state in kind.closed:
                with pytest.raises(Conflict, match="has no step"):
                    kind.after(state, action)
            else:
                assert kind.after(state, action) == state
        assert kind.after(state, "link") == state, "the other end of a link may be closed"


def test_a_step_says_why_where_the_kind_asks_for_it() -> None:
    case = opened()
    with pytest.raises(BadInput, match=r"to cancel a work_order needs a cause: not_needed, .*; none was given"):
        step(case, event("cancel"))
    with pytest.raises(BadInput, match="not 'boredom'"):
        step(case, event("cancel", cause="boredom"))
    with pytest.raises(BadInput, match="takes no cause"):
        step(case, event("done", cause="not_needed"))
    closed = step(case, event("cancel", cause="not_needed"))
    assert (closed.state, closed.cause) == ("cancelled", "not_needed")
    assert step(closed, event("reopen")).cause == ""


def test_an_assignment_says_unit_and_person_and_other_steps_leave_it() -> None:
    case = step(opened(unit="waste"), event("assign", unit="east", assignee="kim"))
    assert (case.unit, case.assignee, case.state, case.events) == ("east", "kim", "new", 2)
    assert step(case, event("note", note="late")).assignee == "kim"
    assert step(case, event("assign", unit="east")).assignee == ""


def test_a_merged_case_is_closed_with_its_cause_points_to_the_other_and_comes_back() -> None:
    case = opened()
    with pytest.raises(BadInput, match="say which"):
        step(case, event("merge", merged_into=KEY))
    merged = step(case, event("merge", merged_into="other"))
    assert (merged.is_closed, merged.state, merged.cause, merged.merged_into) == (True, MERGED, "merged", "other")
    with pytest.raises(Conflict):
        step(merged, event("merge", merged_into="third"))
    again = step(merged, event("reopen"))
    assert (again.state, again.cause, again.merged_into) == ("new", "", "")


def test_links_are_kept_once_and_taken_back() -> None:
    link = CaseLink("caused_by", "other")
    case = step(opened(), event("link", links=(link,)))
    case = step(case, event("link", links=(link, CaseLink("related", "third"))))
    assert case.links == (link, CaseLink("related", "third"))
    assert step(case, event("unlink", links=(link,))).links == (CaseLink("related", "third"),)
    for wrong in (CaseLink("likes", "other"), CaseLink("related", KEY)):
        with pytest.raises(BadInput, match="links no two cases"):
            step(case, event("link", links=(wrong,)))
    assert all(RELATIONS[other] == relation for relation, other in RELATIONS.items())


def test_who_saw_an_older_case_is_told_and_nothing_is_kept_of_that() -> None:
    case = step(opened(), event("accept", expects=1))
    with pytest.raises(Conflict) as refused:
        step(case, event("done", expects=1))
    assert refused.value.reason == "stale"
    applied = apply_event(case, event("done", expects=2), 9)
    assert applied is not None and applied[1].expects == 0


def test_a_state_must_be_left_in_time_and_the_first_deadline_counts() -> None:
    alert = step(None, event("open", kind="alert", severity="severe"))
    within = timedelta(seconds=ALERT.within_s["new"])
    assert (alert.rank, alert.respond_by, alert.deadline) == (2, T + within, T + within)
    noted = step(alert, event("note", kind="alert", time=T + timedelta(hours=1)))
    assert noted.respond_by == T + within, "a note is no answer"
    assert step(noted, event("acknowledge", kind="alert")).respond_by is None
    soon = T + timedelta(hours=1)
    assert step(None, event("open", kind="alert", due=soon)).deadline == soon


def test_priority_is_of_the_case_else_of_its_severity_else_of_its_kind() -> None:
    assert opened(priority=0).rank == 0
    assert opened().priority == WORK_ORDER.priority
    with pytest.raises(BadInput, match=r"out of 0\.\.9"):
        opened(priority=10)
    assert step(opened(), event("update", priority=3)).rank == 3


def test_access_once_said_stands_in_every_later_event() -> None:
    applied = apply_event(opened(access="personal"), event("note"), 8)
    assert applied is not None and applied[1].access == "personal" == applied[0].access


def test_a_kind_says_what_one_must_be_allowed() -> None:
    kind = msgspec.structs.replace(WORK_ORDER, rights={"cancel": Right.MODEL})
    assert (kind.right_of("cancel"), kind.right_of("accept")) == (Right.MODEL, Right.CASE)


def test_a_case_of_a_kind_nobody_describes_any_more_stays_open_and_takes_notes() -> None:
    at = {"kind": "of_a_service_that_is_gone", "key": "gone/1/x/y/z"}
    case = step(None, event("open", state="ringing", **at), is_stored=True)
    assert (case.state, case.is_closed, case.rank) == ("ringing", False, 5)
    case = step(case, event("answer", state="talking", **at), is_stored=True)
    assert case.state == "talking"
    assert step(case, event("note", note="who knows of it?", **at)).state == "talking"
    with pytest.raises(Conflict, match="has no step 'answer'"):
        step(case, event("answer", **at))
    with pytest.raises(BadInput, match="there is no kind of case"):
        step(None, event("open", **at))


def test_a_name_stands_for_one_kind() -> None:
    define_case_kind(ALERT)
    with pytest.raises(BadSetup, match="'alert' already"):
        define_case_kind(msgspec.structs.replace(ALERT, priority=3))
    assert kind_of("alert") == ALERT


def test_consent_is_open_while_it_holds_ends_with_a_cause_and_is_not_opened_again() -> None:
    key = {"kind": "consent", "key": "homes/1/consent/heart_rate/2026"}
    case = step(None, event("open", **key))
    assert (case.state, case.is_closed) == ("given", False)
    with pytest.raises(BadInput, match="needs a cause"):
        step(case, event("withdraw", **key))
    case = step(case, event("withdraw", cause="by_person", **key))
    assert (case.state, case.is_closed, case.cause) == ("withdrawn", True, "by_person")
    with pytest.raises(Conflict):
        step(case, event("reopen", **key))
    assert {CONSENT.right_of(action) for action in ("open", "withdraw", "expire")} == {Right.CONSENT}
    assert CONSENT.right_of("note") is Right.CASE
