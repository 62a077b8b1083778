"""`<mrq>` and `<mrs>` as XML: `decode_request` and `decode_answer`, `encode_request` and `encode_answer`.

Read: each tag at most once, in any order (the schema's xs:all), codes with or without leading zeros, white space around
values, any namespace or none, and the root `<scaip>` which some gateways write for both. No document type, and so no
entities. Written: in the schema's order and within its widths.

Held strictly is what says who, what and how (cid, dty, stc, mty): wrong, the message is refused. Any other field that is
wrong is set aside and the message taken: an alarm is not lost by its location code. `Mrq.set_aside` says which.
"""

import re
from collections.abc import Callable, Mapping
from xml.parsers import expat

import msgspec

from dongne.standards.scaip.codes import (
    CALL_HANDLING,
    DEVICE_COMPONENTS,
    DEVICE_TYPES,
    INVALID_FORMAT,
    LOCATION_CODES,
    MESSAGE_TYPES,
    STATUS_CODES,
    STATUS_NUMBERS,
    SYSTEM_CONFIGURATIONS,
    TAG_MISSING,
    TOO_LONG,
    WRONG_DATA,
    padded,
)
from dongne.standards.scaip.message import Mrq, Mrs, Refused
from dongne.standards.xml_text import escaped, writable

MEDIA_TYPE = "application/scaip+xml"  # registered with IANA
MEDIA_TYPES = (MEDIA_TYPE, "application/xml", "text/xml")
MOST_BYTES = 8_192
REQUEST, ANSWER, EITHER = "mrq", "mrs", "scaip"
NESTED = {"geo": "lge", "tim": "lge", "gga": "lge"}
SEEN_REF = re.compile(rb"<ref>\s*([0-9A-Za-z._-]{1,64})\s*</ref>")
SEEN_EITHER = re.compile(rb"\A[^<]*(?:<\?[^>]*\?>)?[^<]*<scaip\b")
DIGITS = re.compile(r"[0-9]{1,16}")
ID = re.compile(r"[\x21-\x7e]{1,64}")

Field = Callable[[str, str], str]  # (tag, what came) -> the value; raises Refused


def code(width: int, table: Mapping[str, str]) -> Field:
    """A code of this table."""

    def read(tag: str, text: str) -> str:
        if not DIGITS.fullmatch(text):
            raise Refused(INVALID_FORMAT, f"{tag} {text[:20]!r} is no code: digits, at most {width}")
        found = padded(text, width)
        if found not in table:
            raise Refused(WRONG_DATA, f"{tag} {text[:20]} is no code of the standard's table")
        return found

    return read


def pattern(expression: str, said: str) -> Field:
    """Text of this form."""
    form = re.compile(expression)

    def read(tag: str, text: str) -> str:
        if not form.fullmatch(text):
            raise Refused(INVALID_FORMAT, f"{tag} {text[:20]!r} is not {said}")
        return text

    return read


def text(most: int) -> Field:
    """Text of at most this many characters."""

    def read(tag: str, value: str) -> str:
        if len(value) > most:
            raise Refused(TOO_LONG, f"{tag} has {len(value)} characters; at most {most} are taken")
        return value

    return read


def word(table: Mapping[str, str]) -> Field:
    """One of these words."""

    def read(tag: str, value: str) -> str:
        if value not in table:
            raise Refused(WRONG_DATA, f"{tag} {value[:20]!r} is none of {', '.join(table)}")
        return value

    return read


NAME = pattern(ID.pattern, "1 to 64 visible ASCII characters")
FIELDS: dict[str, Field] = {  # in the order of the schema. Ids and texts may be longer than there (16, 8, 32, 128)
    "ref": NAME, "ver": pattern(r"\d\d\.\d\d", "a version such as 01.00"), "sco": code(1, SYSTEM_CONFIGURATIONS),
    "cha": code(1, CALL_HANDLING), "mty": word(MESSAGE_TYPES), "hbo": code(1, {str(n): "" for n in range(4)}),
    "cid": NAME, "dty": code(4, DEVICE_TYPES), "did": NAME, "dco": code(3, DEVICE_COMPONENTS), "dte": text(256),
    "crd": text(256), "stc": code(4, STATUS_CODES), "stt": text(256), "pri": pattern(r"\d", "a digit"),
    "lco": code(3, LOCATION_CODES), "lva": text(32), "geo": pattern(r"[0-9., +-]{1,40}", "a position"),
    "tim": pattern(r"[0-9\-:+TZ.]{1,32}", "a time"), "gga": text(128), "lte": text(256),
    "ico": pattern(r"\d{1,3}", "a code"), "ite": text(512), "ame": pattern("[01]", "0 or 1"),
}  # fmt: skip
HELD = frozenset({"cid", "dty", "stc", "mty"})
ANSWER_FIELDS = ("ref", "snu", "ste", "cve", "mre", "cre", "tnu", "hbi")


# --- reading


def decode_request(body: bytes) -> Mrq:
    """The request in a body. Raises Refused with what to answer."""
    ref = seen_ref(body)
    try:
        found, aside = _tags(body, REQUEST, FIELDS)
        for tag in ("cid", "dty"):
            if not found.get(tag):
                raise Refused(TAG_MISSING, f"{tag} is missing; it is mandatory")
        values: dict[str, str] = {}
        for tag, came in found.items():
            try:
                values[tag] = FIELDS[tag](tag, came)
            except Refused as error:
                if tag in HELD:
                    raise
                aside.append(error.message)
        return Mrq(**values, set_aside=tuple(aside))
    except Refused as error:
        error.ref = ref
        raise


def decode_answer(body: bytes) -> Mrs:
    """The answer in a body. Raises Refused where it is none."""
    found, _ = _tags(body, ANSWER, ANSWER_FIELDS)
    if found.get("snu", "").lstrip("0") not in {"", *STATUS_NUMBERS} or "snu" not in found:
        raise Refused(WRONG_DATA, f"snu {found.get('snu', '')!r} is no status number of the standard")
    found["snu"] = padded(found["snu"], 1)
    return Mrs(**found)


def seen_ref(body: bytes) -> str:
    """The reference that can be seen in a body, also where the rest can't be read; empty where there is none."""
    found = SEEN_REF.search(body[:MOST_BYTES])
    return found[1].decode() if found else ""


def says_either(body: bytes) -> bool:
    """The root is `<scaip>`: its sender waits for `<scaip>`, in the SIP answer itself."""
    return SEEN_EITHER.search(body[:1_024]) is not None


def is_answer(body: bytes) -> bool:
    """The root is `<mrs>`: an answer to somebody, which is not answered."""
    return re.search(rb"\A[^<]*(?:<\?[^>]*\?>)?[^<]*<mrs\b", body[:1_024]) is not None


class _Reader:
    """The leaves of a document as (tag, text), where it is as flat as it has to be."""

    def __init__(self) -> None:
        self.root = ""
        self.path: list[str] = []
        self.leaves: list[tuple[str, str]] = []
        self.strange: list[str] = []
        self._text: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.path.append(name.rpartition("}")[2].lower())
        self.root = self.root or self.path[0]
        self._text = []
        if len(self.path) > 3:
            raise Refused(INVALID_FORMAT, f"{self.path[-1][:20]} lies too deep")

    def data(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        *outer, tag = self.path
        self.path.pop()
        if (len(outer) == 1 and tag != "lge") or outer[1:] == ["lge"]:
            if NESTED.get(tag, "") == "".join(outer[1:]):
                self.leaves.append((tag, "".join(self._text).strip()))
            else:
                self.strange.append(f"{tag[:20]} does not belong there")
        elif len(outer) > 1:
            self.strange.append(f"{tag[:20]} does not belong there")
        self._text = []


def _tags(body: bytes, root: str, known: Mapping[str, object] | tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Values by tag, and what was left out. Raises Refused."""
    if len(body) > MOST_BYTES:
        raise Refused(TOO_LONG, f"the message has {len(body)} bytes; at most {MOST_BYTES} are taken")
    reader = _read(body)
    if reader.root not in (root, EITHER):
        raise Refused(INVALID_FORMAT, f"the root is {reader.root[:20]}; it must be {root}", reason="root")
    found: dict[str, str] = {}
    aside = reader.strange
    for tag, said in reader.leaves:
        if tag not in known:
            aside.append(f"{tag[:20]} is no tag of the standard")
        elif tag in found:
            raise Refused(INVALID_FORMAT, f"{tag} stands there twice")
        elif said:  # an empty tag is as one that is not there
            found[tag] = said
    return found, aside[:20]


def _read(body: bytes) -> _Reader:
    parser, reader = expat.ParserCreate(namespace_separator="}"), _Reader()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body.strip(), True)
    except expat.ExpatError as error:
        raise Refused(INVALID_FORMAT, f"this is no XML: {error}", reason="xml") from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise Refused(INVALID_FORMAT, f"this can't be read: {error}", reason="xml") from error
    return reader


def _refuse_doctype(*_: object) -> None:
    raise Refused(INVALID_FORMAT, "a document type is not taken; leave <!DOCTYPE> out", reason="doctype")


# --- writing


def encode_request(request: Mrq, root: str = REQUEST) -> bytes:
    """The request as XML."""
    values = {tag: getattr(request, tag) for tag in FIELDS}
    position = "".join(_tag(tag, values.pop(tag)) for tag in ("geo", "tim", "gga"))
    parts = [_tag(tag, said) for tag, said in values.items()]
    if position:
        parts.insert(list(values).index("lte"), f"<lge>{position}</lge>")
    return f"<{root}>{''.join(parts)}</{root}>".encode()


def encode_answer(answer: Mrs, root: str = ANSWER) -> bytes:
    """The answer as XML."""
    cut = msgspec.structs.replace(answer, ste=answer.ste[:128])
    always = f"<ref>{escaped(writable(cut.ref))}</ref>"
    return f"<{root}>{always}{''.join(_tag(tag, getattr(cut, tag)) for tag in ANSWER_FIELDS[1:])}</{root}>".encode()


def _tag(tag: str, said: str) -> str:
    return f"<{tag}>{escaped(writable(said))}</{tag}>" if said else ""
