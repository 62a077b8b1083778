"""What people agreed to: which of their sensors may be observed, and who may be told of them.

Each consent is a Case of kind `consent` at the home, in force while it is open. A withdrawal holds from the commit of its step.
"""

import threading
from collections.abc import Sequence

import msgspec

from dongne.model.cases import CaseEvent
from dongne.model.records import Record, RecordKind
from dongne.runtime.ports import CaseFilter, Store

KIND = "consent"
GIVEN = "given"
MEDICAL_NOTE = "medical_note"
MOST = 10_000_000
_event = msgspec.msgpack.Decoder(CaseEvent)


def consent_key(home: int, what: str, round_: int = 1) -> str:
    """The lasting identity of a consent; given anew after it was withdrawn, it is the next round's."""
    return f"consent/{home}/{what}/{round_}"


class Consents:
    """What holds now, kept up with the homes' store in its writer's thread; asked from any."""

    def __init__(self, store: Store) -> None:
        self._lock = threading.Lock()
        self._given: dict[int, set[str]] = {}
        self._states: dict[str, tuple[int, str]] = {}
        self._close = store.subscribe(self._heard)
        for case in store.list_cases(CaseFilter(kind=KIND, is_open=True, limit=MOST)):
            self._take(case.key, case.thing, str(case.values.get("what", "")), case.state)

    def close(self) -> None:
        """Hears no more."""
        self._close()

    def holds(self, home: int, what: str) -> bool:
        """Whether this person agreed to it: a property's key, a contact's id, or "medical_note"."""
        return what in self._given.get(home, ())

    def list_given(self, home: int) -> list[str]:
        """All that this person agreed to."""
        with self._lock:
            return sorted(self._given.get(home, ()))

    def forget(self, home: int) -> None:
        """Nobody lives there any more, as far as we know."""
        with self._lock:
            self._given.pop(home, None)
            self._states = {key: found for key, found in self._states.items() if found[0] != home}

    def _heard(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind is RecordKind.CASE:
                event = _event.decode(record.body)
                if event.kind == KIND:
                    self._take(event.key, event.thing, str(event.values.get("what", "")), event.state)

    def _take(self, key: str, home: int | None, what: str, state: str) -> None:
        with self._lock:
            if what and home is not None:
                self._states[key] = (home, what)
            if key not in self._states:
                return
            home, what = self._states[key]  # a later step names neither
            there = self._given.setdefault(home, set())
            if state == GIVEN:
                there.add(what)
            else:
                there.discard(what)
