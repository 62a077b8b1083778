"""What a form must bring before it changes anything: it came from a page of ours, and carries that page's mark.

Both hold without script. The mark is an HMAC over the cookie of who is signed in, with salt of its own on each page, so that
nothing can be learnt from the lengths of compressed pages. Programs that send an Authorization header need none: another
site's page can't make a browser send that.
"""

import hmac
import secrets

from starlette.requests import Request

from dongne.model.errors import NotAllowed
from dongne.web.context import WebContext

FIELD = "form"  # the hidden field with the mark
COOKIE = "dongne_token"
_SALT = 16


def mark_of(request: Request, context: WebContext, salt: str = "") -> str:
    """The mark of a form on the page that this request asked for."""
    salt = salt or secrets.token_hex(_SALT // 2)
    text = f"{salt} {request.cookies.get(COOKIE, '')}".encode()
    return salt + hmac.new(context.gate.form_key, text, "sha256").hexdigest()[:32]


def check_form(request: Request, context: WebContext, mark: str) -> None:
    """Raises NotAllowed where the form is not one of ours."""
    check_origin(request)
    if "authorization" not in request.headers:
        right = mark_of(request, context, mark[:_SALT].ljust(_SALT, "-"))
        if not hmac.compare_digest(mark.encode(), right.encode()):
            raise NotAllowed(
                "the form is not of this session; open its page again and send it from there", reason="form"
            )


def check_origin(request: Request) -> None:
    """Raises NotAllowed where a browser says that another site sent this (Fetch Metadata, and RFC 6454)."""
    site = request.headers.get("sec-fetch-site", "")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    if site not in {"", "same-origin", "none"} or (origin and origin.split("://")[-1] != host):
        raise NotAllowed(
            f"the form came from {(origin or site)[:100]!r} and not from {host[:100]!r}; open the page here and try again",
            reason="form",
        )
