"""Signed messages to receivers, as Standard Webhooks 1.0.0 has them (github.com/standard-webhooks, spec/standard-webhooks.md):
symmetric signatures (v1, HMAC-SHA256), the three headers, and what answers of a receiver mean."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

PREFIX = "whsec_"
GONE = 410


def secret_text(secret: bytes) -> str:
    """A secret as receivers' libraries take it."""
    return PREFIX + b64encode(secret).decode()


def sign(secret: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The signature of one attempt: of id, time of the attempt and body."""
    content = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    return "v1," + b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def headers_of(secrets: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt; several secrets while one is replaced by another."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp_s, body) for secret in secrets),
    }


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float:
    """How long the receiver asks to wait (RFC 9110, 10.2.3: seconds or a date); 0 where it says nothing that can be read."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        then = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.fromtimestamp(now_s, UTC)).total_seconds())
