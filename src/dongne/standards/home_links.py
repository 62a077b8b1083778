"""Links to pages of one home that need no sign-in: the screen at the home, and a relative's page."""

from typing import Literal

import msgspec

from dongne.model.errors import NotFound
from dongne.standards.signed_tokens import sign, unsign

_USE = b"dongne home link 1\n"
Use = Literal["screen", "family"]


class HomeLink(msgspec.Struct, frozen=True, array_like=True):
    """What a token says: for which page of which home, and from when until when it holds (seconds since 1970). A relative's names the
    `contact`, and the key of the `consent` without which it is nothing."""

    use: Use
    home: int
    made_s: int
    until_s: int
    contact: str = ""
    consent: str = ""


def make_link(secret: bytes, link: HomeLink) -> str:
    """The token."""
    return sign(secret, _USE, msgspec.msgpack.encode(link))


def read_link(secret: bytes, use: Use, token: str, now_s: float) -> HomeLink:
    """What the token says. Raises NotFound for one that was not made with this secret for this page, and for one whose time is
    over (reason "home_link")."""
    body = unsign(secret, _USE, token)
    link = None if body is None else msgspec.msgpack.decode(body, type=HomeLink)
    if link is None or link.use != use or not link.made_s <= now_s < link.until_s:
        raise NotFound("this link does not hold, or no longer; ask for a new one", reason="home_link")
    return link
