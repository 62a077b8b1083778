"""A messenger behind a webhook: a POST for each message, signed as Standard Webhooks 1.0.0 has it. The receipt is the "id" of
the answer, where it has one."""

import asyncio
import time

import msgspec

from dongne.adapters.channels.post import GONE, OUTSIDE, Gateway, outcome_of, post_outside
from dongne.model.channels import MessengerConfig
from dongne.model.times import format_instant, from_us
from dongne.runtime.channels import Message, Outcome
from dongne.standards.webhooks import headers_of

PERMIT = "messages go there only with `inside = true` under [channels.messenger]"


class MessengerChannel:
    """Sends to the webhook of the configuration, or to the one that is an address itself."""

    name = "messenger"

    def __init__(self, config: MessengerConfig, secret: bytes) -> None:
        self._config, self._secret = config, secret
        self._room = asyncio.Semaphore(OUTSIDE)
        self._gateway = Gateway(config.url, timeout_s=config.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt."""
        now_us = time.time_ns() // 1000
        body = msgspec.json.encode({
            "type": "notice.sent",
            "timestamp": format_instant(from_us(now_us)),
            "data": {
                "id": message.id, "to": message.to, "subject": message.subject, "text": message.text,
                "language": message.language, "urgent": message.urgent, "exercise": message.exercise,
                "answers": message.answers if message.asks else (), "answer_url": message.answer_url,
            },
        })  # fmt: skip
        headers = headers_of([self._secret], message.id, now_us // 1_000_000, body)
        config = self._config
        if message.to.startswith(("https://", "http://")):
            async with self._room:
                answer = await post_outside(
                    message.to, headers, body, inside=config.inside, permit=PERMIT, timeout_s=config.timeout_s
                )
        elif config.url:
            answer = await self._gateway.post(headers, body)
        else:
            return Outcome(ok=False, error="the address is no URL, and [channels.messenger] has no url", is_final=True)
        hide = (message.to, message.to[:80])
        return outcome_of(answer, str(answer.document.get("id", "")), final=GONE, hide=hide)

    async def close(self) -> None:
        """Connections end."""
        await self._gateway.close()
