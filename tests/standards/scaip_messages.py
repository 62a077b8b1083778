"""Messages as gateways send them, written by us after the published fields and forms."""

from typing import Any

CRLF = "\r\n"


def mrq(**tags: Any) -> bytes:
    """A request with these tags."""
    return f"<mrq>{''.join(f'<{tag}>{said}</{tag}>' for tag, said in tags.items())}</mrq>".encode()


def sip(
    body: bytes, *, method: str = "MESSAGE", branch: str = "z9hG4bKa1", port: int = 5071, via: str = "UDP", call: str = "c1@home",
    cseq: int = 1, kind: str | None = "application/scaip+xml", extra: str = "", rport: str = ";rport", length: int | None = -1,
    host: str = "127.0.0.1",
) -> bytes:  # fmt: skip
    """A request over SIP with this body."""
    lines = [
        f"{method} sip:city@127.0.0.1:5060 SIP/2.0",
        f"Via: SIP/2.0/{via} {host}:{port}{rport};branch={branch}",
        "Max-Forwards: 70",
        "From: <sip:26317@127.0.0.1>;tag=h7",
        "To: <sip:city@127.0.0.1>",
        f"Call-ID: {call}",
        f"CSeq: {cseq} {method}",
        *([f"Content-Type: {kind}"] if kind else []),
        *([extra] if extra else []),
        *([f"Content-Length: {len(body) if length == -1 else length}"] if length is not None else []),
    ]
    return CRLF.join([*lines, "", ""]).encode() + body


BUTTON = mrq(ref="00001883", cha="0", mty="ME", cid="26317", dty="0003", did="p1", crd="sip:26317@home", stc="0010")
HEARTBEAT = mrq(ref="00001A85", mty="PI", cid="26317", dty="02", crd="no-voice:", stc="102")

# Forms that gateways of several makers send: codes without leading zeros, a space before cid, no status, no mty.
FORMS = (
    (HEARTBEAT, ()),
    (mrq(mty="PI", ref="1998218577", cid="10149471", dty="2"), ()),
    (mrq(ref="v6l7eiuzBTfybE7j", cid="999998", dty="0002", mty="PI", stc="0009", lco="002", crd="gsm:", cha="0"), ()),
    (mrq(ref="00001883", cha="0", mty="ME", cid="26317", dty="02", did="00", crd="gsm:+8210", stc="010"), (("00", "button", 1.0),)),
    (mrq(ref="1193308443", cid="10149471", dty="3", stc="10", crd="gsm:"), (("personal_trigger", "button", 1.0),)),
    (mrq(ref="803137200003", mty="ME", cid=" 8031372", dty="0004", stc="0010", crd="gsm:+"), (("fixed_trigger", "button", 1.0),)),
    (mrq(ref="s1", cid="1", dty="0023", did="k1", stc="0009", lco="021", lte="부엌"), (("k1", "smoke", 1.0),)),
    (mrq(ref="s2", mty="RE", cid="1", dty="0023", did="k1"), (("k1", "smoke", 0.0),)),
    (mrq(ref="b1", cid="1", dty="0023", did="k1", stc="0016"), (("k1", "battery_level", 10.0),)),
    (mrq(ref="p1", cid="1", dty="0041", stc="0085"), (("power_supply", "mains_power", 0.0),)),
    (mrq(ref="p2", cid="1", dty="0041", stc="0086"), (("power_supply", "mains_power", 1.0),)),
    (mrq(ref="l1", cid="1", dty="0032", stc="0023"), (("communication_link_monitor", "link", 0.0),)),
    (mrq(ref="l2", cid="1", dty="0032", stc="0112"), (("communication_link_monitor", "link", 1.0),)),
    (mrq(ref="d1", cid="1", dty="0014", did="d1", stc="0076", mty="IN"), (("d1", "door", 1.0),)),
    (mrq(ref="e1", cid="1", dty="0012", did="b1", stc="0117", mty="IN"), (("b1", "bed", 1.0),)),
    (mrq(ref="m1", cid="1", dty="0010", did="m1", stc="0119", mty="IN"), (("m1", "motion", 1.0),)),
    (mrq(ref="t1", cid="1", dty="0003", did="p1", stc="0102"), ()),
    (mrq(ref="a1", cid="1", dty="0003", did="p1", stc="0125"), (("p1", "tamper", 1.0),)),
    (mrq(ref="c1", cid="1", dty="0026", did="co", stc="9"), (("co", "carbon_monoxide", 1.0),)),
    (mrq(ref="f1", cid="1", dty="0030", did="f", stc="9"), (("f", "fall", 1.0),)),
)  # fmt: skip
