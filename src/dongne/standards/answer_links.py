"""Links by which a person answers a notice: a token that says which notice, whose answer and until when, and that nobody
else can make (HMAC-SHA256, RFC 2104). A GET of such a link only asks; an answer is a POST, since mail scanners open links."""

import msgspec

from dongne.model.errors import NotFound
from dongne.standards.signed_tokens import sign, unsign

_USE = b"dongne answer link 1\n"  # the secret may serve other uses too


class AnswerLink(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. `notice` is the notice's key, `recipient` whose answer it is, `answers` those that may be given,
    `until_s` (seconds since 1970) when it ends."""

    notice: str
    recipient: str
    answers: tuple[str, ...]
    until_s: int


def make_token(secret: bytes, link: AnswerLink) -> str:
    """The token, of characters that a path takes as they are. The same link gives the same token."""
    return sign(secret, _USE, msgspec.msgpack.encode(link))


def read_token(secret: bytes, token: str, now_s: float) -> AnswerLink:
    """What the token says. Raises NotFound for one that was not made with this secret (reason "answer_link"), and for one
    whose time is over ("answer_link_ended")."""
    body = unsign(secret, _USE, token)
    if body is None:
        raise NotFound("this link is not one of ours; open it exactly as it was sent", reason="answer_link")
    link = msgspec.msgpack.decode(body, type=AnswerLink)
    if now_s >= link.until_s:
        raise NotFound("the time to answer by this link is over; call instead", reason="answer_link_ended")
    return link
