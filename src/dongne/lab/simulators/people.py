"""The people behind the simulated channels: they follow a link and answer, once or, where a network doubles, twice."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import httpx

from dongne.lab.simulators.behaviour import Desk

ANSWERS = frozenset({"fine", "help", "acknowledged"})
_LINK = re.compile(r"https?://\S+")


def find_link(text: str) -> str:
    """The last link of a text; empty without one."""
    links = _LINK.findall(text)
    return links[-1] if links else ""


class People:
    """Answers, each in a task of its own."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, desk: Desk, url: str, answer: str, times: int) -> None:
        """So often, at this link; nothing where either is missing."""
        if url and times and (answer in ANSWERS or desk.behaviour.scans):
            self.start(self._answer(desk, url, answer, times))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, desk: Desk, url: str, answer: str, times: int) -> None:
        behaviour = desk.behaviour
        await asyncio.sleep(behaviour.answers_after_s)
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=10.0, follow_redirects=True) as client:
                if behaviour.scans:
                    await client.get(url)
                    desk.count("scanned")
                for _ in range(times if answer in ANSWERS else 0):
                    said = await client.post(url, data={"answer": answer})
                    desk.count("answered" if said.is_success else "answer_refused")
        except httpx.HTTPError:
            desk.count("answer_failed")

    async def close(self) -> None:
        """Nobody answers any more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
