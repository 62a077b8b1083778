"""What happens when the deadline of a Case passes: an `overdue` step, once for each deadline.

A Case has two: `due`, and the end of its state's time. The step leaves the state; it makes the Case more urgent by one (never a
matter of life safety, which nothing but its kind or its service says), and hands it to the next unit of the roster where the
one it is with has one, which then has the state's time again. What was said is in the Case itself, so that it is said once,
also after a crash and by whoever reads the same records.
"""

import heapq
from collections.abc import Callable, Iterator

import msgspec

from dongne.model.case_kinds import OVERDUE
from dongne.model.cases import Case, CaseEvent
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.facts import DEADLINES
from dongne.runtime.ports import CaseFilter, Entry, Store, Transaction

READ_AHEAD = 500  # records
AT_ONCE = 500  # steps in one Transaction, and Cases looked through at once
MOST_URGENT = 1  # a Case that is late comes up to this priority; 0 is life safety
_event = msgspec.msgpack.Decoder(CaseEvent)


def overdue_event(case: Case, next_unit: Callable[[str], str]) -> CaseEvent:
    """What is to be said of an open Case whose next deadline passed. `next_unit`: who takes over from a unit, "" for nobody.
    Raises ValueError where it has no deadline."""
    deadline = case.next_deadline
    if deadline is None:
        raise ValueError(f"{case.key} has no deadline")
    return CaseEvent(
        key=case.key, kind=case.kind, action=OVERDUE, name=case.name, time=deadline, thing=case.thing, service=case.service,
        by=f"service:{DEADLINES}", unit=next_unit(case.unit) if case.unit else "",
        priority=min(case.rank, max(MOST_URGENT, case.rank - 1)), expects=case.events,
    )  # fmt: skip


class Deadlines:
    """Follows the sequence: call `step` again and again, from one thread. It has no memory beside the store: at the start it
    looks through the open Cases."""

    def __init__(self, store: Store, next_unit: Callable[[str], str] = lambda unit: "") -> None:
        self._store, self._next_unit = store, next_unit
        self.position = store.head()
        self._due: list[
            tuple[int, str]
        ] = []  # a heap of (deadline in microseconds, key); older entries are passed over
        self._at: dict[str, int] = {}  # the next deadline of each Case that has one
        for case in self._list_open():
            self._note(case)

    @property
    def next_us(self) -> int | None:
        """When the next deadline is; None where there is none."""
        self._forget_old()
        return self._due[0][0] if self._due else None

    def step(self) -> bool:
        """Takes in the next records, or says what is overdue; False where there is nothing to do now."""
        head = self._store.head()
        records = self._store.read(self.position, head, READ_AHEAD, (RecordKind.CASE,))
        for key in dict.fromkeys(_event.decode(record.body).key for record in records):
            case = self._store.find_case(key)
            if case is not None:
                self._note(case)
        self.position = records[-1].last if len(records) == READ_AHEAD else head
        if self.position < head:
            return True
        return self._say_overdue()

    def _list_open(self) -> Iterator[Case]:
        before: int | None = None
        while found := self._store.list_cases(CaseFilter(is_open=True, limit=AT_ONCE, before_id=before)):
            yield from found
            before = found[-1].id

    def _note(self, case: Case) -> None:
        deadline = case.next_deadline
        if deadline is None:
            self._at.pop(case.key, None)
        elif self._at.get(case.key) != (at_us := to_us(deadline)):
            self._at[case.key] = at_us
            heapq.heappush(self._due, (at_us, case.key))

    def _forget_old(self) -> None:
        while self._due and self._at.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)

    def _say_overdue(self) -> bool:
        now_us = self._store.clock.now_us()
        entries: list[Entry] = []
        while (next_us := self.next_us) is not None and next_us <= now_us and len(entries) < AT_ONCE:
            key = heapq.heappop(self._due)[1]
            del self._at[key]
            case = self._store.find_case(key)
            if case is None or case.next_deadline is None:
                continue
            if to_us(case.next_deadline) > now_us:
                self._note(case)  # it was put off; the record of that is read next
                continue
            body = msgspec.msgpack.encode(overdue_event(case, self._next_unit))
            entries.append(Entry(RecordKind.CASE, body, 1, DEADLINES, case.id))
        if entries:
            self._store.submit(Transaction(entries)).result()  # what changed meanwhile is dropped, and read next
        return bool(entries)
