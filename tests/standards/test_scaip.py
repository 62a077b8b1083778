"""SCAIP over SIP: what is written is read as the same; every code; each wrong message gets its own number, and any bytes an
answer or a counted refusal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.standards.scaip_messages import BUTTON, FORMS, HEARTBEAT, mrq
from tests.standards.scaip_messages import sip as packet

from dongne.model.errors import BadSetup
from dongne.model.home import HOME_PROPERTIES
from dongne.standards.scaip import codes, sip, xml
from dongne.standards.scaip.framing import Framer
from dongne.standards.scaip.heartbeat import code_for, parse_intervals
from dongne.standards.scaip.mapping import events_of, to_message
from dongne.standards.scaip.message import Mrq, Mrs, Refused
from dongne.standards.scaip.transaction import resends_s

NOW = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=32).map(str.strip).filter(bool)
ID = st.text("0123456789abcXYZ", min_size=1, max_size=16)


def refusal(body: bytes) -> Refused:
    with pytest.raises(Refused) as error:
        xml.decode_request(body)
    return error.value


# --- XML


@pytest.mark.parametrize(("body", "events"), FORMS)
def test_what_gateways_of_several_makers_send_is_read(body: bytes, events: tuple[tuple[str, str, float], ...]) -> None:
    request = xml.decode_request(body)
    assert request.set_aside == ()
    assert tuple((e.device, e.property, e.value) for e in events_of(request, NOW)) == events


@pytest.mark.parametrize(
    ("tag", "table"),
    [
        ("dty", codes.DEVICE_TYPES), ("stc", codes.STATUS_CODES), ("lco", codes.LOCATION_CODES),
        ("dco", codes.DEVICE_COMPONENTS), ("mty", codes.MESSAGE_TYPES), ("sco", codes.SYSTEM_CONFIGURATIONS),
        ("cha", codes.CALL_HANDLING),
    ],
)  # fmt: skip
def test_every_code_is_read_and_written_as_the_same(tag: str, table: dict[str, str]) -> None:
    for code in table:
        request = Mrq(**{"cid": "1", "dty": "0003", "ref": "r1"} | {tag: code})
        again = xml.decode_request(xml.encode_request(request))
        assert again == request
        if code.isdigit():  # also without its leading zeros
            short = mrq(**{"cid": "1", "dty": "0003", "ref": "r1"} | {tag: code.lstrip("0") or "0"})
            assert getattr(xml.decode_request(short), tag) == code


@pytest.mark.parametrize("snu", codes.STATUS_NUMBERS)
def test_every_status_number_is_read_and_written_as_the_same(snu: str) -> None:
    answer = Mrs(ref="r1", snu=snu, ste="그대로", hbi="1", mre="01", cre="62", tnu="sip:a@b", cve="01.00")
    assert xml.decode_answer(xml.encode_answer(answer)) == answer
    assert xml.decode_answer(xml.encode_answer(answer, xml.EITHER)) == answer


@given(
    st.builds(
        Mrq, cid=ID, dty=st.sampled_from(list(codes.DEVICE_TYPES)), ref=ID, did=ID, dte=TEXT, stt=TEXT, lte=TEXT, ite=TEXT,
        stc=st.sampled_from(["", *codes.STATUS_CODES]), mty=st.sampled_from(list(codes.MESSAGE_TYPES)), ver=st.just("01.00"),
        lco=st.sampled_from(list(codes.LOCATION_CODES)), geo=st.just("60.17,24.94"), tim=st.just("2026-11-28T14:00+0900"),
        gga=st.just("$GPGGA,1"), lva=st.just("02"), pri=st.sampled_from("0123456789"), ame=st.sampled_from("01"), ico=st.just("001"),
    )
)  # fmt: skip
def test_any_request_is_written_and_read_as_the_same(request: Mrq) -> None:
    body = xml.encode_request(request)
    assert [one.tag for one in ElementTree.fromstring(body)][:2] == ["ref", "ver"]  # the schema's order
    assert xml.decode_request(body) == request


@pytest.mark.parametrize(
    ("body", "snu", "word"),
    [
        (mrq(cid="1", dty="0003", ite="x" * 9_000), "1", "message_too_long"),
        (b"", "2", "xml"),
        (b"help", "2", "xml"),
        (b"<mrq><cid>1</cid>", "2", "xml"),
        (b'<!DOCTYPE mrq [<!ENTITY a "aaaa">]><mrq><cid>&a;</cid></mrq>', "2", "doctype"),
        (b'<?xml version="1.0" encoding="martian"?><mrq/>', "2", "xml"),
        (b"<alarm><cid>1</cid><dty>0003</dty></alarm>", "2", "root"),
        (mrq(cid="1", dty="3a", ref="r9"), "2", "invalid_format"),
        (mrq(cid="1 2", dty="0003"), "2", "invalid_format"),
        (b"<mrq><cid>1</cid><cid>2</cid><dty>3</dty></mrq>", "2", "invalid_format"),
        (b"<mrq><a><b><c><d/></c></b></a></mrq>", "2", "invalid_format"),
        (mrq(cid="1", dty="0042"), "3", "wrong_data_content"),
        (mrq(cid="1", dty="9999"), "3", "wrong_data_content"),
        (mrq(cid="1", dty="0003", stc="0128"), "3", "wrong_data_content"),
        (mrq(cid="1", dty="0003", mty="XX"), "3", "wrong_data_content"),
        (mrq(dty="0003", ref="r9"), "7", "mandatory_tag_missing"),
        (mrq(cid="1", ref="r9"), "7", "mandatory_tag_missing"),
        (mrq(cid="", dty=" "), "7", "mandatory_tag_missing"),
    ],
)
def test_each_wrong_message_gets_its_number_and_a_text(body: bytes, snu: str, word: str) -> None:
    error = refusal(body)
    answer = xml.decode_answer(xml.encode_answer(error.answer()))
    assert (answer.snu, error.reason) == (snu, word)
    assert answer.ste
    assert answer.ref == ("r9" if b"r9" in body else "")


def test_a_wrong_message_is_answered_under_its_own_reference_also_where_it_cannot_be_read() -> None:
    assert refusal(b"<mrq><ref>R77</ref><cid>1").answer().ref == "R77"


def test_an_alarm_is_not_lost_by_its_location_and_what_was_set_aside_is_said() -> None:
    request = xml.decode_request(mrq(cid="1", dty="0023", stc="0009", lco="999", hbo="x", did="k1", xyz="1"))
    assert (request.lco, request.hbo) == ("", "")
    assert [e.property for e in events_of(request, NOW)] == ["smoke"]
    assert sorted(said.split()[0] for said in request.set_aside) == ["hbo", "lco", "xyz"]


def test_the_other_root_is_read_too_and_known_as_such() -> None:
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + BUTTON.replace(b"mrq>", b"scaip>")
    assert xml.decode_request(body) == xml.decode_request(BUTTON)
    assert xml.says_either(body) and not xml.says_either(BUTTON)
    assert xml.is_answer(xml.encode_answer(Mrs(ref="1"))) and not xml.is_answer(BUTTON)


def test_namespaces_and_any_order_are_read() -> None:
    body = b'<s:mrq xmlns:s="urn:x"><s:dty>3</s:dty><s:lge><s:geo>60.1,24.9</s:geo></s:lge><s:cid>7</s:cid></s:mrq>'
    assert xml.decode_request(body) == Mrq(cid="7", dty="0003", geo="60.1,24.9")


# --- what it says


@pytest.mark.parametrize("mty", codes.MESSAGE_TYPES)
def test_each_device_type_with_each_status_says_a_known_property_or_is_told_that_it_is_not_treated(mty: str) -> None:
    for dty in codes.DEVICE_TYPES:
        for stc in ["", *codes.STATUS_CODES]:
            try:
                events = events_of(Mrq(cid="1", dty=dty, stc=stc, mty=mty, did="d"), NOW)
            except Refused as error:
                assert error.snu == codes.NOT_TREATED
                continue
            for event in events:
                about = HOME_PROPERTIES[event.property]
                assert about.low <= event.value <= about.high


@pytest.mark.parametrize(
    ("dty", "key"),
    [
        ("0003", "button"), ("0004", "button"), ("0007", "button"), ("0002", "button"), ("0005", "fall"), ("0030", "fall"),
        ("0021", "gas"), ("0023", "smoke"), ("0047", "smoke"), ("0025", "heat"), ("0026", "carbon_monoxide"),
        ("0019", "help_call"), ("0000", "help_call"), ("0010", "fall"), ("0012", "fall"), ("0038", "tamper"),
    ],
)  # fmt: skip
def test_an_alarm_is_raised_by_an_alarm_and_cleared_by_a_reset(dty: str, key: str) -> None:
    for stc in ("0009", "0010", ""):
        (event,) = events_of(Mrq(cid="1", dty=dty, stc=stc, did="d"), NOW)
        assert (event.property, event.value) == (key, 1.0)
    for more in ({"mty": "RE"}, {"stc": "0092"}, {"stc": "0093"}, {"stc": "0019"}, {"stc": "0070"}):
        (event,) = events_of(msgspec.structs.replace(Mrq(cid="1", dty=dty, did="d"), **more), NOW)
        assert (event.property, event.value) == (key, 0.0)


def test_a_pill_that_was_not_taken_is_not_treated_and_says_so() -> None:
    with pytest.raises(Refused) as error:
        events_of(Mrq(cid="1", dty="0011", stc="0081", ref="r5"), NOW)
    assert (error.value.answer().snu, error.value.answer().ref) == ("5", "r5")


def test_a_message_becomes_one_of_its_gateway() -> None:
    message = to_message(xml.decode_request(BUTTON), 7, NOW)
    assert (message.gateway, message.seq, message.sent, len(message.events)) == ("26317", 7, NOW, 1)
    assert to_message(xml.decode_request(HEARTBEAT), 8, NOW).events == ()


# --- SIP


def test_a_request_is_read_in_long_and_in_compact_form() -> None:
    long = sip.parse(packet(BUTTON))
    compact = packet(BUTTON)
    for name, short in {
        "Via": "v",
        "From": "f",
        "To": "t",
        "Call-ID": "i",
        "Content-Type": "c",
        "Content-Length": "l",
    }.items():
        compact = compact.replace(f"\r\n{name}:".encode(), f"\r\n{short} :".encode())
    assert compact != packet(BUTTON)
    assert sip.parse(compact) == long
    assert isinstance(long, sip.Request)
    assert long.body == BUTTON and long.cseq == 1 and sip.tag_of(long.find("from") or "") == "h7"


def test_folded_headers_and_line_ends_before_the_start_are_read() -> None:
    folded = b"\r\n\r\n" + packet(BUTTON).replace(b"From: <sip", b"From:\r\n  <sip")
    assert sip.parse(folded) == sip.parse(packet(BUTTON))


def test_what_is_written_is_read_as_the_same() -> None:
    request = sip.parse(packet(BUTTON))
    assert isinstance(request, sip.Request)
    again = sip.parse(request.encode())
    assert isinstance(again, sip.Request)
    assert again.body == BUTTON and again.find("via") == request.find("via")
    answer = sip.answer(request, 200, ("192.0.2.9", 4021))
    read = sip.parse(answer.encode())
    assert isinstance(read, sip.Response)
    assert (read.status, read.reason, read.find("call-id"), read.find("cseq")) == (200, "OK", "c1@home", "1 MESSAGE")
    assert sip.tag_of(read.find("to") or "")
    assert read.find("from") == request.find("from")


def test_an_answer_goes_where_the_request_came_from_and_says_so() -> None:
    """RFC 3581, section 4: with rport, received and rport are filled in; without, the port of Via holds (RFC 3261, 18.2.2)."""
    source = ("192.0.2.9", 4021)
    asks, silent = sip.parse(packet(BUTTON)), sip.parse(packet(BUTTON, rport=""))
    assert isinstance(asks, sip.Request) and isinstance(silent, sip.Request)
    via = sip.list_vias(sip.answer(asks, 200, source).headers)[0]
    assert (via.find("received"), via.find("rport"), via.branch) == ("192.0.2.9", "4021", "z9hG4bKa1")
    assert sip.list_vias(sip.answer(silent, 200, source).headers)[0].find("rport") is None
    assert sip.reply_address(asks, source) == source
    assert sip.reply_address(silent, source) == ("192.0.2.9", 5071)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("sip:city@192.0.2.1:5060", "192.0.2.1:5060"), ("sip:dongne.example;transport=tcp", "dongne.example"),
        ("SIPS:a:b@[2001:db8::1]:5061", "[2001:db8::1]:5061"), ("tel:+82", "invalid"), ("sip:a@b c", "invalid"),
    ],
)  # fmt: skip
def test_the_host_of_an_address_is_found(uri: str, host: str) -> None:
    assert sip.host_of(uri) == host


def test_all_vias_are_kept_in_their_order() -> None:
    two = packet(
        BUTTON, extra='v: SIP/2.0/UDP b.example;branch=z9hG4bKb, SIP / 2.0 / TCP [2001:db8::1]:5062;branch="x,y"'
    )
    request = sip.parse(two)
    assert isinstance(request, sip.Request)
    vias = sip.list_vias(sip.answer(request, 200, ("127.0.0.1", 5071)).headers)
    assert [via.sent_by for via in vias] == ["127.0.0.1:5071", "b.example", "[2001:db8::1]:5062"]
    assert vias[2].host_port == ("[2001:db8::1]", 5062)


def test_a_retransmission_is_the_same_transaction_and_a_new_branch_is_another() -> None:
    keys = [
        sip.transaction_key(sip.parse(packet(BUTTON, **more)))  # type: ignore[arg-type]
        for more in (
            {},
            {},
            {"branch": "z9hG4bKa2"},
            {"branch": "old"},
            {"branch": "old"},
            {"branch": "old", "cseq": 2},
        )
    ]
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4] != keys[5]


@pytest.mark.parametrize(
    ("data", "reason", "status", "answered"),
    [
        (b"", "no_end", 400, False),
        (b"\xff\x00" * 50, "no_end", 400, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "start_line", 400, False),
        (packet(BUTTON).replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), "version", 505, True),
        (packet(BUTTON).replace(b"Call-ID", b"X-Call"), "header_missing", 400, True),
        (packet(BUTTON).replace(b"1 MESSAGE", b"1 OPTIONS"), "cseq", 400, True),
        (packet(BUTTON).replace(b"Via: SIP/2.0/UDP", b"Via: HTTP/1.1 "), "via", 400, True),
        (packet(BUTTON, length=10_000), "cut_short", 400, True),
        (packet(BUTTON).replace(b"Content-Length: ", b"Content-Length: x"), "content_length", 400, True),
        (packet(BUTTON, extra="Content-Length: 3"), "content_length", 400, True),
        (packet(BUTTON, extra="X: " + "y" * 20_000), "head_too_long", 413, False),
    ],
)
def test_a_malformed_request_says_what_is_wrong_and_what_to_answer(
    data: bytes, reason: str, status: int, answered: bool
) -> None:
    with pytest.raises(sip.SipError) as error:
        sip.parse(data)
    assert (error.value.reason, error.value.status, error.value.request is not None) == (reason, status, answered)


def test_what_stands_behind_the_body_in_a_datagram_is_left_out() -> None:
    request = sip.parse(packet(BUTTON) + b"tail")
    assert request.body == BUTTON


@settings(max_examples=80)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_a_refusal(data: bytes) -> None:
    for head in (b"", packet(BUTTON)[:200], b"MESSAGE sip:a SIP/2.0\r\n"):
        try:
            message = sip.parse(head + data)
        except sip.SipError as error:
            assert error.reason and error.status >= 400
        else:
            assert message.encode()
    try:
        xml.decode_request(data)
    except Refused as error:
        assert error.answer().snu in codes.STATUS_NUMBERS


@settings(max_examples=60)
@given(st.data())
def test_a_spoilt_request_is_a_message_or_a_refusal(data: st.DataObject) -> None:
    whole = bytearray(packet(BUTTON))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = sip.parse(bytes(whole))
    except sip.SipError as error:
        if error.request is not None:
            assert sip.answer(error.request, error.status, ("127.0.0.1", 1)).encode()
        return
    if isinstance(message, sip.Request):
        assert sip.answer(message, 200, ("127.0.0.1", 1)).encode()
        try:
            events_of(xml.decode_request(message.body), NOW)
        except Refused as refused:
            assert xml.decode_answer(xml.encode_answer(refused.answer())).snu == refused.snu


# --- over TCP


@settings(max_examples=40)
@given(st.lists(st.integers(1, 2_000), max_size=12))
def test_messages_are_cut_out_of_a_stream_wherever_its_segments_end(cuts: list[int]) -> None:
    one, two = packet(BUTTON, via="TCP"), packet(HEARTBEAT, via="TCP", branch="z9hG4bKb")
    stream, framer, found = one + two + b"\r\n\r\n" + one, Framer(), []
    for start, end in _parts(len(stream), cuts):
        framer.feed(stream[start:end])
        while (message := framer.take()) is not None:
            found.append(message)
    assert found == [one, two, one]
    assert framer.is_between
    assert framer.pings == 1


def _parts(length: int, cuts: list[int]) -> list[tuple[int, int]]:
    ends = sorted({cut for cut in cuts if cut < length} | {length})
    return list(zip([0, *ends[:-1]], ends, strict=True))


def test_a_stream_byte_by_byte_is_cut_too() -> None:
    framer, found = Framer(), []
    for byte in packet(BUTTON, via="TCP") * 2:
        framer.feed(bytes([byte]))
        if (message := framer.take()) is not None:
            found.append(message)
    assert found == [packet(BUTTON, via="TCP")] * 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packet(BUTTON, length=None), "content_length"),
        (packet(BUTTON, length=70_000), "body_too_long"),
        (b"x" * 20_000, "head_too_long"),
        (packet(BUTTON).replace(b"Content-Length: ", b"Content-Length: -"), "content_length"),
    ],
)
def test_a_stream_that_cannot_be_cut_is_refused(data: bytes, reason: str) -> None:
    framer = Framer()
    framer.feed(data)
    with pytest.raises(sip.SipError) as error:
        framer.take()
    assert error.value.reason == reason


# --- timers and heartbeats


def test_requests_are_sent_again_as_the_standard_says() -> None:
    """RFC 3261, 17.1.2.2: 500 ms, then 1, 2 and 4 s, then each 4 s, until 64 T1 = 32 s: 11 packets in all."""
    assert resends_s() == (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)


def test_the_heartbeat_code_is_the_longest_that_is_short_enough() -> None:
    table: dict[str, Any] = parse_intervals("1=300, 2=3600")
    assert [code_for(wanted, table) for wanted in (10.0, 300.0, 400.0, 4_000.0)] == ["1", "1", "1", "2"]
    for wrong in ("", "1", "5=300", "1=x", "1=0", "1=nan"):
        with pytest.raises(BadSetup, match="interval"):
            parse_intervals(wrong)


def test_the_page_names_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs/scaip.md").read_text(encoding="utf-8")
    for table in (codes.DEVICE_TYPES, codes.STATUS_CODES, codes.LOCATION_CODES, codes.DEVICE_COMPONENTS):
        for code, name in table.items():
            assert f"{code} {name.replace('_', ' ')}" in page
