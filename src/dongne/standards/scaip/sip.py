"""SIP as far as MESSAGE and OPTIONS need it: `parse` and `Request.encode`, `Response.encode`, `answer`
(RFC 3261 sections 7, 8.2, 18.2, 20; RFC 3428; RFC 3581 for `rport`).

What can't be read raises SipError; it holds the request as far as it was read, so that whoever sent it is answered where
there is enough to answer to.
"""

import re
from collections.abc import Sequence
from hashlib import blake2s

import msgspec

VERSION = "SIP/2.0"
MAGIC = "z9hG4bK"  # RFC 3261, 8.1.1.7: a branch that is unique begins so
DEFAULT_PORT = 5060
MOST_HEAD_BYTES = 16_384
MOST_BODY_BYTES = 65_536
MOST_HEADERS = 100
COMPACT = {
    "c": "content-type", "e": "content-encoding", "f": "from", "i": "call-id", "k": "supported", "l": "content-length",
    "m": "contact", "s": "subject", "t": "to", "v": "via",
}  # fmt: skip
REASONS = {
    100: "Trying", 200: "OK", 400: "Bad Request", 405: "Method Not Allowed", 413: "Request Entity Too Large",
    415: "Unsupported Media Type", 420: "Bad Extension", 481: "Call/Transaction Does Not Exist",
    500: "Server Internal Error", 503: "Service Unavailable", 505: "Version Not Supported",
}  # fmt: skip
NEEDED = ("via", "from", "to", "call-id", "cseq")  # a request without them is none (8.1.1; Max-Forwards is let pass)
TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
REQUEST_LINE = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+) (\S+) (SIP/\d+\.\d+)")
STATUS_LINE = re.compile(r"(SIP/\d+\.\d+) (\d{3}) ?(.*)")
CSEQ = re.compile(r"(\d{1,10})[ \t]+([A-Za-z0-9.!%*_+`'~-]+)")
VIA = re.compile(r"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*([A-Za-z0-9.+-]+)[ \t]+([^;,\s]+)[ \t]*(;.*)?", re.I | re.S)
PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9.!%*_+`\'~-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;\s]*))?')
DIGITS = re.compile(r"\d{1,10}")

Header = tuple[str, str]  # the name in small letters and long form, and the value


class Via(msgspec.Struct, frozen=True):
    """Where a request came through: `sent_by` as "host" or "host:port"; `parameters` in their order, "" without a value."""

    transport: str
    sent_by: str
    parameters: tuple[tuple[str, str], ...] = ()

    def find(self, name: str) -> str | None:
        """The parameter's value; None where it is not there."""
        return next((value for key, value in self.parameters if key == name), None)

    @property
    def branch(self) -> str:
        """What names the transaction."""
        return self.find("branch") or ""

    @property
    def host_port(self) -> tuple[str, int]:
        """Host and port of `sent_by`; 5060 where it says none."""
        host, port = _split_host(self.sent_by)
        return host, DEFAULT_PORT if port is None else port

    def reached_from(self, host: str, port: int) -> "Via":
        """With where it really came from (18.2.1; RFC 3581 section 4): `received` where it differs or `rport` asks."""
        asks = self.find("rport") is not None
        kept = [(k, str(port) if k == "rport" else v) for k, v in self.parameters if k != "received"]
        if asks or host != self.host_port[0].strip("[]"):
            kept.append(("received", host))
        return Via(self.transport, self.sent_by, tuple(kept))

    def encode(self) -> str:
        """As a header's value."""
        tail = "".join(f";{key}={value}" if value else f";{key}" for key, value in self.parameters)
        return f"{VERSION}/{self.transport} {self.sent_by}{tail}"


class Request(msgspec.Struct, frozen=True):
    """A request. `headers` in their order."""

    method: str
    uri: str
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    def find(self, name: str) -> str | None:
        """The first header of this name, written small and long."""
        return find_header(self.headers, name)

    @property
    def cseq(self) -> int:
        """The number of CSeq; -1 where it can't be read."""
        found = CSEQ.fullmatch(self.find("cseq") or "")
        return int(found[1]) if found else -1

    def encode(self) -> bytes:
        """As bytes, with Content-Length."""
        return _encode(f"{self.method} {self.uri} {VERSION}", self.headers, self.body)


class Response(msgspec.Struct, frozen=True):
    """An answer. `headers` in their order."""

    status: int
    reason: str = ""
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    def find(self, name: str) -> str | None:
        """The first header of this name, written small and long."""
        return find_header(self.headers, name)

    def encode(self) -> bytes:
        """As bytes, with Content-Length."""
        reason = self.reason or REASONS.get(self.status, "")
        return _encode(f"{VERSION} {self.status} {reason}", self.headers, self.body)


class SipError(Exception):
    """What came is no SIP that we take. `status` is what to answer; `request` is what could be read, None where
    nothing can be answered; `reason` is a short word under which it is counted."""

    def __init__(self, message: str, reason: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(message)
        self.message, self.reason, self.status, self.request = message, reason, status, request


def find_header(headers: Sequence[Header], name: str) -> str | None:
    """The first value under this name."""
    return next((value for key, value in headers if key == name), None)


# --- reading


def parse(data: bytes) -> Request | Response:
    """The message in a datagram, or one that `framing` cut out of a stream. Raises SipError."""
    head, separator, body = _cut(data.lstrip(b"\r\n"))
    if not separator:
        raise SipError("the message has no empty line after its headers", "no_end", request=_as_far(head))
    line, headers = read_head(head)
    try:
        body = _measured(body, headers)
    except SipError as error:
        error.request = request_of(line, headers)
        raise
    if (status := STATUS_LINE.fullmatch(line)) is not None:
        return Response(int(status[2]), status[3], headers, body)
    request = request_of(line, headers, body)
    if request is None:
        raise SipError(f"{line[:40]!r} is no request of SIP", "start_line")
    if not line.endswith(VERSION):
        raise SipError(f"only {VERSION} is spoken here", "version", 505, request)
    _check(request)
    return request


def read_head(head: bytes) -> tuple[str, tuple[Header, ...]]:
    """First line and headers. Raises SipError."""
    if len(head) > MOST_HEAD_BYTES:
        raise SipError(f"the headers are longer than {MOST_HEAD_BYTES} bytes", "head_too_long", 413)
    text = head.decode("utf-8", "replace")
    line, *rest = re.split(r"\r\n|\n", text)
    return line.strip(), _headers(rest)


def content_length(headers: Sequence[Header]) -> int | None:
    """The length of the body; None where there is no such header. Raises SipError."""
    said = {value for key, value in headers if key == "content-length"}
    if not said:
        return None
    if len(said) > 1 or DIGITS.fullmatch(length := said.pop()) is None:
        raise SipError("Content-Length is no number, or says two", "content_length")
    return int(length)


def _cut(data: bytes) -> tuple[bytes, bytes, bytes]:
    crlf, bare = data.find(b"\r\n\r\n"), data.find(b"\n\n")
    if crlf >= 0 and (bare < 0 or crlf < bare):
        return data[:crlf], b"\r\n\r\n", data[crlf + 4 :]
    return data.partition(b"\n\n")


def _headers(lines: Sequence[str]) -> tuple[Header, ...]:
    unfolded: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and unfolded:
            unfolded[-1] += " " + line.strip()
        elif line.strip():
            unfolded.append(line)
    if len(unfolded) > MOST_HEADERS:
        raise SipError(f"there are more than {MOST_HEADERS} headers", "head_too_long", 413)
    found: list[Header] = []
    for line in unfolded:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and TOKEN.fullmatch(name):  # another line is no header; what is needed is missed below
            found.append((COMPACT.get(name, name), value.strip()))
    return tuple(found)


def _measured(body: bytes, headers: Sequence[Header]) -> bytes:
    length = content_length(headers)
    if length is None:
        return body
    if length > len(body):
        raise SipError(f"Content-Length says {length}, and {len(body)} bytes came", "cut_short")
    return body[:length]


def request_of(line: str, headers: tuple[Header, ...], body: bytes = b"") -> Request | None:
    """The request with this first line; None where it is that of none."""
    found = REQUEST_LINE.fullmatch(line)
    return None if found is None else Request(found[1], found[2], headers, body)


def _as_far(head: bytes) -> Request | None:
    try:
        return request_of(*read_head(head))
    except SipError:
        return None


def _check(request: Request) -> None:
    missing = [name for name in NEEDED if not request.find(name)]
    if missing:
        raise SipError(f"the request has no {', '.join(missing)}", "header_missing", request=request)
    found = CSEQ.fullmatch(request.find("cseq") or "")
    if found is None or found[2] != request.method or int(found[1]) >= 1 << 31:
        raise SipError("CSeq is no number below 2**31 and the request's method", "cseq", request=request)
    if not list_vias(request.headers):
        raise SipError("Via can't be read", "via", request=request)


def list_vias(headers: Sequence[Header]) -> list[Via]:
    """All Vias that can be read, the nearest first; none from the first on that can't."""
    vias: list[Via] = []
    for value in (v for key, v in headers if key == "via"):
        for part in split_commas(value):
            found = VIA.fullmatch(part)
            if found is None or _split_host(found[2])[0] == "":
                return vias
            vias.append(Via(found[1].upper(), found[2], parameters_of(found[3] or "")))
    return vias


def parameters_of(text: str) -> tuple[tuple[str, str], ...]:
    """The parameters of ";a=1;b": ((a, 1), (b, ""))."""
    return tuple((key.lower(), value or "") for key, value in PARAMETER.findall(text))


def split_commas(value: str) -> list[str]:
    """The parts of a header with several values; commas in quotes and in <> do not part."""
    parts, start, quoted, angled = [], 0, False, False
    for at, char in enumerate(value):
        if char == '"' and (at == 0 or value[at - 1] != "\\"):
            quoted = not quoted
        elif not quoted and char in "<>":
            angled = char == "<"
        elif char == "," and not quoted and not angled:
            parts.append(value[start:at].strip())
            start = at + 1
    return [*parts, value[start:].strip()]


def uri_of(value: str) -> str:
    """The address in a From, To or Contact: of `"A" <sip:a@b>;tag=1` it is sip:a@b."""
    found = re.search(r"<([^<>]*)>", value)
    return found[1].strip() if found else value.partition(";")[0].strip()


def host_of(uri: str) -> str:
    """Host and port in sip:a@host:5060;b=c: what the sender calls the receiver. "invalid" where there is none."""
    found = re.match(
        r"sips?:(?:[^@]*@)?([A-Za-z0-9.\-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?)(?:[;?]|$)", uri, re.I
    )
    return found[1] if found else "invalid"


def tag_of(value: str) -> str:
    """The tag of a From or To; empty where there is none."""
    tail = value[value.rfind(">") + 1 :] if ">" in value else value
    return next((v for key, v in parameters_of(";" + tail.partition(";")[2]) if key == "tag"), "")


def _split_host(sent_by: str) -> tuple[str, int | None]:
    host, port = sent_by, ""
    if sent_by.startswith("["):
        host, bracket, rest = sent_by.partition("]")
        host, port = (host + "]", rest.removeprefix(":")) if bracket else ("", "")
    elif ":" in sent_by:
        host, _, port = sent_by.partition(":")
    if port and (not port.isascii() or not port.isdigit() or int(port[:6]) > 65_535):
        return "", None
    return host, int(port) if port else None


# --- answering


def answer(
    request: Request, status: int, source: tuple[str, int], *, reason: str = "", headers: Sequence[Header] = (),
    body: bytes = b"",
) -> Response:  # fmt: skip
    """The answer to a request from `source` (8.2.6): Via, From, To with our tag, Call-ID and CSeq as they came."""
    vias = list_vias(request.headers)
    kept: list[Header] = [("via", via.encode()) for via in (vias[0].reached_from(*source), *vias[1:])] if vias else []
    for name in ("from", "to", "call-id", "cseq"):
        value = request.find(name)
        if value is not None:
            kept.append((name, with_tag(value, our_tag(request)) if name == "to" else value))
    return Response(status, reason, (*kept, *headers), body)


def our_tag(request: Request) -> str:
    """Our tag: the same for the same request, so that an answer said twice is the same."""
    return blake2s(repr(transaction_key(request)).encode(), digest_size=8).hexdigest()


def with_tag(value: str, tag: str) -> str:
    """The From or To with this tag, where it has none."""
    return value if tag_of(value) else f"{value};tag={tag}"


def transaction_key(request: Request) -> tuple[str, ...]:
    """What is the same for a request and its retransmissions, and for no other. RFC 3261, 17.2.3 trusts the branch alone;
    Call-ID, CSeq and the body are looked at too, since a gateway that uses a branch twice must not lose an alarm by it."""
    vias = list_vias(request.headers)
    top = vias[0] if vias else Via("", "")
    names = (request.find(name) or "" for name in ("from", "call-id", "cseq"))
    return (request.method, request.uri, top.branch, top.sent_by.lower(), *names, blake2s(request.body).hexdigest())


def reply_address(request: Request, source: tuple[str, int]) -> tuple[str, int]:
    """Where an answer goes over UDP (18.2.2, RFC 3581): to the source with `rport`, else to the port that Via says."""
    vias = list_vias(request.headers)
    if not vias or vias[0].find("rport") is not None:
        return source
    return source[0], vias[0].host_port[1]


# --- writing

LONG = {
    "call-id": "Call-ID", "cseq": "CSeq", "via": "Via", "from": "From", "to": "To", "max-forwards": "Max-Forwards",
    "content-type": "Content-Type", "content-length": "Content-Length", "contact": "Contact", "allow": "Allow",
    "accept": "Accept", "accept-encoding": "Accept-Encoding", "retry-after": "Retry-After", "unsupported": "Unsupported",
}  # fmt: skip


def _encode(line: str, headers: Sequence[Header], body: bytes) -> bytes:
    lines = [
        line,
        *(f"{LONG.get(key, key.title())}: {_flat(value)}" for key, value in headers if key != "content-length"),
    ]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _flat(value: str) -> str:
    return re.sub(r"[\r\n\x00]+", " ", value)
