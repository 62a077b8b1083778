"""What a group of Transactions does to a store's tables, worked out in memory before anything is written.

Shared by all stores: they differ in how they look up what is there and how they write what comes out.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.cases import Case, CaseEvent, apply_event
from dongne.model.entities import EntityChange, EntityType, Put, entity_of
from dongne.model.errors import BadInput, Conflict
from dongne.model.notices import Notice, NoticeEvent, apply_notice_event
from dongne.model.records import (
    Correction,
    JobResult,
    ObservationBatch,
    ObservationExtra,
    Record,
    RecordKind,
    Removal,
    SettingChange,
    decode_batch,
    encode_batch,
)
from dongne.model.tasks import Task, TaskEvent, apply_task_event
from dongne.runtime.ports import Entry, Receipt, StateRow, Transaction

FEW = 8
MAX_DATASTREAM = 1 << 26  # latest values lie in arrays indexed by the id
MAX_ID = (1 << 53) - 1  # what every JSON reader can hold
MIN_TIME_US, MAX_TIME_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999

_changes = msgspec.msgpack.Decoder(list[EntityChange])
_case_event = msgspec.msgpack.Decoder(CaseEvent)
_task_event = msgspec.msgpack.Decoder(TaskEvent)
_notice_event = msgspec.msgpack.Decoder(NoticeEvent)
_setting = msgspec.msgpack.Decoder(SettingChange)
_job_result = msgspec.msgpack.Decoder(JobResult)
_removal = msgspec.msgpack.Decoder(Removal)
_correction = msgspec.msgpack.Decoder(Correction)
_encode = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


class Present(Protocol):
    """What is there now."""

    def find_case(self, key: str) -> Case | None:
        """By lasting identity."""

    def find_task(self, key: str) -> Task | None:
        """By lasting identity."""

    def find_notice(self, key: str) -> Notice | None:
        """By lasting identity."""

    def setting_values(self, service: str, level: str) -> dict[str, Any]:
        """Values in force at that level; empty where there are none."""


class Written(msgspec.Struct, frozen=True, gc=False):
    """A new record, with its batch where it holds Observations (so that nobody decodes it again)."""

    record: Record
    batch: ObservationBatch | None = None


def decode_written(record: Record) -> Written:
    """A record as it is in the file, with its batch."""
    return Written(record, decode_batch(record.body, record.count) if record.kind is RecordKind.OBSERVATIONS else None)


class Draft:
    """New records and rows, over what is present. `next` is the number the next record gets.

    A Transaction is worked out in a Draft of its own over the group's: where it fails, nothing of it is left.
    """

    def __init__(self, present: Present, next_number: int, last_at_us: int, now_us: int) -> None:
        self._present = present
        self.next = next_number
        self.last_at_us = last_at_us
        self.now_us = now_us
        self.written: list[Written] = []
        self.cases: dict[str, Case] = {}
        self.case_events: list[tuple[int, int, CaseEvent, str]] = []  # number, case id, event, hash
        self.things: dict[int, int | None] = {}  # whose the case or the notice is that a record is about
        self.tasks: dict[str, Task] = {}
        self.notices: dict[str, Notice] = {}
        self.settings: dict[tuple[str, str], dict[str, Any]] = {}
        self.assets: dict[tuple[str, str, int], tuple[int, bytes]] = {}
        self.entities: list[EntityChange] = []
        self.ids: dict[EntityType, int] = {}
        self.removals: list[tuple[int, Removal]] = []
        self.corrections: list[tuple[int, Correction]] = []
        self.dropped_states: set[str] = set()
        self.states: dict[tuple[str, int], StateRow] = {}
        self.positions: dict[str, int] = {}
        self.dropped: dict[str, int] = {}  # entries which changed nothing, by reason

    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.written or self.states or self.positions or self.dropped_states)

    # what is present, seen through this draft
    def find_case(self, key: str) -> Case | None:
        """As of this draft."""
        return self.cases.get(key) or self._present.find_case(key)

    def find_task(self, key: str) -> Task | None:
        """As of this draft."""
        return self.tasks.get(key) or self._present.find_task(key)

    def find_notice(self, key: str) -> Notice | None:
        """As of this draft."""
        return self.notices.get(key) or self._present.find_notice(key)

    def setting_values(self, service: str, level: str) -> dict[str, Any]:
        """As of this draft."""
        found = self.settings.get((service, level))
        return self._present.setting_values(service, level) if found is None else found

    # taking in
    def take(self, transaction: Transaction) -> Receipt:
        """Works the Transaction in, whole or not at all. Raises Conflict or BadInput."""
        if len(transaction.entries) == 1 and not transaction.states and transaction.position is None:
            entry = transaction.entries[0]
            if entry.kind is RecordKind.OBSERVATIONS and transaction.drop_states_of is None:
                return Receipt((self._take_entry(entry),))  # fails before it changes anything
        part = Draft(self, self.next, self.last_at_us, self.now_us)
        numbers = tuple([part._take_entry(entry) for entry in transaction.entries])
        if transaction.drop_states_of is not None:
            part.dropped_states.add(transaction.drop_states_of)
        for row in transaction.states:
            part.states[row.service, row.thing] = row
        if transaction.position is not None:
            part.positions[transaction.position[0]] = transaction.position[1]
        self._merge(part)
        return Receipt(numbers)

    def _merge(self, part: "Draft") -> None:
        self.next, self.last_at_us = part.next, part.last_at_us
        self.written += part.written
        self.cases |= part.cases
        self.case_events += part.case_events
        self.things |= part.things
        self.tasks |= part.tasks
        self.notices |= part.notices
        self.settings |= part.settings
        self.assets |= part.assets
        self.entities += part.entities
        for kind, last in part.ids.items():
            self.ids[kind] = max(last, self.ids.get(kind, 0))
        self.removals += part.removals
        self.corrections += part.corrections
        if part.dropped_states:
            self.dropped_states |= part.dropped_states
            self.states = {key: row for key, row in self.states.items() if key[0] not in part.dropped_states}
        self.states |= part.states
        self.positions |= part.positions
        for reason, count in part.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def write(self, kind: RecordKind, body: bytes, entry: Entry, batch: ObservationBatch | None = None) -> int:
        """Adds a record; returns its number."""
        number = self.next
        at_us = self.now_us if entry.at_us is None else entry.at_us
        self.last_at_us = max(self.last_at_us, at_us)  # the sequence never goes back in time
        record = Record(number, entry.count, kind, self.last_at_us, body, entry.origin, entry.cause)
        self.written.append(Written(record, batch))
        self.next += entry.count
        return number

    def _take_entry(self, entry: Entry) -> int:
        if entry.kind is RecordKind.OBSERVATIONS:
            return self.write(entry.kind, entry.body, entry, check_batch(entry))
        if entry.count != 1:
            raise BadInput(f"a record of kind {entry.kind.name} has count 1, not {entry.count}", reason="count")
        match entry.kind:
            case RecordKind.CASE:
                return self._take_case(entry)
            case RecordKind.TASK:
                return self._take_task(entry)
            case RecordKind.NOTICE:
                return self._take_notice(entry)
            case RecordKind.ENTITIES:
                self._take_entities(_decoded(_changes.decode, entry))
            case RecordKind.SETTING:
                self._take_setting(_decoded(_setting.decode, entry))
            case RecordKind.JOB:
                result = _decoded(_job_result.decode, entry)
                if not result.error:  # an error leaves the asset before it in use
                    self.assets[result.service, result.job, result.thing] = (self.next, entry.body)
            case RecordKind.REMOVAL:
                self._take_removal(_decoded(_removal.decode, entry))
            case RecordKind.CORRECTION:
                self._take_correction(_decoded(_correction.decode, entry))
        return self.write(entry.kind, entry.body, entry)

    def _take_removal(self, removal: Removal) -> None:
        for number in removal.numbers:
            if not 0 < number < self.next:
                raise BadInput(
                    f"there is no Observation {number} to remove; the last number is {self.next - 1}", reason="id"
                )
        self.removals.append((self.next, removal))

    def _take_correction(self, correction: Correction) -> None:
        if not 0 < correction.number < self.next:
            raise BadInput(
                f"there is no Observation {correction.number} to correct; the last number is {self.next - 1}",
                reason="id",
            )
        body = encode_batch(batch_of_correction(correction))
        check_batch(Entry(RecordKind.OBSERVATIONS, body))
        self.corrections.append((self.next, correction))

    def _take_entities(self, changes: list[EntityChange]) -> None:
        for change in changes:
            try:
                entity_id = entity_of(change).id if isinstance(change, Put) else change.id
            except msgspec.DecodeError as error:
                raise BadInput(f"{change.type}: {error}; the body is JSON of the entity", reason="entity") from error
            if not 0 < entity_id <= MAX_ID:
                raise BadInput(f"ids of a {change.type} lie in 1..{MAX_ID}, not {entity_id}", reason="id")
            counter = EntityType.DATASTREAM if change.type is EntityType.MULTI_DATASTREAM else change.type
            self.ids[counter] = max(entity_id, self.ids.get(counter, 0))
        self.entities += changes

    def _take_setting(self, change: SettingChange) -> None:
        values = {**self.setting_values(change.service, change.level), **change.values}
        self.settings[change.service, change.level] = {k: v for k, v in values.items() if v is not None}

    def _drop(self, reason: str) -> int:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        return 0

    def _take_case(self, entry: Entry) -> int:
        event = _decoded(_case_event.decode, entry)
        try:
            after = apply_event(self.find_case(event.key), event, self.next)
        except (Conflict, BadInput):
            if entry.origin:
                return self._drop("case_step")
            raise
        if after is None:
            return self._drop("case_open")
        case, event = after
        number = self.write(entry.kind, _encode(event), entry)
        self.cases[case.key] = case
        self.case_events.append((number, case.id, event, case.hash))
        self.things[number] = case.thing
        return number

    def _take_notice(self, entry: Entry) -> int:
        event = _decoded(_notice_event.decode, entry)
        try:
            notice = apply_notice_event(self.find_notice(event.key), event, self.next)
        except (Conflict, BadInput):
            if entry.origin:
                return self._drop("notice_step")
            raise
        if notice is None:
            return self._drop("notice_step")
        self.notices[notice.key] = notice
        number = self.write(entry.kind, entry.body, entry)
        self.things[number] = notice.thing
        return number

    def _take_task(self, entry: Entry) -> int:
        event = _decoded(_task_event.decode, entry)
        before = self.find_task(event.key)
        try:
            task = apply_task_event(before, event, self.next)
        except (Conflict, BadInput):
            if entry.origin:
                return self._drop("task_step")
            raise
        if task is None:
            return self._drop("task_open")
        self.tasks[task.key] = task
        return self.write(entry.kind, entry.body, entry)


def _decoded(decode: Callable[[bytes], T], entry: Entry) -> T:
    try:
        return decode(entry.body)
    except msgspec.DecodeError as error:
        raise BadInput(f"the body of a {entry.kind.name} record can't be read: {error}", reason="body") from error


def batch_of_correction(correction: Correction) -> ObservationBatch:
    """The Observation as it is now, as a batch of one."""
    return ObservationBatch(
        np.array([correction.datastream], np.int32),
        np.array([correction.time_us], np.int64),
        np.array([correction.result], np.float64),
        {} if correction.extra is None else {0: correction.extra},
    )


def check_batch(entry: Entry) -> ObservationBatch:
    """The entry's batch. Raises BadInput where length, ids or times can't be stored."""
    if entry.count < 1 or len(entry.body) < 1 + 20 * entry.count:
        raise BadInput(f"{len(entry.body)} bytes don't hold {entry.count} Observations", reason="body")
    try:
        batch = decode_batch(entry.body, entry.count)
    except (ValueError, msgspec.DecodeError) as error:
        raise BadInput(f"the body of an OBSERVATIONS record can't be read: {error}", reason="body") from error
    low, high = _ends(batch.datastream)
    if low < 1 or high >= MAX_DATASTREAM:
        raise BadInput(f"Datastream ids lie in 1..{MAX_DATASTREAM - 1}, not {low if low < 1 else high}", reason="id")
    early, late = _ends(batch.time_us)
    if early < MIN_TIME_US or late > MAX_TIME_US:
        raise BadInput("a phenomenonTime lies outside of the years 1 to 9999", reason="time")
    for row, extra in batch.extras.items():
        check_extra(extra)
        if not 0 <= row < len(batch):
            raise BadInput(f"an extra says row {row}, the batch has {len(batch)}", reason="body")
    return batch


def _ends(column: NDArray[Any]) -> tuple[int, int]:
    """The least and the most of it."""
    if len(column) > FEW:
        return int(column.min()), int(column.max())
    values = column.tolist()  # of a few, several times quicker than by numpy
    return min(values), max(values)


def check_extra(extra: ObservationExtra) -> None:
    """Raises BadInput where a time or an id can't be stored."""
    times = (extra.phenomenon_end_us, extra.result_time_us, extra.valid_start_us, extra.valid_end_us)
    for time_us in times:
        if time_us is not None and not MIN_TIME_US <= time_us <= MAX_TIME_US:
            raise BadInput(f"{time_us} us lies outside of the years 1 to 9999", reason="time")
    if extra.feature_id is not None and not 0 < extra.feature_id <= MAX_ID:
        raise BadInput(f"FeatureOfInterest ids lie in 1..{MAX_ID}, not {extra.feature_id}", reason="id")


def is_open(case: Case) -> bool:
    """Whether somebody must still do something; a kind this version does not know counts as open."""
    return not case.is_closed
