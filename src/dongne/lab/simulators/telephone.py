"""A simulated gateway for telephone calls, and the person who picks up and presses keys, or does not."""

import asyncio
from typing import Any

import msgspec

from dongne.lab.simulators.behaviour import Desk
from dongne.lab.simulators.people import People
from dongne.runtime.call_script import FINE_KEY, HELP_KEY, CallScript, follow

KEYS = {"fine": (FINE_KEY, FINE_KEY), "acknowledged": (FINE_KEY,), "help": (HELP_KEY,)}
KEPT = 1_000


class Asked(msgspec.Struct, frozen=True):
    """What is read of a request for a call."""

    id: str
    to: str
    script: CallScript
    answer_url: str = ""
    ring_s: float = 30.0


class Call(msgspec.Struct):
    """One call, as the gateway tells of it."""

    id: str
    state: str = "queued"
    answer: str = ""
    said: tuple[str, ...] = ()


class Telephones:
    """All calls, the last KEPT of them."""

    def __init__(self, desk: Desk, people: People) -> None:
        self._desk, self._people = desk, people
        self._calls: dict[str, Call] = {}
        self._moved: dict[str, asyncio.Event] = {}

    def find(self, call: str) -> Call | None:
        """The call of the gateway's id."""
        return self._calls.get(call)

    def begin(self, call: str, asked: Asked, delivered: int) -> Call:
        """The call, begun; the same again where it was begun before. `delivered` 0: the line is dead, and nobody hears it."""
        if call in self._calls:
            return self._calls[call]
        self._calls[call] = made = Call(call)
        self._moved[call] = asyncio.Event()
        while len(self._calls) > KEPT:
            first = next(iter(self._calls))
            del self._calls[first], self._moved[first]
        self._people.start(self._ring(made, asked, delivered))
        return made

    async def wait(self, call: Call, since: str, wait_s: float) -> None:
        """Until the call is in another state, or so long."""
        moved = self._moved.get(call.id)
        if moved is not None and call.state == since:
            try:
                await asyncio.wait_for(moved.wait(), wait_s)
            except TimeoutError:
                return

    def _move(self, call: Call, state: str) -> None:
        call.state = state
        before = self._moved.get(call.id)
        if before is not None:  # else it is forgotten
            self._moved[call.id] = asyncio.Event()
            before.set()

    async def _ring(self, call: Call, asked: Asked, delivered: int) -> None:
        behaviour = self._desk.behaviour
        self._move(call, "ringing")
        if not delivered or behaviour.person == "no_pickup":
            await asyncio.sleep(min(asked.ring_s, behaviour.answers_after_s or asked.ring_s))
            self._move(call, "not_picked_up")
            return
        await asyncio.sleep(behaviour.answers_after_s)
        if behaviour.person == "busy":
            self._move(call, "busy")
            return
        self._move(call, "picked_up")
        self._desk.count("picked_up")
        heard = follow(asked.script, behaviour.keys or KEYS.get(behaviour.person, ()))
        call.answer, call.said = heard.answer, heard.said
        self._move(call, "ended")
        self._people.answer(self._desk, asked.answer_url, heard.answer, delivered)


def shown(call: Call) -> dict[str, Any]:
    """As the gateway answers."""
    return {"id": call.id, "state": call.state, "answer": call.answer, "said": call.said}
