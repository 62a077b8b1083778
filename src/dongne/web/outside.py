"""What holds for every answer, pages and API alike: headers that tell browsers what they must not do."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dongne.web.forms import COOKIE

Header = tuple[bytes, bytes]
POLICY = b"default-src 'none'; frame-ancestors 'none'"  # pages have their own
ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", POLICY),
)
HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
_COOKIE = COOKIE.encode() + b"="
_NO_STORE: Header = (b"cache-control", b"no-store")


def with_headers(app: ASGIApp, *, is_https: bool) -> ASGIApp:
    """The same application; each answer has these headers, where it has none of that name. What somebody who is signed in
    gets is stored nowhere."""
    always = (*ALWAYS, HSTS) if is_https else ALWAYS

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
        else:
            await app(scope, receive, _adding(send, always, is_signed_in=_is_signed_in(scope)))

    return answered


def _is_signed_in(scope: Scope) -> bool:
    if scope["path"].startswith("/assets/"):
        return False
    return any(name == b"cookie" and _COOKIE in value for name, value in scope["headers"])


def _adding(send: Send, always: tuple[Header, ...], *, is_signed_in: bool) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Header] = list(message.get("headers", ()))
            if is_signed_in:
                headers = [header for header in headers if header[0] != b"cache-control"]
                headers.append(_NO_STORE)
            there = {name for name, _ in headers}
            headers += [header for header in always if header[0] not in there]
            message = {**message, "headers": headers}
        await send(message)

    return sent
