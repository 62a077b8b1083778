"""The little HTTP that the API needs, on plain ASGI: bodies with a bound, JSON answers, errors as JSON."""

import re
from base64 import b64decode
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

import msgspec

from dongne.model.errors import DongneError, NotAllowed, RetryLater, TooLarge, WrongForm, WrongMethod
from dongne.model.who import Right, Who
from dongne.web.api.context import ApiContext, Receive, Scope, Send

Header = tuple[bytes, bytes]
JSON_HEADER: Header = (b"content-type", b"application/json")
OPEN: Header = (b"access-control-allow-origin", b"*")
_encode = msgspec.json.Encoder().encode
_MIB = 1 << 20


class Gone(Exception):
    """The client hung up before its request was whole; there is nobody to answer."""


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be longer than the limit, Gone where it breaks off."""
    message = await receive()
    if message["type"] != "http.request":
        raise Gone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit_bytes:
            raise too_large(limit_bytes)
        return body
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit_bytes:
            raise too_large(limit_bytes)
    parts, size = [body], len(body)
    while message.get("more_body", False):
        if size > limit_bytes:
            raise too_large(limit_bytes)
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit_bytes:
        raise too_large(limit_bytes)
    return b"".join(parts)


def too_large(limit_bytes: int) -> TooLarge:
    """What to say to a body longer than this."""
    return TooLarge(
        f"the body is longer than {limit_bytes / _MIB:g} MiB; send it in several requests", reason="bodytoo_large"
    )


async def send_bytes(
    send: Send, status: int, body: bytes = b"", headers: Iterable[Header] = (), content: Header | None = JSON_HEADER
) -> None:
    """One whole answer."""
    all_headers: list[Header] = [(b"content-length", str(len(body)).encode()), *headers]
    if content is not None and body:
        all_headers.append(content)
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, document: Any, headers: Iterable[Header] = ()) -> None:
    """One whole answer as JSON."""
    await send_bytes(send, status, _encode(document), headers)


async def send_error(send: Send, error: DongneError, headers: Sequence[Header] = ()) -> None:
    """{"code", "type", "message"}; with Retry-After where the same again may succeed, and the connection closed where
    the rest of a body was not read."""
    extra = list(headers)
    if isinstance(error, RetryLater):
        extra.append((b"retry-after", str(max(1, ceil(error.after_s))).encode()))
    if isinstance(error, TooLarge):
        extra.append((b"connection", b"close"))
    if isinstance(error, NotAllowed):
        extra.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, WrongMethod):
        extra.append((b"allow", ", ".join(error.allowed).encode()))
    document = {"code": error.status, "type": "error", "message": error.message}
    await send_json(send, error.status, document, [*extra, OPEN])


def token_of(scope: Scope) -> str | None:
    """The token a request brings: as Bearer, or as the password of Basic, which many clients of SensorThings know only."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return str(rest.strip())
            if scheme.lower() == "basic":
                try:
                    return b64decode(rest.strip()).decode().partition(":")[2]
                except ValueError:
                    return ""
    return None


# curl says the second where nobody says anything; both are read as JSON.
_READ_AS_JSON = frozenset({b"application/json", b"application/x-www-form-urlencoded", b"text/plain", b"text/json"})


def check_form(scope: Scope, *more: str) -> None:
    """Raises WrongForm where a body says that it is neither JSON nor of these further types."""
    for name, value in scope["headers"]:
        if name == b"content-type" and value not in _READ_AS_JSON:
            check_content_type(value, more)


def check_content_type(value: bytes, more: Sequence[str] = ()) -> None:
    """The same for the header's value."""
    kind = value.partition(b";")[0].strip().lower()
    if not kind or kind in _READ_AS_JSON or kind.decode("latin-1") in more:
        return
    if kind.startswith(b"application/") and kind.endswith(b"+json"):
        return
    known = ", ".join(("application/json", *more))
    raise WrongForm(
        f"a body of content type {kind.decode('latin-1')[:60]!r} is not read here; send {known}", reason="content_type"
    )


def check_write(context: ApiContext, scope: Scope, needed: Sequence[Right] = (Right.OBSERVE, Right.MODEL)) -> Who:
    """Who asks. Raises NotKnown or NotAllowed where they have none of the rights needed, for any Thing, TooMany
    where they write too often."""
    who = context.who_of(scope)
    if who.rights.isdisjoint(needed):
        who.must(needed[0])
    context.rates.check("write", who, scope)
    return who


SINGLE_PATH = re.compile(r"/v1\.1/Datastreams\((\d{1,9})\)/Observations")
