"""Telephone calls by an HTTP gateway, which follows a script: it says, waits for keys, and posts the answer to `answer_url`. The
receipt is that somebody picked up; a key is an answer; silence is none."""

import asyncio
from collections.abc import Mapping

import msgspec

from dongne.adapters.channels.post import GONE_OR_WRONG, Answer, Gateway, outcome_of
from dongne.adapters.channels.sms import TELEPHONE
from dongne.model.channels import VoiceConfig
from dongne.runtime.call_script import CallScript, ask_script, tell_script
from dongne.runtime.channels import Message, Outcome

Words = Mapping[str, Mapping[str, str]]  # by language

PICKED_UP = frozenset({"picked_up", "ended"})
UNDER_WAY = frozenset({"queued", "ringing"})
HELD_S = 10.0  # the gateway holds a question for a call's state, until it changes
CALLS = 50  # at once
LATE_S = 15.0  # over the time it rings, until the call has begun to ring


class VoiceChannel:
    """Calls by one gateway."""

    name = "voice"

    def __init__(self, config: VoiceConfig, token: str, words: Words) -> None:
        self._config, self._token, self._words = config, token, words
        self._gateway = Gateway(config.url, token, timeout_s=config.timeout_s, connections=CALLS)
        self._room = asyncio.Semaphore(CALLS)

    async def send(self, message: Message) -> Outcome:
        """What came of one call, once it was picked up or is over; longer than it rings by some seconds at most."""
        if not TELEPHONE.fullmatch(message.to):
            return Outcome(ok=False, error="this is no telephone number; write it as +821012345678", is_final=True)
        body = {
            "id": message.id, "to": message.to, "from": self._config.caller, "ring_s": self._config.ring_s,
            "urgent": message.urgent, "exercise": message.exercise, "script": self._script(message),
            "answer_url": message.answer_url if message.asks else "",
        }  # fmt: skip
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        try:
            async with self._room, asyncio.timeout(self._config.ring_s + LATE_S):
                answer = await self._gateway.post(headers, msgspec.json.encode(body))
                return await self._until_picked_up(message, answer)
        except TimeoutError:
            return Outcome(ok=False, error=f"not picked up within {self._config.ring_s + LATE_S:g} s")

    def _script(self, message: Message) -> CallScript:
        language = message.language.partition("-")[0]
        words = self._words.get(language) or self._words["en"]
        if not message.asks:
            return tell_script(message.text, message.language)
        config = self._config
        return ask_script(
            message.text, message.language, message.answers, words, wait_s=config.key_wait_s, times=config.times
        )

    async def _until_picked_up(self, message: Message, answer: Answer) -> Outcome:
        call = str(answer.document.get("id", ""))
        url = f"{self._gateway.url}/{call}?wait_s={HELD_S:g}"
        while True:
            state = str(answer.document.get("state", ""))
            outcome = outcome_of(answer, call, final=GONE_OR_WRONG, hide=(message.to, self._token))
            if not outcome.ok or state in PICKED_UP:
                return outcome
            if state not in UNDER_WAY or not call:
                return Outcome(ok=False, error=f"the call is {state[:40] or 'without a state'}")
            answer = await self._gateway.get(f"{url}&since={state}", longer_s=HELD_S)

    async def close(self) -> None:
        """Connections end; a call that is under way goes on."""
        await self._gateway.close()
