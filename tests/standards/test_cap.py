"""CAP 1.2: what is written is valid and read as the same; what the standard forbids is refused with value and place."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dongne.model.errors import BadInput, TooLarge
from dongne.model.times import EPOCH
from dongne.standards.cap import message as cap
from dongne.standards.cap.chain import Turn, chain
from dongne.standards.cap.message import Alert, Area, Circle, Info, Named, Reference, Resource, list_in_force
from dongne.standards.cap.values import read_instant, write_instant
from dongne.standards.cap.xml import MOST_BYTES, NAMESPACE, decode, encode

CAP = {"cap": NAMESPACE}
SENT = datetime(2026, 11, 28, 14, 5, tzinfo=timezone(timedelta(hours=9)))
INFO = Info(categories=("Fire",), event="Fire", urgency="Immediate", severity="Severe", certainty="Observed")
ALERT = Alert(
    identifier="a.1", sender="city@example.org", sent=SENT, status="Actual", msg_type="Alert", scope="Public", infos=(INFO,)
)  # fmt: skip


def change(made: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(made, **changes)


# --- round trips

OF_ALL_SORTS = "aZ 0.,:;-_/<>&\"'\n\t\r\u00a0\u2028가힣é\ud7ff\ue000\ufffd\U0001f6a8"
texts = st.text(OF_ALL_SORTS, max_size=8).filter(lambda text: not text or text.strip())
some = st.text(OF_ALL_SORTS, min_size=1, max_size=8).filter(lambda text: text.strip())
bare = texts.map(str.strip)
tokens = st.text("aZ0@.:_-가", min_size=1, max_size=8)
seconds = st.integers(-60_000_000_000, 250_000_000_000)  # of the years 69 to 9892
minutes = st.integers(-14 * 60, 14 * 60)
instants = st.builds(
    lambda s, m: (EPOCH + timedelta(seconds=s)).astimezone(timezone(timedelta(minutes=m))), seconds, minutes
)
numbers = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)
points = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
rings = st.lists(points, min_size=3, max_size=5).map(lambda ring: (*ring, ring[0]))
named = st.builds(Named, some.map(str.strip), some)
groups = st.lists(some.filter(lambda text: '"' not in text), max_size=3).map(tuple)


def tuples(values: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=least, max_size=1 + least).map(tuple)


areas = st.builds(
    Area, area_desc=some, polygons=tuples(rings), circles=tuples(st.builds(Circle, points, numbers.map(abs))),
    geocodes=tuples(named), altitude=numbers, ceiling=st.none() | numbers,
)  # fmt: skip
resources = st.builds(
    Resource, resource_desc=some, mime_type=st.just("image/png"), size=st.none() | st.integers(0, 10**12),
    uri=st.just("https://example.org/a?b&c"), deref_uri=st.just("aGVsbG8="), digest=bare,
)  # fmt: skip
infos = st.builds(
    Info, categories=tuples(st.sampled_from(get_args(cap.Category)), 1), event=some,
    urgency=st.sampled_from(get_args(cap.Urgency)), severity=st.sampled_from(get_args(cap.Severity)),
    certainty=st.sampled_from(get_args(cap.Certainty)), language=st.sampled_from(["ko", "en-US", "zh-Hant-TW"]),
    response_types=tuples(st.sampled_from(get_args(cap.ResponseType))), audience=texts, event_codes=tuples(named),
    effective=st.none() | instants, onset=st.none() | instants, expires=st.none() | instants, sender_name=texts,
    headline=texts, description=texts, instruction=texts, web=st.just("https://example.org/"), contact=texts,
    parameters=tuples(named), resources=tuples(resources), areas=tuples(areas),
)  # fmt: skip
alerts = st.builds(
    Alert, identifier=tokens, sender=tokens, sent=instants, status=st.sampled_from(get_args(cap.Status)),
    msg_type=st.sampled_from(get_args(cap.MsgType)), scope=st.sampled_from(get_args(cap.Scope)), source=texts, restriction=some,
    addresses=st.lists(some.filter(lambda text: '"' not in text), min_size=1, max_size=2).map(tuple), codes=tuples(bare.filter(bool)),
    note=texts, references=tuples(st.builds(Reference, tokens, tokens, instants), 1), incidents=groups, infos=tuples(infos),
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])  # many parts
@given(alerts)
def test_what_is_written_is_read_as_the_same(alert: Alert) -> None:
    document = encode(alert)
    assert decode(document) == alert
    assert encode(decode(document)) == document  # with the offsets


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])  # many parts
@given(alert=alerts)
def test_what_is_written_is_valid(cap_schema: Any, alert: Alert) -> None:
    from lxml import etree

    cap_schema.assertValid(etree.fromstring(encode(alert)))


# --- the standard's own examples (Appendix A): their facts, written by hand


@dataclass(frozen=True)
class Example:
    alert: Alert
    says: dict[str, str]  # path -> the text there


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


EXAMPLES = {
    "A.1": Example(
        Alert(
            identifier="43b080713727", sender="hsas@dhs.gov", sent=at("2003-04-02T14:39:01-05:00"), status="Actual",
            msg_type="Alert", scope="Public",
            infos=(
                Info(
                    categories=("Security",), event="Advisory", urgency="Immediate", severity="Severe", certainty="Likely",
                    parameters=(Named("HSAS", "ORANGE"),), areas=(Area(area_desc="nationwide"),),
                    resources=(Resource(resource_desc="Image", mime_type="image/gif", uri="http://www.dhs.gov/dhspublic/getAdvisoryImage"),),
                ),
            ),
        ),
        {
            "cap:sent": "2003-04-02T14:39:01-05:00", "cap:info/cap:category": "Security",
            "cap:info/cap:parameter/cap:value": "ORANGE", "cap:info/cap:resource/cap:mimeType": "image/gif",
        },
    ),
    "A.2": Example(
        Alert(
            identifier="KSTO1055887203", sender="KSTO@NWS.NOAA.GOV", sent=at("2003-06-17T14:57:00-07:00"), status="Actual",
            msg_type="Alert", scope="Public",
            infos=(
                Info(
                    categories=("Met",), event="SEVERE THUNDERSTORM", response_types=("Shelter",), urgency="Immediate",
                    severity="Severe", certainty="Observed", event_codes=(Named("SAME", "SVR"),),
                    expires=at("2003-06-17T16:00:00-07:00"),
                    areas=(
                        Area(
                            area_desc="three counties",
                            polygons=(((-120.14, 38.47), (-119.95, 38.34), (-119.74, 38.52), (-119.89, 38.62), (-120.14, 38.47)),),
                            geocodes=(Named("SAME", "006109"), Named("SAME", "006009"), Named("SAME", "006003")),
                        ),
                    ),
                ),
            ),
        ),
        {
            "cap:info/cap:area/cap:polygon": "38.47,-120.14 38.34,-119.95 38.52,-119.74 38.62,-119.89 38.47,-120.14",
            "cap:info/cap:expires": "2003-06-17T16:00:00-07:00", "cap:info/cap:eventCode/cap:value": "SVR",
        },
    ),
    "A.3": Example(
        Alert(
            identifier="TRI13970876.2", sender="trinet@caltech.edu", sent=at("2003-06-11T20:56:00-07:00"), status="Actual",
            msg_type="Update", scope="Public",
            references=(Reference("trinet@caltech.edu", "TRI13970876.1", at("2003-06-11T20:30:00-07:00")),),
            infos=(
                Info(
                    categories=("Geo",), event="Earthquake", urgency="Past", severity="Minor", certainty="Observed",
                    areas=(Area(area_desc="the epicentre", circles=(Circle((-115.5527, 32.9525), 0.0),)),),
                ),
            ),
        ),
        {
            "cap:references": "trinet@caltech.edu,TRI13970876.1,2003-06-11T20:30:00-07:00",
            "cap:info/cap:area/cap:circle": "32.9525,-115.5527 0", "cap:msgType": "Update",
        },
    ),
    "A.4": Example(
        Alert(
            identifier="KAR0-0306112239-SW", sender="KARO@CLETS.DOJ.CA.GOV", sent=at("2003-06-11T22:39:00-07:00"),
            status="Actual", msg_type="Alert", scope="Public",
            infos=tuple(
                Info(
                    language=language, categories=("Rescue",), event=event, urgency="Immediate", severity="Severe",
                    certainty="Likely", event_codes=(Named("SAME", "CAE"),),
                )
                for language, event in (("en-US", "Child Abduction"), ("es-US", "Abducción de Niño"))
            ),
        ),
        {"cap:info[1]/cap:language": "en-US", "cap:info[2]/cap:language": "es-US", "cap:info[2]/cap:event": "Abducción de Niño"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_standards_examples_have_each_fact_in_its_place(name: str) -> None:
    example = EXAMPLES[name]
    root = ElementTree.fromstring(encode(example.alert))
    assert {path: root.findtext(path, namespaces=CAP) for path in example.says} == example.says
    assert decode(encode(example.alert)) == example.alert


def test_messages_of_others_are_read_with_the_white_space_they_have() -> None:
    text = encode(EXAMPLES["A.3"].alert).decode()
    spread = re.sub(r"<(identifier|sender|sent|status|references|circle|severity)>(.*?)</", r"<\1>\n    \2\n  </", text)
    signed = spread.replace(
        "</alert>", '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><a/></Signature></alert>'
    )
    prefixed = re.sub(r"<(/?)(?!Sig|/Sig|a/|\?)(\w)", r"<\1c:\2", signed).replace(
        "<c:alert xmlns=", "<c:alert xmlns:c="
    )
    assert spread != text and "c:info" in prefixed
    for document in (spread, signed, prefixed.replace("</c:Sig", "</Sig"), "\ufeff" + text):
        assert decode(document.encode()) == EXAMPLES["A.3"].alert


# --- instants


def test_utc_is_written_as_the_standard_says_and_z_is_refused() -> None:
    assert write_instant(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00-00:00"
    assert write_instant(SENT) == "2026-11-28T14:05:00+09:00"
    assert read_instant("2026-01-01T00:00:00-00:00") == read_instant("2026-01-01T09:00:00+09:00")
    for text in (
        "2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.5+09:00", "2026-01-01", "2026-13-01T00:00:00+09:00",
        "2026-01-01T00:00:00,09:00", "2026-01-01T24:00:00+09:00", "2026-01-01T00:00:00+15:00", "2026-01-01T00:00:00+0900",
    ):  # fmt: skip
        with pytest.raises(ValueError, match="with an offset, and -00:00 for UTC"):
            read_instant(text)
    for instant in (SENT.replace(tzinfo=None), datetime(2026, 1, 1, 0, 0, 0, 5, UTC)):
        with pytest.raises(ValueError, match="whole seconds, and a zone"):
            write_instant(instant)


# --- refusals


def spoilt(old: str, new: str, alert: Alert = ALERT) -> bytes:
    text = encode(alert).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


FULL = change(
    ALERT,
    infos=(
        change(INFO, response_types=("Avoid",), areas=(
            Area(area_desc="here", polygons=(((1.0, 2.0), (3.0, 2.0), (3.0, 4.0), (1.0, 2.0)),), circles=(Circle((1.0, 2.0), 0.5),), altitude=3.0),
        )),
    ),
)  # fmt: skip
ENUMERATED = {
    "status": "Actual", "msgType": "Alert", "scope": "Public", "category": "Fire", "responseType": "Avoid",
    "urgency": "Immediate", "severity": "Severe", "certainty": "Observed",
}  # fmt: skip


@pytest.mark.parametrize("tag", ENUMERATED)
def test_a_value_that_no_enumeration_has_is_named_with_its_place_and_those_there_are(tag: str) -> None:
    with pytest.raises(
        BadInput, match=rf"alert/.*{tag}.*: 'Purple' is not one that CAP 1.2 knows; use one of \w+, "
    ) as caught:
        decode(spoilt(f"<{tag}>{ENUMERATED[tag]}<", f"<{tag}>Purple<", FULL))
    assert ENUMERATED[tag] in caught.value.message


@pytest.mark.parametrize(
    "tag", ["identifier", "sender", "sent", "status", "msgType", "scope", "category", "event", "urgency", "areaDesc"]
)
def test_what_must_be_there_is_missed(tag: str) -> None:
    text = re.sub(rf" *<{tag}>.*?</{tag}>\n", "", encode(FULL).decode(), count=1)
    with pytest.raises(BadInput, match=rf"{tag} is missing; it must be there"):
        decode(text.encode())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<event>Fire</event>", "<event>Fire</event><colour>red</colour>", r"alert/info\[1\] has '.*colour', which CAP"),
        ("<event>Fire</event>", "<event>Fire</event><event>Fire</event>", r"alert/info\[1\]/event is there twice"),
        ("<category>", "<event>Fire</event><category>", r"alert/info\[1\]/category\[1\]|category is there twice, or too late"),
        ("<event>Fire", "<event><b/>Fire", r"alert/info\[1\]/event has elements in it"),
        ("<info>", "<info>text", r"alert/info\[1\] has text of its own"),
        ("<identifier>a.1", "<identifier>a, 1", "alert/identifier: 'a, 1' must be there, without white space, commas"),
        ("2,1</polygon", "2.5,1</polygon", r"alert/info\[1\]/area\[1\]/polygon\[1\]: .* is no polygon; give at least 4"),
        ("2,1 0.5", "2,1 -0.5", r"area\[1\]/circle\[1\]: '2,1 -0.5' has a radius below 0"),
        ("2,1 0.5", "2,1", r"is no circle; write latitude,longitude and kilometres"),
        ("2,1 0.5", "91,1 0.5", "lies nowhere on earth; latitude"),
        ("2,1 0.5", "1e1,1 0.5", "is no decimal number"),
        ("<altitude>3", "<altitude>NaN", "altitude: 'NaN' is no decimal number"),
        ("altitude>3</altitude", "ceiling>3</ceiling", r"area\[1\]/ceiling stands without altitude"),
        ("<scope>Public", "<scope>Private", "alert/addresses is missing; scope Private"),
        ("<scope>Public", "<scope>Restricted", "alert/restriction is missing; scope Restricted"),
        ("<msgType>Alert", "<msgType>Cancel", "alert/references is missing; msgType Cancel"),
        ("<info>", "<references>a,b</references><info>", "alert/references: 'a,b' is no reference; write sender,identifier,sent"),
        ("<info>", '<incidents>a "b</incidents><info>', "alert/incidents: .* too much; close it"),
        ("<language>en-US", "<language>English please", "is no code of a language"),
        ("cap:1.2", "cap:1.1", "is no alert of CAP 1.2"),
        ("</alert>", "", "is not well-formed XML"),
    ],
)  # fmt: skip
def test_a_message_that_is_wrong_is_refused_with_value_place_and_remedy(old: str, new: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        decode(spoilt(old, new, FULL))


@pytest.mark.parametrize(
    ("alert", "message"),
    [
        (change(ALERT, status="Real"), "alert/status: 'Real' is not one"),
        (change(ALERT, identifier="a b"), "alert/identifier: 'a b' must be there"),
        (change(ALERT, note="bell \x07"), r"alert/note: .* has the character U\+0007, which XML cannot hold"),
        (change(ALERT, infos=(change(INFO, categories=()),)), r"alert/info\[1\] has no category; it needs one"),
        (change(ALERT, infos=(change(INFO, event=" "),)), r"alert/info\[1\] has no event; it needs one"),
        (change(ALERT, addresses=('a"b',)), "alert/addresses: .* leave it out"),
        (change(ALERT, sent=SENT.replace(tzinfo=None)), "alert/sent: .* whole seconds, and a zone"),
        (change(ALERT, msg_type="Update"), "alert/references is missing; msgType Update"),
        (change(ALERT, infos=(change(INFO, areas=(Area(area_desc="a", altitude=float("nan")),)),)), "altitude: 'nan' is no number"),
    ],
)  # fmt: skip
def test_nothing_is_written_that_the_standard_forbids(alert: Alert, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encode(alert)


def test_bombs_are_refused_before_they_go_off() -> None:
    lines = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<!DOCTYPE alert [<!ENTITY l0 "ha">{lines}]>'
    outside = '<!DOCTYPE alert SYSTEM "file:///etc/passwd">'
    for head in (bomb, outside):
        with pytest.raises(BadInput, match="declares a document type"):
            decode(spoilt("<alert", f"{head}<alert"))
    with pytest.raises(BadInput, match="elements one in another"):
        decode(b"<a>" * 100_000)
    with pytest.raises(TooLarge, match="send at most"):
        decode(b" " * (MOST_BYTES + 1))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_else_is_refused_and_breaks_nothing(document: bytes) -> None:
    with pytest.raises(BadInput):
        decode(document)


# --- chains

HOLDS, OVER, REVOKED = Turn.HOLDS, Turn.OVER, Turn.REVOKED


def say(*turns: Turn) -> list[Alert]:
    said = chain("city.case.7", "city", [(n, SENT + timedelta(seconds=n), turn) for n, turn in enumerate(turns, 1)])
    return [
        change(
            ALERT, identifier=one.reference.identifier, sender="city", sent=one.reference.sent, msg_type=one.msg_type,
            references=one.references,
        )
        for one in said
    ]  # fmt: skip


def test_a_chain_is_an_alert_then_updates_that_refer_to_all_before_then_a_cancel() -> None:
    messages = say(HOLDS, HOLDS, REVOKED)
    assert [m.msg_type for m in messages] == ["Alert", "Update", "Cancel"]
    assert [m.identifier for m in messages] == ["city.case.7.1", "city.case.7.2", "city.case.7.3"]
    assert [len(m.references) for m in messages] == [0, 1, 2]
    assert messages[2].references == (messages[0].reference, messages[1].reference)
    assert [m.msg_type for m in say(HOLDS, OVER, HOLDS)] == ["Alert", "Update", "Update"]


def test_after_a_cancel_it_begins_anew_and_what_nobody_heard_of_is_not_cancelled() -> None:
    assert [(m.msg_type, len(m.references)) for m in say(HOLDS, REVOKED, HOLDS, REVOKED)] == [
        ("Alert", 0), ("Cancel", 1), ("Alert", 0), ("Cancel", 1),
    ]  # fmt: skip
    assert say(REVOKED, OVER) == []


@settings(max_examples=20)
@given(st.lists(st.sampled_from(Turn), max_size=8), st.randoms(), st.data())
def test_whoever_gets_some_of_the_messages_and_the_last_in_any_order_shows_what_holds(
    turns: list[Turn], order: Any, data: st.DataObject
) -> None:
    messages = say(HOLDS, *turns)
    last = messages[-1]
    begins = max(n for n, m in enumerate(messages) if m.msg_type == "Alert")
    got = [m for m in messages[begins:-1] if data.draw(st.booleans())] + [last]
    order.shuffle(got)
    assert list_in_force(got) == ([] if last.msg_type == "Cancel" else [last])
