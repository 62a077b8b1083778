"""Speech at home: espeak-ng makes it as a process, and a command plays it or a POST takes it there. That it was played is the
receipt; whether anybody heard it is not known."""

import asyncio
import os
import re
import shutil
import signal
from contextlib import suppress

from dongne.adapters.channels.post import GONE, Gateway, outcome_of
from dongne.model.channels import SpeakerConfig
from dongne.model.errors import BadInput
from dongne.runtime.channels import Message, Outcome
from dongne.standards.wav import with_lengths

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")  # goes into a command: never an option of it
_LANGUAGE = re.compile(r"[a-z]{2,3}")
AT_ONCE = 4  # processes


class SpeakerChannel:
    """Speaks at the speakers that a command or one URL reaches."""

    name = "speaker"

    def __init__(self, config: SpeakerConfig, token: str = "") -> None:
        self._config, self._token = config, token
        self._gateway = Gateway(config.url, token, timeout_s=config.timeout_s)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt."""
        if not _NAME.fullmatch(message.to):
            return Outcome(ok=False, error="this is no speaker's name: letters, digits and ._:- only", is_final=True)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                async with self._room:
                    speech = await speak(self._config, message.language, message.text)
                return await self._play(message, speech)
        except TimeoutError:
            return Outcome(ok=False, error=f"not spoken within {self._config.timeout_s:g} s")
        except (OSError, BadInput) as why:
            return Outcome(ok=False, error=str(why)[:300])

    async def _play(self, message: Message, speech: bytes) -> Outcome:
        if self._config.command:
            await _run([part.replace("{to}", message.to) for part in self._config.command], speech)
            return Outcome(ok=True, receipt="played")
        headers = {"content-type": "audio/wav", "idempotency-key": message.id, "speaker": message.to}
        answer = await self._gateway.post(headers, speech)
        return outcome_of(answer, str(answer.document.get("id", "")), final=GONE, hide=(self._token,))

    async def close(self) -> None:
        """Connections end."""
        await self._gateway.close()


async def speak(config: SpeakerConfig, language: str, text: str) -> bytes:
    """The text as WAV. Raises BadInput where it can't be spoken, and why."""
    program = shutil.which(config.program)
    if program is None:
        raise BadInput(missing(config.program))
    language = language.partition("-")[0]
    if not _LANGUAGE.fullmatch(language):
        raise BadInput(f"{language[:20]!r} is no language")
    # The text comes by standard input: as an argument, whoever lists processes could read it.
    speech = await _run(
        [program, "-v", language, "-s", str(config.words_per_min), "-b", "1", "--stdout"], text.encode()
    )
    return with_lengths(speech)


def missing(program: str) -> str:
    """What to say where there is no such program."""
    return f"{program} is not installed here; `apt install espeak-ng`, or name another with program under [channels.speaker]"


async def _run(command: list[str], given: bytes) -> bytes:
    """What the process writes. Raises BadInput with what it complains of; it ends where nobody waits any more."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        written, complained = await process.communicate(given)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has begun
            await process.wait()
    if process.returncode:
        raise BadInput(f"{command[0]} ended with {process.returncode}: {complained[:200].decode('utf-8', 'replace')}")
    return written
