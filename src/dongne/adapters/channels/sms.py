"""Short messages by an HTTP gateway: a POST for each, with the message's id as Idempotency-Key. The receipt is the gateway's
own number for it."""

import re

import msgspec

from dongne.adapters.channels.post import GONE_OR_WRONG, Gateway, outcome_of
from dongne.model.channels import SmsConfig
from dongne.runtime.channels import Message, Outcome
from dongne.standards.sms import measure, shorten

TELEPHONE = re.compile(r"\+?[0-9]{3,15}")  # E.164, and short numbers of a country


class SmsChannel:
    """Sends by one gateway."""

    name = "sms"

    def __init__(self, config: SmsConfig, token: str = "") -> None:
        self._config, self._token = config, token
        self._gateway = Gateway(config.url, token, timeout_s=config.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt."""
        if not TELEPHONE.fullmatch(message.to):
            return Outcome(ok=False, error="this is no telephone number; write it as +821012345678", is_final=True)
        text = shorten(message.text, self._config.most_segments, message.answer_url)
        length = measure(text)
        body = {
            "id": message.id, "to": message.to, "from": self._config.sender, "text": text, "encoding": length.encoding,
            "segments": length.segments, "urgent": message.urgent, "exercise": message.exercise,
        }  # fmt: skip
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        answer = await self._gateway.post(headers, msgspec.json.encode(body))
        receipt = str(answer.document.get("id", ""))
        return outcome_of(answer, receipt, final=GONE_OR_WRONG, hide=(message.to, self._token))

    async def close(self) -> None:
        """Connections end."""
        await self._gateway.close()
