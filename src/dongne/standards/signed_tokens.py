"""Tokens that say something and that nobody else can make (HMAC-SHA256, RFC 2104), of characters that a path takes as they are."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

MAC_BYTES = 16
LEAST_SECRET_BYTES = 32
LONGEST = 2_000


def sign(secret: bytes, use: bytes, body: bytes) -> str:
    """The token. `use` keeps tokens for one use from being taken for another. Raises ValueError for a secret that is too short."""
    return urlsafe_b64encode(_mac(secret, use, body) + body).rstrip(b"=").decode()


def unsign(secret: bytes, use: bytes, token: str) -> bytes | None:
    """What was signed; None where it was not signed with this secret for this use."""
    if len(token) > LONGEST or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    body = raw[MAC_BYTES:]
    return body if hmac.compare_digest(raw[:MAC_BYTES], _mac(secret, use, body)) else None


def _mac(secret: bytes, use: bytes, body: bytes) -> bytes:
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes is too short; take {LEAST_SECRET_BYTES} random ones")
    return hmac.digest(secret, use + body, "sha256")[:MAC_BYTES]
