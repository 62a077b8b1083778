"""Links by which a person answers a notice: a token that says which notice, whose answer and until when, and that nobody
else can make (HMAC-SHA256, RFC 2104). A GET of such a link only asks; an answer is a POST, since mail scanners open links."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from dongne.model.errors import NotFound

LEAST_SECRET_BYTES = 32
_MAC_BYTES = 16
_USE = b"dongne answer link 1\n"  # the secret may serve other uses too
_LONGEST = 2_000


class AnswerLink(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. `notice` is the notice's key, `recipient` whose answer it is, `answers` those that may be given,
    `until_s` (seconds since 1970) when it ends."""

    notice: str
    recipient: str
    answers: tuple[str, ...]
    until_s: int


def make_token(secret: bytes, link: AnswerLink) -> str:
    """The token, of characters that a path takes as they are. The same link gives the same token."""
    body = msgspec.msgpack.encode(link)
    return urlsafe_b64encode(_mac(secret, body) + body).rstrip(b"=").decode()


def read_token(secret: bytes, token: str, now_s: float) -> AnswerLink:
    """What the token says. Raises NotFound for one that was not made with this secret (reason "answer_link"), and for one
    whose time is over ("answer_link_ended")."""
    strange = NotFound("this link is not one of ours; open it exactly as it was sent", reason="answer_link")
    if len(token) > _LONGEST or not token.isascii():
        raise strange
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise strange from None
    body = raw[_MAC_BYTES:]
    if not hmac.compare_digest(raw[:_MAC_BYTES], _mac(secret, body)):
        raise strange
    link = msgspec.msgpack.decode(body, type=AnswerLink)
    if now_s >= link.until_s:
        raise NotFound("the time to answer by this link is over; call instead", reason="answer_link_ended")
    return link


def _mac(secret: bytes, body: bytes) -> bytes:
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes is too short; take {LEAST_SECRET_BYTES} random ones")
    return hmac.digest(secret, _USE + body, "sha256")[:_MAC_BYTES]
