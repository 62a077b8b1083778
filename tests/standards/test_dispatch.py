"""What 119 is handed: valid, the same at each repeat, nothing told that was not agreed to, and never refused for a detail."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dongne.model.errors import BadInput, TooLarge, WrongForm
from dongne.model.notices import Notice
from dongne.standards.cap import xml as cap_xml
from dongne.standards.cap.message import Alert, Named, list_in_force
from dongne.standards.dispatch import body
from dongne.standards.dispatch.alarm import (
    CAUSES,
    CONTACTS,
    MEDICAL_NOTE,
    Alarm,
    DispatchHome,
    Earlier,
    Evidence,
    Says,
    identifier_of,
)
from dongne.standards.dispatch.build import Dispatch, build_dispatch, certainty_of
from dongne.standards.dispatch.events import DispatchEvent, DispatchEvents, answer_of, read_events
from dongne.standards.dispatch.noticed import alarm_of
from dongne.standards.pidf_lo.call_data import Comment, Related, Text
from dongne.standards.pidf_lo.place import Circle, Civic

ZONE = timezone(timedelta(hours=9))
WHEN = datetime(2026, 11, 28, 5, 5, 7, 250_000, tzinfo=UTC)
PROPERTIES: dict[str, Any] = {
    "access": "personal", "person": "p-7f3a", "language": "ko", "medical_note": "심장 수술 2021, 와파린 복용",
    "address": {"country": "kr", "A1": "서울특별시", "A3": "중구", "RD": "세종대로", "HNO": "110", "FLR": " 3층 ", "city": "x", "A2": ""},
    "contacts": [
        {"id": "c1", "role": "guardian", "name": "김영희", "language": "ko", "addresses": [["sms", "+82 10-1234-5678"]]},
        {"id": "c2", "role": "neighbour", "name": "이웃", "language": "ko", "addresses": [["mail", "a@example.org"]]},
    ],
}  # fmt: skip
HOME = DispatchHome(properties=PROPERTIES, point=(126.978, 37.5665), consented=frozenset({MEDICAL_NOTE, CONTACTS}))
ALARM = Alarm(
    key="home_alarm/17/fire/3", sent=WHEN, kind="fire", raised=WHEN - timedelta(seconds=4), call_back="+82-2-555-0100",
    evidence=(Evidence(WHEN - timedelta(seconds=4), "smoke", "smoke-1", 1.0), Evidence(WHEN - timedelta(seconds=1), "heat", "heat-1", 1.0)),
)  # fmt: skip
SAYS = Says("화재 신고: 독거 어르신 댁", "연기 감지기와 열 감지기가 함께 울렸습니다.", "ko")


def build(alarm: Alarm = ALARM, home: DispatchHome = HOME, says: Says = SAYS) -> Dispatch:
    return build_dispatch(alarm, home, says, sender="dongne@city.example.org", zone=ZONE)


def change(made: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(made, **changes)


def test_the_alert_says_what_happened_where_and_how_sure_it_is() -> None:
    alert = build().alert
    info = alert.infos[0]
    assert (alert.status, alert.msg_type, alert.scope, alert.addresses) == ("Actual", "Alert", "Private", ("119",))
    assert alert.sent.isoformat() == "2026-11-28T14:05:07+09:00"
    assert (info.categories, info.urgency, info.severity, info.certainty) == (
        ("Fire", "Rescue"),
        "Immediate",
        "Extreme",
        "Likely",
    )
    assert (info.headline, info.description, info.language, info.contact) == (
        *msgspec.structs.astuple(SAYS),
        "+82-2-555-0100",
    )
    assert info.parameters == (
        Named("callBack", "+82-2-555-0100"), Named("evidence", "2026-11-28T14:05:03+09:00 smoke smoke-1 1"),
        Named("evidence", "2026-11-28T14:05:06+09:00 heat heat-1 1"),
    )  # fmt: skip
    area = info.areas[0]
    assert area.area_desc == "서울특별시 중구 세종대로 110 3층"
    assert (area.circles[0].centre, area.circles[0].radius_km) == ((126.978, 37.5665), 0.015)


def test_the_place_goes_beside_it_as_point_and_address() -> None:
    presence = build().presence
    assert presence is not None
    assert presence.geopriv.shape == Circle((126.978, 37.5665), 15.0)
    assert presence.geopriv.civic == Civic(
        {"country": "KR", "A1": "서울특별시", "A3": "중구", "RD": "세종대로", "HNO": "110", "FLR": "3층"}, "ko"
    )
    assert presence.geopriv.retention_expiry == datetime(2026, 11, 29, 5, 5, 7, tzinfo=UTC)
    assert presence.geopriv.retransmission_allowed is False


SECRETS = {MEDICAL_NOTE: ["와파린"], CONTACTS: ["김영희", "1234"]}


@pytest.mark.parametrize("consented", [frozenset(), {MEDICAL_NOTE}, {CONTACTS}, {MEDICAL_NOTE, CONTACTS}])
def test_only_what_the_person_agreed_to_is_in_the_body(consented: frozenset[str]) -> None:
    dispatch = build(home=change(HOME, consented=frozenset(consented)))
    content = body.encode(dispatch)[1].decode()
    for name, secrets in SECRETS.items():
        assert all((secret in content) == (name in consented) for secret in secrets)
    assert dispatch.comment == (
        Comment("dongne@city.example.org", (Text("심장 수술 2021, 와파린 복용", "ko"),))
        if MEDICAL_NOTE in consented
        else None
    )
    assert dispatch.subscriber is not None
    assert (dispatch.subscriber.name, dispatch.subscriber.telephones) == ("p-7f3a", ("tel:+8225550100",))
    assert dispatch.subscriber.related == (
        (Related(("emergency",), "김영희", "tel:+821012345678"), Related(("emergency", "neighbor"), "이웃", ""))
        if CONTACTS in consented
        else ()
    )


def test_an_identifier_is_lasting_and_tells_nobody_whose_home_it_is() -> None:
    identifier = build().alert.identifier
    assert (
        identifier
        == identifier_of("dongne@city.example.org", "home_alarm/17/fire/3")
        == build(change(ALARM, evidence=())).alert.identifier
    )
    assert len(identifier) == 32 and identifier.isalnum()
    assert identifier != identifier_of("dongne@other.example.org", ALARM.key)
    assert "home_alarm" not in body.encode(build())[1].decode().replace("dongne:home_alarm", "")
    assert body.encode(build()) == body.encode(build())


def test_an_update_and_a_cancel_refer_to_all_that_went_before() -> None:
    first, second = Earlier(ALARM.key, WHEN), Earlier("home_alarm/17/fire more/3", WHEN + timedelta(seconds=20))
    update = change(ALARM, key=second.key, sent=second.sent, earlier=(first,))
    cancel = change(
        ALARM, key="home_alarm/17/fire over/3", sent=WHEN + timedelta(seconds=40), earlier=(first, second), ends=True
    )
    alerts = [build(alarm).alert for alarm in (ALARM, update, cancel)]
    assert [alert.msg_type for alert in alerts] == ["Alert", "Update", "Cancel"]
    assert alerts[2].references == (alerts[0].reference, alerts[1].reference)
    assert {alert.incidents for alert in alerts} == {(alerts[0].identifier,)}
    assert (alerts[2].infos[0].urgency, alerts[2].infos[0].certainty, alerts[2].note) == (
        "Past",
        "Unlikely",
        SAYS.headline,
    )
    assert list_in_force(alerts[:2]) == [alerts[1]] and list_in_force(alerts) == []


def test_it_is_observed_when_a_person_says_so_likely_when_two_devices_agree_else_possible() -> None:
    smoke, again, other = (Evidence(WHEN, "smoke", device) for device in ("s1", "s1", "s2"))
    assert certainty_of(change(ALARM, evidence=(smoke, again))) == "Possible"
    assert certainty_of(change(ALARM, evidence=(smoke, other))) == "Likely"
    assert certainty_of(change(ALARM, evidence=(Evidence(WHEN, "chest_pain", "watch"),))) == "Observed"
    assert certainty_of(change(ALARM, evidence=())) == "Possible"


def test_a_home_where_nobody_lives_is_a_test_and_an_exercise_is_one() -> None:
    nobody = change(HOME, properties={**PROPERTIES, "simulated": True})
    assert build(home=nobody).alert.status == "Test"
    assert build(change(ALARM, exercise=True), nobody).alert.status == "Exercise"


anything = (
    st.none()
    | st.text(max_size=12)
    | st.integers()
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)
)
strange_homes = st.builds(
    DispatchHome,
    properties=st.fixed_dictionaries({}, optional={
        "address": anything | st.dictionaries(st.sampled_from(["country", "A1", "RD", "HNO", "LOC"]), st.text(max_size=8), max_size=5),
        "language": anything, "medical_note": anything, "person": anything, "telephone": anything,
        "contacts": anything | st.lists(st.fixed_dictionaries({"role": anything, "name": anything}, optional={"addresses": st.just([["sms", "+82 2"], ["x"]])}), max_size=2),
    }),
    point=st.none() | st.tuples(st.floats(-180, 180), st.floats(-90, 90)), radius_m=st.sampled_from([0.0, 15.0]),
    consented=st.sets(st.sampled_from([MEDICAL_NOTE, CONTACTS])).map(frozenset),
)  # fmt: skip
strange_alarms = st.builds(
    Alarm, key=st.text(max_size=9), sent=st.just(WHEN), kind=st.sampled_from([*CAUSES, "flood", "\x00", ""]), raised=st.just(WHEN),
    evidence=st.lists(st.builds(Evidence, st.just(WHEN), st.text(max_size=6), st.text(max_size=6), st.none() | st.floats()), max_size=3).map(tuple),
    call_back=st.text(max_size=9), earlier=st.lists(st.builds(Earlier, st.text(max_size=4), st.just(WHEN)), max_size=2).map(tuple),
    ends=st.booleans(), exercise=st.booleans(),
)  # fmt: skip


@settings(max_examples=25, deadline=None, phases=[Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(
    strange_alarms,
    strange_homes,
    st.builds(Says, st.text(max_size=9), st.text(max_size=9), st.sampled_from(["ko", "en"])),
)
def test_however_little_or_strange_is_known_the_alarm_can_be_handed_over(
    alarm: Alarm, home: DispatchHome, says: Says
) -> None:
    dispatch = build(alarm, home, says)
    read = body.decode(*body.encode(dispatch))
    assert (read.alert.identifier, read.alert.msg_type) == (dispatch.alert.identifier, dispatch.alert.msg_type)


@pytest.mark.parametrize("kind", CAUSES)
def test_what_is_handed_over_is_valid_cap(cap_schema: Any, kind: str) -> None:
    from lxml import etree

    earlier = (Earlier(ALARM.key, WHEN),)
    for alarm in (
        change(ALARM, kind=kind),
        change(ALARM, kind=kind, earlier=earlier),
        change(ALARM, kind=kind, earlier=earlier, ends=True),
    ):
        cap_schema.assertValid(etree.fromstring(cap_xml.encode(build(alarm).alert)))


# --- of a notice


def notice(**more: Any) -> Notice:
    given = {
        "key": "home_alarm/17/dispatch/3",
        "name": "dispatch",
        "to": "119",
        "state": "requested",
        "requested": WHEN,
        "changed": WHEN,
    }
    return Notice(id=1, **{**given, **more})


def test_a_notice_becomes_the_alarm_it_is_about() -> None:
    values = {
        "kind": "fire", "raised": "2026-11-28T05:05:03.250Z", "call_back": "+82-2-555-0100",
        "evidence": [{"time": "2026-11-28T14:05:03.250+09:00", "property": "smoke", "datastream": 7, "value": 1}],
    }  # fmt: skip
    first = notice(key="home_alarm/17/dispatch/2")
    assert alarm_of(notice(values=values, follows=first.key, ends=True), [first], lambda stream: f"smoke-{stream}") == Alarm(
        key="home_alarm/17/dispatch/3", sent=WHEN, kind="fire", raised=WHEN - timedelta(seconds=4), call_back="+82-2-555-0100",
        evidence=(Evidence(WHEN - timedelta(seconds=4), "smoke", "smoke-7", 1.0),), earlier=(Earlier(first.key, WHEN),), ends=True,
    )  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["kind", "raised", "call_back", "evidence"]),
        anything | st.lists(anything, max_size=3),
        max_size=5,
    )
)
def test_values_that_nobody_foresaw_leave_an_alarm(values: dict[str, Any]) -> None:
    alarm = alarm_of(notice(values=values))
    assert (alarm.key, alarm.sent, alarm.exercise) == ("home_alarm/17/dispatch/3", WHEN, False)
    assert build(alarm).alert.msg_type == "Alert"


def test_an_exercise_is_one_by_the_notice_or_by_its_values() -> None:
    assert alarm_of(notice(exercise=True)).exercise and alarm_of(notice(values={"exercise": True})).exercise


# --- the body


def test_the_body_is_a_multipart_whose_root_is_the_alert() -> None:
    content_type, content = body.encode(build())
    import email

    message = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content
    )  # the library's own reader
    assert message.get_content_type() == "multipart/related"
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert [part.get_content_type() for part in parts] == [
        "application/emergencycalldata.cap+xml", "application/pidf+xml",
        "application/emergencycalldata.subscriberinfo+xml", "application/emergencycalldata.comment+xml",
    ]  # fmt: skip
    assert message.get_param("start") == parts[0]["content-id"]
    assert message.get_param("type") == "application/EmergencyCallData.cap+xml"
    assert body.decode(content_type, content) == build()


def test_a_boundary_never_stands_in_a_part() -> None:
    boundary = f"=_{build().alert.identifier}"
    dispatch = build(says=Says("a", f"text\r\n--{boundary}--\r\n"))
    read = body.decode(*body.encode(dispatch))
    assert read.alert.infos[0].description == dispatch.alert.infos[0].description


CONTENT_TYPE, CONTENT = body.encode(build())


@pytest.mark.parametrize(
    ("content_type", "content", "message"),
    [
        ("application/json", CONTENT, "send multipart/related"),
        ("multipart/related", CONTENT, "is no multipart/related of at most"),
        (CONTENT_TYPE, b"", "is no multipart/related of at most"),
        (CONTENT_TYPE, CONTENT[: len(CONTENT) // 2], "is no multipart/related of at most"),
        (CONTENT_TYPE, CONTENT.replace(b"EmergencyCallData.cap", b"x"), "has no part"),
        (CONTENT_TYPE, CONTENT.replace(b"pidf+xml", b"EmergencyCallData.cap+xml"), "is there twice"),
        (CONTENT_TYPE, CONTENT.replace(b"<status>Actual", b"<status>Real"), "'Real' is not one"),
        (CONTENT_TYPE, CONTENT.replace(b"37.5665 126.978", b"137.5665 126.978"), "lies nowhere on earth"),
    ],
)  # fmt: skip
def test_a_body_that_is_wrong_is_refused(content_type: str, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        body.decode(content_type, content)


def test_what_is_too_large_or_no_multipart_is_refused_by_name() -> None:
    with pytest.raises(TooLarge):
        body.decode(CONTENT_TYPE, b" " * (body.MOST_BYTES + 1))
    with pytest.raises(WrongForm):
        body.decode("multipart/related\nx: y", CONTENT)


@settings(deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(
        ["multipart/related", 'multipart/related; boundary="a"', "multipart/related; boundary=", CONTENT_TYPE]
    ),
)
def test_any_other_bytes_are_refused_and_break_nothing(content: bytes, content_type: str) -> None:
    with pytest.raises(BadInput):
        body.decode(content_type, content)


# --- what the desk says later


def test_an_event_is_an_answer_that_names_it() -> None:
    event = DispatchEvent(number=4, incident="abc", time=WHEN, step="unit_sent", by="박 상황요원", unit="종로 구급 1")
    answer = answer_of("seoul", event)
    assert (answer.answer, answer.by, answer.time) == ("acknowledged", "seoul/4: 박 상황요원", WHEN)
    assert answer.values == {"step": "unit_sent", "unit": "종로 구급 1"}
    page = DispatchEvents((event,), 4)
    assert read_events(msgspec.json.encode(page)) == page


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"events": [{"number": 0}], "last": 1}', b"\xff"])
def test_events_that_are_not_as_agreed_are_refused(document: bytes) -> None:
    with pytest.raises(BadInput, match="not as agreed"):
        read_events(document)


def test_alerts_are_private() -> None:
    alert: Alert = build().alert
    assert alert.scope == "Private"
