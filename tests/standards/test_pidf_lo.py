"""PIDF-LO and the blocks beside it: the RFCs' own examples are read as what they mean, and what is written is read as the same."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dongne.model.errors import BadInput, TooLarge
from dongne.model.times import EPOCH
from dongne.standards.pidf_lo import call_data
from dongne.standards.pidf_lo.call_data import Comment, Related, Subscriber, Text
from dongne.standards.pidf_lo.place import CIVIC_NAMES, Circle, Civic, Geopriv, Presence, Spot
from dongne.standards.pidf_lo.xml import CA, GBP, GML, GP, GS, MOST_BYTES, PIDF, decode, encode

NAMES = {"p": PIDF, "gp": GP, "gbp": GBP, "ca": CA, "gml": GML, "gs": GS}
WHEN = datetime(2026, 11, 28, 5, 5, tzinfo=UTC)
HOME = Presence(
    entity="pres:a1b2@119.example.org", tuple_id="home", timestamp=WHEN,
    geopriv=Geopriv(
        shape=Circle((126.978, 37.5665), 10.0), method="Manual", retransmission_allowed=False, retention_expiry=WHEN + timedelta(days=1),
        civic=Civic({"country": "KR", "A1": "서울특별시", "A3": "중구", "RD": "세종대로", "HNO": "110", "FLR": "3", "PC": "04524"}, "ko"),
    ),
)  # fmt: skip


def change(made: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(made, **changes)


# --- the RFCs' examples, their facts written by hand


def example(inside: str, entity: str = "pres:circle@example.com") -> bytes:
    """A document in the layout of RFC 5491's examples: white space as there, prefixes of the sender's choice."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
        <presence xmlns="{PIDF}" xmlns:geo="{GP}" xmlns:pol="{GBP}" xmlns:c="{CA}" xmlns:g="{GML}" xmlns:shape="{GS}"
                  entity="{entity}">
          <tuple id="sg89ae"><status><basic>open</basic><geo:geopriv>
            <geo:location-info>{inside}</geo:location-info>
            <geo:usage-rules/><geo:method>Wiremap</geo:method>
          </geo:geopriv></status><timestamp>2007-06-22T20:57:29Z</timestamp></tuple>
        </presence>""".encode()


FLAT = 'srsName="urn:ogc:def:crs:EPSG::4326"'
SHAPES = {  # RFC 5491, 5.2.1 (2D and 3D) and 5.2.3: latitude is written first
    f"<g:Point {FLAT}><g:pos>-34.407 150.883</g:pos></g:Point>": Spot((150.883, -34.407)),
    '<g:Point srsName="urn:ogc:def:crs:EPSG::4979"><g:pos>-34.407 150.883 24.8</g:pos></g:Point>': Spot((150.883, -34.407), 24.8),
    f"""<shape:Circle {FLAT}><g:pos>42.5463 -73.2512</g:pos>
        <shape:radius uom="urn:ogc:def:uom:EPSG::9001">
          850.24
        </shape:radius></shape:Circle>""": Circle((-73.2512, 42.5463), 850.24),
}  # fmt: skip


@pytest.mark.parametrize("written", SHAPES)
def test_the_shapes_of_rfc_5491_are_read_where_they_are(written: str) -> None:
    presence = decode(example(written))
    assert presence.geopriv.shape == SHAPES[written]
    assert presence.timestamp == datetime(2007, 6, 22, 20, 57, 29, tzinfo=UTC)
    assert (presence.entity, presence.tuple_id, presence.geopriv.method) == (
        "pres:circle@example.com",
        "sg89ae",
        "Wiremap",
    )
    assert decode(encode(presence)) == presence


VIDEO_STORE = {  # RFC 5139, section 5
    "country": "AU", "A1": "NSW", "A3": "Wollongong", "A4": "North Wollongong", "RD": "Flinders", "STS": "Street",
    "RDBR": "Campbell Street", "LMK": "Gilligan's Island", "LOC": "Corner", "NAM": "Video Rental Store", "PC": "2500",
    "ROOM": "Westerns and Classics", "PLC": "store", "POBOX": "Private Box 15",
}  # fmt: skip


def test_the_address_of_rfc_5139_is_read_with_all_its_parts_in_their_order() -> None:
    lines = "".join(f"\n  <c:{name}>{text}</c:{name}>" for name, text in VIDEO_STORE.items())
    extension = (
        '<x:MP xmlns:x="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr:ext">248</x:MP>'  # RFC 6848, section 3.3
    )
    presence = decode(example(f'<c:civicAddress xml:lang="en-AU">{lines}{extension}</c:civicAddress>'))
    assert presence.geopriv.civic == Civic(VIDEO_STORE, "en-AU")
    root = ElementTree.fromstring(encode(presence))
    written = [child.tag.rpartition("}")[2] for child in root.iterfind(".//ca:civicAddress/*", NAMES)]
    assert written == list(VIDEO_STORE)  # the example has the schema's order


def test_a_home_has_a_circle_and_an_address_in_one_tuple_latitude_first() -> None:
    root = ElementTree.fromstring(encode(HOME))
    inside = "p:tuple/p:status/gp:geopriv/"
    texts = {
        "gp:location-info/gs:Circle/gml:pos": "37.5665 126.978", "gp:location-info/gs:Circle/gs:radius": "10",
        "gp:location-info/ca:civicAddress/ca:A1": "서울특별시", "gp:method": "Manual",
        "gp:usage-rules/gbp:retransmission-allowed": "no", "gp:usage-rules/gbp:retention-expiry": "2026-11-29T05:05:00Z",
    }  # fmt: skip
    assert {path: root.findtext(inside + path, namespaces=NAMES) for path in texts} == texts
    radius = root.find(f"{inside}gp:location-info/gs:Circle/gs:radius", NAMES)
    assert radius is not None and radius.attrib == {"uom": "urn:ogc:def:uom:EPSG::9001"}
    order = [child.tag.rpartition("}")[2] for child in root.iterfind("p:tuple/p:status/gp:geopriv/*", NAMES)]
    assert order == ["location-info", "usage-rules", "method"]  # RFC 4119, 2.2.5
    assert len(root.findall("p:tuple", NAMES)) == 1


# --- round trips

words = st.text("aZ09 .,-&<>\"'가힣é\U0001f6a8", min_size=1, max_size=9).map(lambda t: " ".join(t.split())).filter(bool)
instants = st.integers(-(10**9), 10**10).map(lambda s: EPOCH + timedelta(seconds=s, microseconds=7))
points = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
metres = st.floats(0.001, 1e6)
civics = st.builds(
    Civic, st.dictionaries(st.sampled_from(CIVIC_NAMES[1:]), words, min_size=1).map(lambda d: {**d, "country": "KR"}),
    st.sampled_from(["", "ko", "en-US"]),
)  # fmt: skip
shapes = st.builds(Spot, points, st.none() | st.floats(-500, 9000)) | st.builds(Circle, points, metres)
places = st.builds(
    Geopriv, shape=shapes, civic=st.none() | civics, method=st.sampled_from(["", "GPS"]) | words,
    retransmission_allowed=st.none() | st.booleans(), retention_expiry=st.none() | instants, note_well=st.just("") | words,
)  # fmt: skip
presences = st.builds(
    Presence, entity=st.sampled_from(["pres:a@b", "urn:uuid:1", "tel:+82212345678"]), tuple_id=st.sampled_from(["a", "가-1", "_9.x"]),
    geopriv=places, timestamp=st.none() | instants,
)  # fmt: skip


@settings(max_examples=60)
@given(presences)
def test_what_is_written_is_read_as_the_same(presence: Presence) -> None:
    assert decode(encode(presence)) == presence


@settings(max_examples=40)
@given(
    st.builds(Comment, words, st.lists(st.builds(Text, words, st.sampled_from(["", "ko"])), min_size=1, max_size=3).map(tuple)),
    st.builds(
        Subscriber, provider=words, name=words, telephones=st.lists(words, max_size=2).map(tuple),
        languages=st.lists(st.sampled_from(["ko", "fi"]), max_size=2).map(tuple), is_private=st.booleans(),
        related=st.lists(st.builds(Related, st.lists(words, min_size=1, max_size=2).map(tuple), words, st.just("") | words), max_size=3).map(tuple),
    ),
)  # fmt: skip
def test_blocks_are_read_as_they_were_written(comment: Comment, subscriber: Subscriber) -> None:
    assert call_data.decode_comment(call_data.encode_comment(comment)) == comment
    assert call_data.decode_subscriber(call_data.encode_subscriber(subscriber)) == subscriber


# --- RFC 7852's blocks, and those of an application that sends them to control centres


def test_the_comment_of_rfc_7852_is_read_and_written_with_its_facts() -> None:
    facts = Comment("string0987654321@example.org", (Text("This is an example text.", "en"),))
    root = ElementTree.fromstring(call_data.encode_comment(facts))
    assert root.tag == "{urn:ietf:params:xml:ns:EmergencyCallData:Comment}EmergencyCallData.Comment"
    assert [child.tag.rpartition("}")[2] for child in root] == ["DataProviderReference", "Comment"]
    assert root[1].attrib == {"{http://www.w3.org/XML/1998/namespace}lang": "en"}
    assert call_data.decode_comment(ElementTree.tostring(root)) == facts


@pytest.mark.parametrize("wrapper", ["", "x:vcards"])
def test_a_subscriber_is_read_bare_and_in_vcards(wrapper: str) -> None:
    opening, closing = (f"<{wrapper}>", f"</{wrapper}>") if wrapper else ("", "")
    document = f"""<s:EmergencyCallData.SubscriberInfo xmlns:s="{call_data.SUBSCRIBER}" xmlns:x="{call_data.VCARD}"
          privacyRequested="false">
        <s:DataProviderReference>FEABFECD901@example.org</s:DataProviderReference>
        <s:SubscriberData>{opening}<x:vcard>
          <x:fn><x:text>Simon Perreault</x:text></x:fn>
          <x:n><x:surname>Perreault</x:surname><x:given>Simon</x:given></x:n>
          <x:tel><x:parameters><x:type><x:text>work</x:text></x:type></x:parameters><x:uri>tel:+1-418-656-9254;ext=102</x:uri></x:tel>
        </x:vcard>{closing}</s:SubscriberData></s:EmergencyCallData.SubscriberInfo>"""
    assert call_data.decode_subscriber(document.encode()) == Subscriber(
        provider="FEABFECD901@example.org", name="Simon Perreault", telephones=("tel:+1-418-656-9254;ext=102",)
    )


# --- refusals


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("37.5665 126.978", "126.978 37.5665", "pos: .* lies nowhere on earth; latitude"),
        ("37.5665 126.978", "37.5665", "pos: .* is no position"),
        ("37.5665 126.978", "NaN 126", "pos: 'NaN' is no number"),
        ("EPSG::4326", "EPSG::5179", "srsName: .* is not read here"),
        ("EPSG::9001", "EPSG::9003", "radius: .* has to be there, with uom"),
        (">10<", ">-1<", "radius: .* is no radius; give metres above 0"),
        ("gs:Circle", "gs:ArcBand", "'ArcBand' is a shape that is not read here"),
        (">KR<", ">Korea<", "country: 'Korea' is no country; write two capitals"),
        ("ca:A3>", "ca:A9>", "'A9' is no part of an address"),
        ("ca:A3>", "ca:A1>", "'A1' is there twice"),
        (">no<", ">maybe<", "retransmission-allowed: 'maybe' is neither yes nor no"),
        ("2026-11-29T05:05:00Z", "tomorrow", "retention-expiry: 'tomorrow' is no instant"),
        ("2026-11-28T05:05:00Z", "2026-11-28T05:05:00", "timestamp: .* is no instant with a zone"),
        ('entity="pres:', 'entity="', "entity: .* is no URI"),
        ('id="home"', 'id="1 home"', "id: .* is no id of XML"),
        ("gp:geopriv>", "gp:other>", "presence has no tuple with a geopriv"),
        ("gp:location-info>", "gp:somewhere>", "geopriv has no location-info"),
        ("<presence ", "<!DOCTYPE presence><presence ", "declares a document type"),
        ("</presence>", "", "is not well-formed XML"),
        ("<presence ", '<c xmlns="urn:x"/><presence ', "is not well-formed XML"),
    ],
)  # fmt: skip
def test_a_document_that_is_wrong_is_refused_with_value_place_and_remedy(old: str, new: str, message: str) -> None:
    text = encode(HOME).decode()
    assert old in text
    with pytest.raises(BadInput, match=message):
        decode(text.replace(old, new).encode())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (Geopriv(), "location-info is empty"),
        (Geopriv(civic=Civic({})), "civicAddress is empty"),
        (Geopriv(civic=Civic({"city": "Seoul"})), "'city' is no part of an address"),
        (Geopriv(civic=Civic({"A1": " "})), "A1: ' ' is empty"),
        (Geopriv(civic=Civic({"A1": "a\x07"})), r"has the character U\+0007"),
        (Geopriv(shape=Circle((0.0, 91.0), 1.0)), "lies nowhere on earth"),
        (Geopriv(shape=Circle((0.0, 0.0), float("inf"))), "is no radius"),
        (Geopriv(shape=Spot((0.0, 0.0), float("nan"))), "is no altitude"),
        (Geopriv(shape=Spot((0.0, 0.0)), retention_expiry=WHEN.replace(tzinfo=None)), "has no zone"),
    ],
)  # fmt: skip
def test_nothing_is_written_that_the_rfcs_forbid(place: Geopriv, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encode(change(HOME, geopriv=place))


READERS = (decode, call_data.decode_comment, call_data.decode_subscriber)


@pytest.mark.parametrize("read", READERS)
def test_bombs_and_what_is_too_large_are_refused(read: Any) -> None:
    bomb = '<!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><p>&b;</p>'
    with pytest.raises(BadInput, match="declares a document type"):
        read(bomb.encode())
    with pytest.raises(BadInput, match="elements one in another"):
        read(b"<a>" * 10_000)
    with pytest.raises(TooLarge, match="send at most"):
        read(b" " * (MOST_BYTES + 1))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_else_is_refused_and_breaks_nothing(document: bytes) -> None:
    for read in READERS:
        with pytest.raises(BadInput):
            read(document)


@settings(max_examples=60)
@given(st.data())
def test_a_document_with_parts_gone_or_doubled_is_refused_or_read_never_worse(data: st.DataObject) -> None:
    pieces = re.findall(r"<[^>]+>|[^<]+", encode(HOME).decode())
    at = data.draw(st.integers(1, len(pieces) - 1))
    spoilt = data.draw(st.sampled_from([pieces[:at] + pieces[at + 1 :], [*pieces[:at], pieces[at], *pieces[at:]]]))
    try:
        decode("".join(spoilt).encode())
    except BadInput as error:
        assert error.message
