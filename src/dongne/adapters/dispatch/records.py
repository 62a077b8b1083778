"""The channel and the store: what is known of homes and notices there, and how what a desk says gets in."""

import asyncio
from collections.abc import Callable

import msgspec

from dongne.model.notices import ANSWERED, DISPATCH, Notice, event_of
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Lane, NoticeFilter, Store, Transaction
from dongne.standards.dispatch.alarm import DispatchHome, identifier_of
from dongne.standards.dispatch.events import DispatchEvent, NoticeAnswer, answer_of

CHANNEL = "dispatch"
PAGE = 1_000
MOST_LOOKED_BACK = 20_000  # notices, newest first; an alarm older than that is closed elsewhere

Consented = Callable[[int], frozenset[str]]
"""What a person agreed that 119 is told, of MEDICAL_NOTE and CONTACTS, by the id of the home."""


class StoreDirectory:
    """A Directory out of a store."""

    def __init__(self, store: Store, consented: Consented) -> None:
        self._store, self._consented = store, consented

    def find_home(self, thing: int) -> DispatchHome | None:
        """The home as it is now, with what its person agrees to now."""
        found = self._store.graph.things.get(thing)
        if found is None:
            return None
        point = self._store.graph.find_point(thing)
        return DispatchHome(properties=found.properties, point=point, consented=self._consented(thing))

    def find_notice(self, key: str) -> Notice | None:
        """A notice that another one follows."""
        return self._store.find_notice(key)

    def name_device(self, datastream: int) -> str:
        """What the home calls the device behind a Datastream."""
        found = self._store.graph.datastreams.get(datastream)
        return "" if found is None else str(found.properties.get("device") or found.name)


class DeskAnswers:
    """Writes what desks say as answers to notices, each once; used in one event loop only."""

    def __init__(self, store: Store, sender: str) -> None:
        self._store, self._sender = store, sender
        self._newest: dict[str, str] = {}  # of an incident the key of its newest notice
        self._looked_id = 0  # notices up to this id are in it
        self.unknown = 0  # events about an alarm that is not ours, or too old

    async def tell(self, desk: str, event: DispatchEvent) -> None:
        """Durable when it returns. Raises RetryLater where the store can't take it now."""
        notice = await asyncio.to_thread(self._find, event.incident)
        if notice is None:
            self.unknown += 1
            return
        said = answer_of(desk, event)
        if is_known(notice, said):
            return
        answered = event_of(
            notice, ANSWERED, said.time, answer=said.answer, by=said.by, channel=CHANNEL, values=said.values,
            exercise=notice.exercise,
        )  # fmt: skip
        entry = Entry(RecordKind.NOTICE, msgspec.msgpack.encode(answered))
        await asyncio.wrap_future(self._store.submit(Transaction([entry]), Lane.LIFE_SAFETY))

    def _find(self, incident: str) -> Notice | None:
        self._look()
        key = self._newest.get(incident)
        return None if key is None else self._store.find_notice(key)

    def _look(self) -> None:
        """Takes in the notices to 119 that are new."""
        found: list[Notice] = []
        before: int | None = None
        while len(found) < MOST_LOOKED_BACK:
            page = self._store.list_notices(NoticeFilter(limit=PAGE, before_id=before))
            found += [one for one in page if one.id > self._looked_id]
            if len(page) < PAGE or page[-1].id <= self._looked_id:
                break
            before = page[-1].id
        for one in reversed(found):
            self._looked_id = one.id
            if one.to == DISPATCH:
                self._newest[identifier_of(self._sender, self._root(one).key)] = one.key

    def _root(self, notice: Notice) -> Notice:
        seen = {notice.key}
        while notice.follows and notice.follows not in seen:
            before = self._store.find_notice(notice.follows)
            if before is None:
                break
            seen.add(before.key)
            notice = before
        return notice


def is_known(notice: Notice, said: NoticeAnswer) -> bool:
    """Whether the notice has this answer: a desk's events are told again after a start."""
    return any(
        one.channel == CHANNEL and one.time == said.time and one.by == said.by and one.answer == said.answer
        for one in notice.answers
    )
