"""Several requests in one body, and their answers: multipart/mixed (18-088, clause 11; OData 4.01, part 1, 11.7.7) and JSON
(OData JSON 4.01, clause 19)."""

import re
from email import policy
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import Any

import msgspec

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.decode import decode_json

MOST_REQUESTS = 1_000
_REQUEST = re.compile(rb"([A-Z]+) (\S+)(?: HTTP/1\.[01])?[ \t]*\r?\n", re.ASCII)
_ROOT = re.compile(r"^(?:https?://[^/]+)?(?:/?v1\.1)?/?")
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


class Part(msgspec.Struct, frozen=True):
    """One request. `url` is below the service root, with its options; parts of one `group` are done together or not at
    all; `id` is what `$id` in later parts stands for; `depends_on` has ids of parts and groups before it."""

    id: str
    method: str
    url: str
    body: bytes = b""
    content_type: str = "application/json"
    group: str = ""
    depends_on: tuple[str, ...] = ()
    is_json: bool = False  # of a batch in the JSON form


class JsonRequest(msgspec.Struct, frozen=True):
    """A request of the JSON form as it is sent. `url` is below the service root, and `$id` in it what request `id` made; of a
    group all is stored or nothing; `depends_on` has ids of requests and groups before it."""

    url: str
    method: str
    id: str | int | None = None
    headers: dict[str, str] | None = None
    body: Any = None
    group: str | int | None = msgspec.field(name="atomicityGroup", default=None)
    depends_on: list[str | int] | None = msgspec.field(name="dependsOn", default=None)


class Answer(msgspec.Struct, frozen=True):
    """What became of a part, or of a whole group that failed."""

    id: str
    status: int
    body: bytes = b""
    location: str = ""
    group: str = ""
    content_type: str = "application/json"
    retry_after_s: int = 0  # where the same again may succeed


def parse_batch(body: bytes, content_type: str) -> list[Part]:
    """The parts in order. Raises BadInput where the frame can't be read or holds too many."""
    is_multipart = content_type.lower().startswith("multipart/")
    parts = _multipart(body, content_type) if is_multipart else _json(body)
    if len(parts) > MOST_REQUESTS:
        raise BadInput(
            f"the batch has {len(parts)} requests; at most {MOST_REQUESTS}, send it in several", reason="batch"
        )
    for part in parts:
        if part.method not in METHODS:
            raise BadInput(f"{part.id}: {part.method[:20]} is none of {', '.join(METHODS)}", reason="batch")
        if part.url.partition("?")[0].strip("/") == "$batch":
            raise BadInput(f"{part.id}: a batch inside a batch is not taken", reason="batch")
    if not is_multipart:
        _check_order(parts)
    return parts


def _check_order(parts: list[Part]) -> None:
    """Ids are said once, groups stay together, and nobody depends on what comes later (OData JSON 4.01, 19.1)."""
    names: set[str] = set()
    group = ""
    for part in parts:
        if part.id in names:
            raise BadInput(f"the id {part.id[:40]!r} is given twice; give each request its own", reason="batch")
        for other in part.depends_on:
            if other not in names:
                raise BadInput(f"{part.id}: {other[:40]!r} is no request or group before it", reason="batch")
        if part.group != group and part.group in names:
            raise BadInput(f"the requests of group {part.group[:40]!r} do not follow each other; put them together")
        group = part.group
        names |= {part.id, group} if group else {part.id}


def _json(body: bytes) -> list[Part]:
    document = decode_json(body)
    requests = document.get("requests") if isinstance(document, dict) else None
    if not isinstance(requests, list):
        raise BadInput(
            '$: expected {"requests": [{"id": "1", "method": "post", "url": "Things", "body": {}}]}', reason="batch"
        )
    parts = []
    for place, sent in enumerate(requests):
        try:
            request = msgspec.convert(sent, JsonRequest)
        except msgspec.ValidationError as error:
            raise BadInput(f"$.requests[{place}]: {error}", reason="batch") from None
        headers = {name.lower(): value for name, value in (request.headers or {}).items()}
        parts.append(
            Part(
                str(place + 1 if request.id is None else request.id),
                request.method.upper(),
                _relative(request.url),
                b"" if request.body is None else msgspec.json.encode(request.body),
                headers.get("content-type", "application/json").lower(),
                "" if request.group is None else str(request.group),
                tuple(str(other) for other in request.depends_on or ()),
                is_json=True,
            )
        )
    return parts


def _relative(url: str) -> str:
    return _ROOT.sub("", url, count=1)


def _multipart(body: bytes, content_type: str) -> list[Part]:
    message = BytesParser(policy=policy.HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body
    )
    if not message.is_multipart():
        raise BadInput("the body is not multipart: check the boundary in Content-Type and in the body", reason="batch")
    parts: list[Part] = []
    for place, outer in enumerate(message.iter_parts()):
        if outer.get_content_type() == "multipart/mixed":
            parts += [_request(inner, f"{place}.{at}", f"g{place}") for at, inner in enumerate(outer.iter_parts())]
        else:
            parts.append(_request(outer, str(place), ""))
    return parts


def _request(part: Message, place: str, group: str) -> Part:
    payload = part.get_payload(decode=True)
    text = (payload if isinstance(payload, bytes) else b"").lstrip(b"\r\n")
    found = _REQUEST.match(text)
    if found is None:
        raise BadInput(f"part {place}: expected a request such as POST /v1.1/Things HTTP/1.1", reason="batch")
    headers, _, body = _halved(text[found.end() :])
    kind = re.search(rb"^content-type:[ \t]*([^\r\n]+)", headers, re.I | re.M)
    return Part(
        str(part.get("Content-ID", place)).strip("<> "),
        found[1].decode(),
        _relative(found[2].decode("utf-8", "replace")),
        body.strip(),
        kind[1].decode("latin-1").lower() if kind else "application/json",
        group,
    )


def _halved(text: bytes) -> tuple[bytes, bytes, bytes]:
    if text.startswith((b"\r\n", b"\n")):
        return b"", b"", text
    return text.partition(b"\r\n\r\n") if b"\r\n\r\n" in text else text.partition(b"\n\n")


# --- answers --------------------------------------------------------------------------------------------------------


def json_answers(answers: list[Answer]) -> bytes:
    """As the JSON form has them."""
    return msgspec.json.encode({"responses": [_json_answer(answer) for answer in answers]})


def _json_answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"id": answer.id, "status": answer.status}
    if answer.group:
        found["atomicityGroup"] = answer.group
    is_json = "json" in answer.content_type
    if answer.location:
        found["headers"] = {"location": answer.location}
    elif answer.retry_after_s:
        found["headers"] = {"retry-after": str(answer.retry_after_s)}
    elif answer.body and not is_json:
        found["headers"] = {"content-type": answer.content_type}
    if answer.body:
        found["body"] = msgspec.Raw(answer.body) if is_json else answer.body.decode("utf-8", "replace")
    return found


def multipart_answers(answers: list[Answer], boundary: str) -> bytes:
    """As the multipart form has them; the answers of a group are a multipart of their own."""
    lines: list[bytes] = []
    group = ""
    for answer in answers:
        if answer.group != group and group:
            lines.append(f"--{boundary}_{group}--\r\n".encode())
        if answer.group and answer.group != group:
            inner = f"{boundary}_{answer.group}"
            lines.append(f"--{boundary}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode())
        group = answer.group
        lines.append(_http(answer, f"{boundary}_{group}" if group else boundary))
    if group:
        lines.append(f"--{boundary}_{group}--\r\n".encode())
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def _http(answer: Answer, boundary: str) -> bytes:
    head = f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {answer.id}\r\n\r\n"
    head += f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
    if answer.location:
        head += f"Location: {answer.location}\r\n"
    if answer.retry_after_s:
        head += f"Retry-After: {answer.retry_after_s}\r\n"
    if answer.body:
        head += f"Content-Type: {answer.content_type}\r\n"
    return f"{head}Content-Length: {len(answer.body)}\r\n\r\n".encode() + answer.body + b"\r\n"
