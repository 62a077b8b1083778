"""What a form must bring before it changes anything: it came from a page of ours, and carries that page's mark.

Both hold without script. The mark is an HMAC over the cookie of who is signed in, with salt of its own on each page, so that
nothing can be learnt from the lengths of compressed pages. Programs that send an Authorization header need none: another
site's page can't make a browser send that.
"""

import hmac
import secrets
from urllib.parse import parse_qsl

from starlette.requests import Request

from dongne.model.errors import BadInput, NotAllowed, TooLarge
from dongne.web.context import WebContext

FIELD = "form"  # the hidden field with the mark
COOKIE = "dongne_token"
LONGEST, MOST_FIELDS = 256 << 10, 500
_SALT = 16


async def read_fields(request: Request) -> dict[str, str]:
    """The fields of a form that was posted, the last where one comes twice. Raises BadInput where it is none, TooLarge."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadInput(f"forms are sent as application/x-www-form-urlencoded, not as {kind[:60]!r}", reason="form")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise TooLarge(f"the form is longer than {LONGEST >> 10} KiB; make it shorter", reason="form")
    try:
        return dict(
            parse_qsl(body.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS)
        )
    except ValueError as error:
        raise BadInput(f"the form can't be read: {error}", reason="form") from None


def mark_of(request: Request, context: WebContext, salt: str = "") -> str:
    """The mark of a form on the page that this request asked for."""
    salt = salt or secrets.token_hex(_SALT // 2)
    text = f"{salt} {request.cookies.get(COOKIE, '')}".encode()
    return salt + hmac.new(context.gate.form_key, text, "sha256").hexdigest()[:32]


def check_form(request: Request, context: WebContext, mark: str) -> None:
    """Raises NotAllowed where the form is not one of ours."""
    check_origin(request, context)
    if "authorization" not in request.headers:
        right = mark_of(request, context, mark[:_SALT].ljust(_SALT, "-"))
        if not hmac.compare_digest(mark.encode(), right.encode()):
            raise NotAllowed(
                "the form is not of this session; open its page again and send it from there", reason="form"
            )


def check_origin(request: Request, context: WebContext) -> None:
    """Raises NotAllowed where a browser says that another site sent this (Fetch Metadata, and RFC 6454). Behind a proxy,
    which may ask with another Host, the public address is ours too."""
    site = request.headers.get("sec-fetch-site", "")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    is_ours = not origin or origin.split("://")[-1] == host or origin == context.public_url.rstrip("/")
    if site not in {"", "same-origin", "none"} or not is_ours:
        raise NotAllowed(
            f"the form came from {(origin or site)[:100]!r} and not from {host[:100]!r}; open the page here and try again",
            reason="form",
        )
