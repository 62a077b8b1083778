"""Web push (RFC 8030): a message to a browser, which its push service keeps until the device is there. That it took it (201)
is the receipt; whether anybody saw it is not known."""

import asyncio
import secrets
import time
from hashlib import sha256
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from dongne.adapters.channels.post import GONE, OUTSIDE, outcome_of, post_outside
from dongne.model.channels import PushConfig
from dongne.model.errors import BadInput
from dongne.runtime.channels import Message, Outcome
from dongne.standards.web_push import MOST_BYTES, SALT_BYTES, encrypt, read_subscription, to_base64url, vapid_header

TOKEN_S = 12 * 3_600
PERMIT = "push goes there only with `inside = true` under [channels.push]"


class PushChannel:
    """Sends to the push service that each subscription names."""

    name = "push"

    def __init__(self, config: PushConfig, key: ec.EllipticCurvePrivateKey) -> None:
        self._config, self._key = config, key
        self._room = asyncio.Semaphore(OUTSIDE)

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt."""
        try:
            to = read_subscription(message.to)
        except BadInput as why:
            return Outcome(ok=False, error=why.message, is_final=True)
        sender = ec.generate_private_key(ec.SECP256R1())
        body = encrypt(payload(message), to, secrets.token_bytes(SALT_BYTES), sender)
        headers = {
            "authorization": vapid_header(self._key, to.endpoint, self._config.subject, int(time.time()) + TOKEN_S),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(self._config.ttl_s),
            "urgency": "high" if message.urgent else "normal",
            "topic": to_base64url(sha256(message.id.encode()).digest()[:24]),  # a repeat takes the place of the first
        }
        config = self._config
        async with self._room:
            answer = await post_outside(
                to.endpoint, headers, body, inside=config.inside, permit=PERMIT, timeout_s=config.timeout_s
            )
        hide = (to.endpoint, to.endpoint[:80], urlsplit(to.endpoint).path)  # a capability
        return outcome_of(answer, answer.headers.get("location", ""), final=GONE, hide=hide)

    async def close(self) -> None:
        """Nothing is kept open."""


def payload(message: Message) -> bytes:
    """What the page's service worker gets, as JSON; a text that is too long for a push is cut."""
    text = message.text
    while True:
        written = msgspec.json.encode({
            "id": message.id, "title": message.subject, "body": text, "language": message.language, "url": message.answer_url,
            "answers": message.answers if message.asks else (), "urgent": message.urgent, "exercise": message.exercise,
        })  # fmt: skip
        if len(written) <= MOST_BYTES or not text:
            return written
        text = text[: len(text) * 3 // 4].rstrip("…") + "…" if len(text) > 8 else ""
