"""What Observations from outside must be before they are stored. What became of them is in the ledger."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Set
from math import inf, isinf, isnan

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.access import may_see
from dongne.model.entities import ENTITY_TYPES, Datastream, MultiDatastream, Property
from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.model.features import has_feature, needs_feature
from dongne.model.graph import ThingGraph
from dongne.model.properties import SHARED
from dongne.model.records import ObservationBatch, ObservationExtra, decode_batch
from dongne.model.units import code_of, get_conversion
from dongne.model.who import Right, Who
from dongne.runtime.ledger import Ledger, Way, total_of
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.observations import ArrayRows, ObservationRow
from dongne.standards.sensorthings.times import format_us

FUTURE_S = 86_400.0
MOST_SENDERS = 1_000  # that are remembered
MOST_RECORDS = 8  # that are looked into for an array which was sent before
_NO_BOUND_US = 2**60  # over 36,000 years; added to any instant it is still a number of 64 bits
_NOT_FINITE = frozenset({"nan", "inf", "infinity", "+inf", "+infinity", "-inf", "-infinity"})
_ANY = -sys.float_info.max, sys.float_info.max


class Range(msgspec.Struct, frozen=True, gc=False):
    """What a Datastream's results may be, in its own unit; `is_number`: only numbers; `parts`: lists of so many values, as
    in a MultiDatastream; then no number lies between low and high."""

    key: str
    unit: str
    low: float
    high: float
    is_number: bool
    parts: int = 0


class Checked(msgspec.Struct, frozen=True):
    """What became of the rows of an array: the batch of the good, its row numbers in the array, for duplicates the
    number of the Observation that is there, and for the rejected a message each."""

    batch: ObservationBatch
    rows: NDArray[np.int64]
    duplicates: dict[int, int]
    errors: dict[int, str]


class Intake:
    """Checks Observations against the graph, the ranges of their properties, the city's clock and the latest values.

    `future_s`: a phenomenonTime may be this far ahead of the clock; infinity is no bound. Any thread may ask.
    """

    def __init__(self, store: Store, *, future_s: float = FUTURE_S) -> None:
        self.ledger = Ledger()
        self._store, self._graph, self._clock = store, store.graph, store.clock
        self._future_us = _NO_BOUND_US if future_s == inf else int(future_s * 1_000_000)
        self._revision = -1
        self._ranges: dict[int, Range] = {}
        self._about: set[int] = set()  # Datastreams whose Observations have a FeatureOfInterest, at that revision
        self._low = np.zeros(0)
        self._high = np.zeros(0)
        self._seen = np.zeros(0, np.int64)  # the revision at which low and high were last looked up
        self._lock = threading.Lock()
        self._latest_us = 0  # no phenomenonTime may be later; moves on with the clock, which never goes back

    # --- ranges

    def find_range(self, datastream: int) -> Range | None:
        """What the results of a Datastream may be; None where there is no such Datastream."""
        if self._graph.revision != self._revision:
            self._revision = self._graph.revision
            self._ranges, self._about = {}, set()
        found = self._ranges.get(datastream)
        if found is None:
            stream = self._graph.find_stream(datastream)
            if stream is None:
                return None
            found = self._ranges[datastream] = range_for(stream, self._graph.properties.get)
        return found

    def has_feature(self, datastream: int) -> bool:
        """Whether an Observation of this Datastream that names no FeatureOfInterest has one (`model.features`)."""
        if datastream in self._about and self._graph.revision == self._revision:
            return True
        self.find_range(datastream)
        stream = self._graph.find_stream(datastream)
        if stream is None:
            return True  # somebody else says that it is not there
        if needs_feature(self._graph, stream.thing_id) or not has_feature(self._graph, stream.thing_id):
            return False
        self._about.add(datastream)
        return True

    def list_without_feature(self, datastreams: Set[int]) -> list[int]:
        """Those of the Datastreams for which has_feature is not so."""
        unsure = datastreams - self._about if self._graph.revision == self._revision else datastreams
        return [stream for stream in sorted(unsure) if not self.has_feature(stream)]

    # --- one

    def check(self, row: ObservationRow) -> int:
        """0 where the row may be stored, else the number of the Observation which says the same already. Raises
        BadInput with the reason under which it is counted."""
        allowed = self.find_range(row.datastream)
        if allowed is None:
            raise unknown_datastream(row.datastream)
        self.check_values(row, allowed)
        if row.extra is None:
            latest = self._store.latest(row.datastream)
            if latest is not None and latest.time_us == row.time_us and latest.result == row.result:
                return latest.number
        return 0

    def check_values(self, row: ObservationRow, allowed: Range) -> None:
        """The same for a Datastream that need not be stored yet. Raises BadInput."""
        if row.time_us > self._latest_us and row.time_us > self._move_on():
            raise BadInput(self._future_message(row.time_us), reason="future")
        if not allowed.low <= row.result <= allowed.high:  # NaN lies nowhere
            _refuse_result(row, allowed)

    def _move_on(self) -> int:
        self._latest_us = self._clock.now_us() + self._future_us
        return self._latest_us

    def _future_message(self, time_us: int) -> str:
        return (
            f"phenomenonTime {format_us(time_us)} is more than {self._future_us / 3.6e9:g} h ahead of the city's clock "
            f"({format_us(self._clock.now_us())}); set the sender's clock"
        )

    # --- many

    def check_rows(self, rows: ArrayRows, way: Way) -> Checked:
        """The rows that may be stored, and what is said about the others; counted in this way's account."""
        count = len(rows)
        errors: dict[int, tuple[str, str]] = {row: ("time_or_form", text) for row, text in rows.errors.items()}
        good = np.ones(count, np.bool_)
        if errors:
            good[list(errors)] = False
        streams = rows.datastream
        low, high = self._bounds(streams)
        unknown = good & np.isnan(low)
        late = good & ~unknown & (rows.time_us > self._move_on())
        outside = good & ~unknown & ~late & ~((rows.result >= low) & (rows.result <= high))
        for row in np.flatnonzero(unknown).tolist():
            errors[row] = ("unknown_datastream", unknown_datastream(int(streams[row])).message)
        for row in np.flatnonzero(late).tolist():
            errors[row] = ("future", self._future_message(int(rows.time_us[row])))
        for row in np.flatnonzero(outside).tolist():
            self._look_closer(row, rows, errors)
        if errors:
            good[list(errors)] = False
        duplicates = self._duplicates(rows, good)
        if duplicates:
            good[list(duplicates)] = False
        kept = np.flatnonzero(good)
        way.count(count, len(duplicates), Counter(reason for reason, _ in errors.values()))
        return Checked(_batch_of(rows, kept), kept, duplicates, {row: text for row, (_, text) in errors.items()})

    def _look_closer(self, row: int, rows: ArrayRows, errors: dict[int, tuple[str, str]]) -> None:
        one = ObservationRow(
            int(rows.datastream[row]), int(rows.time_us[row]), float(rows.result[row]), rows.extras.get(row)
        )
        allowed = self.find_range(one.datastream)
        if allowed is not None:
            try:
                _refuse_result(one, allowed)
            except BadInput as error:
                errors[row] = (error.reason, error.message)

    def _bounds(self, streams: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high by row; NaN where there is no such Datastream."""
        beyond = set(streams[streams >= len(self._seen)].tolist())
        size = max((stream + 1 for stream in beyond if self._graph.find_stream(stream)), default=1)
        with self._lock:
            if size > len(self._seen):
                more = max(size, 2 * len(self._seen)) - len(self._seen)
                self._low = np.concatenate((self._low, np.full(more, np.nan)))
                self._high = np.concatenate((self._high, np.full(more, np.nan)))
                self._seen = np.concatenate((self._seen, np.full(more, -1)))
            inside = (streams >= 0) & (streams < len(self._seen))
            at = np.where(inside, streams, 0)
            revision = self._graph.revision
            for stream in set(at[self._seen[at] != revision].tolist()):
                found = self.find_range(stream)
                self._low[stream], self._high[stream] = (np.nan, np.nan) if found is None else (found.low, found.high)
                self._seen[stream] = revision
            return np.where(inside, self._low[at], np.nan), np.where(inside, self._high[at], np.nan)

    def _duplicates(self, rows: ArrayRows, good: NDArray[np.bool_]) -> dict[int, int]:
        numbers, times, results = self._store.latest_of(np.where(good, rows.datastream, 0))
        same = np.flatnonzero(good & (numbers > 0) & (times == rows.time_us) & (results == rows.result))
        found = {row: int(numbers[row]) for row in same.tolist() if row not in rows.extras}
        if found and len(found) < len(rows):
            found |= self._sent_again(rows, good, found)
        return found

    def _sent_again(self, rows: ArrayRows, good: NDArray[np.bool_], found: dict[int, int]) -> dict[int, int]:
        """The older rows of an array that was stored before and whose answer was lost: they lie in the records which
        hold its newest rows."""
        again: dict[int, int] = {}
        asked = list(zip(rows.datastream.tolist(), rows.time_us.tolist(), rows.result.tolist(), strict=True))
        last, looked = 0, 0
        for number in sorted(set(found.values()), reverse=True):
            if (looked and number > last) or looked >= MOST_RECORDS:
                continue
            try:
                record, _ = self._store.get_observation(number)
            except NotFound:
                continue  # removed meanwhile
            last, looked = record.number - 1, looked + 1
            batch = decode_batch(record.body, record.count)
            columns = zip(batch.datastream.tolist(), batch.time_us.tolist(), batch.result.tolist(), strict=True)
            there = {key: record.number + at for at, key in enumerate(columns) if at not in batch.extras}
            again |= {
                row: there[key]
                for row, key in enumerate(asked)
                if good[row] and key in there and row not in rows.extras
            }
        return again

    def counts(self) -> dict[str, float]:
        """received, stored, duplicate, rejected, and rejected.<reason> for each reason there was, over all ways in."""
        total = total_of(self.ledger.accounts())
        return {
            "received": total.received,
            "stored": total.stored,
            "duplicate": total.duplicate,
            "rejected": total.refused,
            **{f"rejected.{reason}": count for reason, count in total.rejected.items()},
        }


def unknown_datastream(datastream: int) -> BadInput:
    """What to say to an Observation of a Datastream that is not there, or not to be seen."""
    return BadInput(
        f"there is no Datastream {datastream}; create it first or send the id of one that is there",
        reason="unknown_datastream",
    )


def check_sender(graph: ThingGraph, who: Who, datastream: int) -> None:
    """Raises where who sends may not, or must not know whether the Datastream is there: nobody writes to what they may
    not see, and a device sees the Things its token is for."""
    stream = graph.find_stream(datastream)
    if stream is None or not may_see(graph, who.sight, ENTITY_TYPES[type(stream)], datastream):
        if Right.OBSERVE in who.rights:
            raise unknown_datastream(datastream)
        who.must(Right.OBSERVE)
    else:
        who.must(Right.OBSERVE, stream.thing_id)


class Senders:
    """`check_sender`, remembered for as long as no entity changes: senders write to the same Datastreams again and again."""

    def __init__(self, graph: ThingGraph) -> None:
        self._graph = graph
        self._revision = -1
        self._sure: dict[Who, set[int]] = {}

    def _sure_of(self, who: Who) -> set[int]:
        if self._graph.revision != self._revision or len(self._sure) > MOST_SENDERS:
            self._revision, self._sure = self._graph.revision, {}
        return self._sure.setdefault(who, set())

    def check(self, who: Who, datastream: int) -> None:
        """See check_sender."""
        sure = self._sure_of(who)
        if datastream not in sure:
            check_sender(self._graph, who, datastream)
            sure.add(datastream)

    def refused(self, who: Who, datastreams: set[int]) -> dict[int, DongneError]:
        """Those of these Datastreams that are there and not for who sends, and why."""
        found: dict[int, DongneError] = {}
        for datastream in datastreams - self._sure_of(who):
            if self._graph.find_stream(datastream) is None:
                continue  # who checks the rows says, and counts, that it is not there
            try:
                self.check(who, datastream)
            except DongneError as error:
                found[datastream] = error
        return found


def range_for(stream: Datastream | MultiDatastream, find_property: Callable[[int], Property | None]) -> Range:
    """What Observations of a Datastream or MultiDatastream may be."""
    if isinstance(stream, MultiDatastream):
        return Range("", "", float("inf"), float("-inf"), False, len(stream.observed_property_ids))
    return range_of(stream, find_property(stream.observed_property_id))


def range_of(stream: Datastream, observed: Property | None) -> Range:
    """The range in the Datastream's own unit: the property entity's `low`, `high` and `unit` where it says them, else
    those of the shared property of that name; without either anything may come."""
    key = observed.name if observed is not None else ""
    said = observed.properties if observed is not None else {}
    shared = SHARED.get(key)
    low, high = (_bound(said.get(name), own) for name, own in zip(("low", "high"), _ANY, strict=True))
    unit = str(said.get("unit", ""))
    if (low, high) == _ANY and shared is not None:
        low, high, unit = shared.low, shared.high, shared.unit
    is_number = (low, high) != _ANY
    given = code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition)
    if is_number and unit and given and given != unit:
        try:
            found = get_conversion(given, unit)
            low, high = sorted(((low - found.offset) / found.factor, (high - found.offset) / found.factor))
            unit = given
        except (BadInput, ZeroDivisionError):
            low, high = _ANY  # in another sort of unit: only that it is a number can be said
    return Range(key, unit, low, high, is_number)


def _bound(said: object, otherwise: float) -> float:
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else otherwise


def _refuse_result(row: ObservationRow, allowed: Range) -> None:
    """Raises BadInput where the result is none of the range's; a result that is no number where any may come passes."""
    shown = f"Datastream {row.datastream}"
    other = row.extra.result if row.extra is not None else None
    if allowed.parts and not (isinstance(other, list) and len(other) == allowed.parts):
        raise BadInput(
            f"Multi{shown} takes a list of {allowed.parts} values, one for each observed property in order, not "
            f"{str(other if other is not None else row.result)[:40]}",
            reason="not_a_list",
        )
    if isinstance(other, str) and other.strip().lower() in _NOT_FINITE:
        raise BadInput(
            f"{shown}: result {other!r} is no value; leave the Observation out where nothing was measured",
            reason="not_finite",
        )
    if isinf(row.result):
        raise BadInput(f"{shown}: the result is larger than any number; check the sender", reason="not_finite")
    if not isnan(row.result) and not allowed.parts:
        raise BadInput(
            f"{shown}: result {row.result:g} is outside {allowed.low:g}..{allowed.high:g} {allowed.unit} of "
            f"{allowed.key!r}; check the sensor and its unit",
            reason="out_of_range",
        )
    if allowed.is_number:
        raise BadInput(
            f"{shown}: result {str(other)[:40]!r} is not a number; {allowed.key!r} is measured in {allowed.unit}",
            reason="not_a_number",
        )


def _batch_of(rows: ArrayRows, kept: NDArray[np.int64]) -> ObservationBatch:
    extras: dict[int, ObservationExtra] = {}
    if rows.extras:
        place = {row: at for at, row in enumerate(kept.tolist())}
        extras = {place[row]: extra for row, extra in rows.extras.items() if row in place}
    if len(kept) == len(rows):
        return ObservationBatch(rows.datastream.astype(np.int32), rows.time_us, rows.result, extras)
    return ObservationBatch(rows.datastream[kept].astype(np.int32), rows.time_us[kept], rows.result[kept], extras)
