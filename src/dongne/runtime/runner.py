"""One service running: its keys with their states and Wakes, its settings, and what a failing key does."""

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.case_kinds import get_case_kind
from dongne.model.cases import CaseEvent, check_priority
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.notices import NoticeEvent, check_to
from dongne.model.observed import Observation
from dongne.model.records import Resume, SettingChange
from dongne.model.times import from_us, to_us
from dongne.runtime.ports import StateRow
from dongne.runtime.registry import LoadedService
from dongne.runtime.service import Emission, Handler, Notify, Open, Result, Step, Wake
from dongne.runtime.settings import TRIED, SettingsBook
from dongne.runtime.surroundings import KeyCity, Surroundings

_encode = msgspec.msgpack.Encoder().encode
NOTHING: list[Any] = []  # shared, never changed
MAX_AT_ONCE = 100  # Wakes of one key at one instant
DAILY = "daily "  # before the local time, the name of the Wake behind @daily


class Emitted(msgspec.Struct, frozen=True, gc=False):
    """An emission with who emitted it, for which key, on which record, and the instant it is about."""

    service: str
    thing: int
    emission: Emission
    cause: int
    time: datetime


class Cell:
    """One key: its state, its Wakes by name (microseconds), and why it is parked (empty while it is not)."""

    __slots__ = ("changed", "city", "heap_us", "parked", "settings", "settings_revision", "state", "wakes")

    def __init__(self, state: Any, city: KeyCity) -> None:
        self.state = state
        self.city = city
        self.wakes: dict[str, int] = {}
        self.heap_us: dict[str, int] = {}  # the earliest entry of each name in the heap
        self.parked = ""
        self.changed = True
        self.settings: Any = None
        self.settings_revision = -1


def _check_case(emission: Emission) -> None:
    """Raises BadInput for a kind of Case there is not, a priority out of range, a step without its cause, a notice to
    nobody."""
    if isinstance(emission, Open):
        get_case_kind(emission.kind)
        check_priority(emission.priority)
    elif isinstance(emission, Step):
        get_case_kind(emission.kind).check_cause(emission.action, emission.cause)
    elif isinstance(emission, Notify):
        check_to(emission.to)


def _check_storable(emission: Emission) -> None:
    """Raises TypeError where it can't be written: values that JSON has not, an instant without a zone."""
    _encode(emission)
    for name in ("time", "due", "until"):
        instant = getattr(emission, name, None)
        if instant is not None:
            to_us(instant)


def next_local(after: datetime, local_time: str, zone: ZoneInfo) -> datetime:
    """The next instant after `after` at which the zone's clocks show this time of day ("03:00"). Where it is skipped in
    spring, the instant that has the offset of before; where it comes twice in autumn, the first."""
    hour, minute = map(int, local_time.split(":"))
    day = after.astimezone(zone).date()
    while True:
        candidate = datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
        if candidate > after:
            return candidate
        day += timedelta(days=1)


class Runner:
    """Runs one service's handlers on its keys."""

    def __init__(
        self,
        loaded: LoadedService,
        around: Surroundings,
        keeps: Callable[[int], bool] | None,
        tried: dict[str, Any],
    ) -> None:
        self.id = loaded.id
        self.declared = loaded.declared
        self._around = around
        self._keeps = keeps
        self.book = SettingsBook(self.id, self.declared.settings(), loaded.manifest.settings)
        if tried:
            self.book.apply(SettingChange(self.id, TRIED, self.book.check(tried)))
        self._service = self.declared.cls(self.book.defaults)
        self.cells: dict[int, Cell] = {}
        self._changed: list[int] = []
        self._heap: list[tuple[int, int, str]] = []
        self._classes = tuple(self.declared.emission_classes)
        self._results = self.declared.results

    # --- keys ------------------------------------------------------------------------------------------------------

    def serves(self, thing: int) -> bool:
        """Whether this Thing is a key of this service here."""
        if self._keeps is not None and not self._keeps(thing):
            return False
        found = self._around.graph.things.get(thing)
        kinds = self.declared.cls.kinds
        return found is not None and (not kinds or found.kind in kinds)

    def list_keys(self, graph: ThingGraph) -> list[int]:
        """The Things it serves, by id."""
        return [thing for thing in sorted(graph.things) if self.serves(thing)]

    def _open(self, key: int) -> Cell:
        cell = Cell(self.declared.state(), KeyCity(self._around, self.id, self.declared.cls.needs, key))
        self.cells[key] = cell
        self._changed.append(key)
        return cell

    def load(self, row: StateRow) -> None:
        """A stored state, as it was. One that can't be read parks its key (a handler may have spoilt it before it raised)."""
        if self._keeps is not None and not self._keeps(row.thing):
            return
        parked = row.parked
        try:
            state: Any = msgspec.json.decode(row.body, type=self.declared.state)
        except msgspec.ValidationError as error:
            state, parked = self.declared.state(), parked or f"its state can't be read: {error}; resume it with a reset"
        cell = Cell(state, KeyCity(self._around, self.id, self.declared.cls.needs, row.thing))
        cell.parked, cell.changed = parked, False
        self.cells[row.thing] = cell
        for name, us in row.wakes.items():
            self._schedule(row.thing, cell, name, us)

    def forget(self, key: int) -> None:
        """Its state, its Wakes and its own settings are gone from memory."""
        self.cells.pop(key, None)
        self.book.forget(key)

    def take_changed(self) -> Iterator[StateRow]:
        """The keys changed since the last call."""
        changed, self._changed = dict.fromkeys(self._changed), []
        for key in changed:
            cell = self.cells.get(key)
            if cell is None:  # forgotten since
                continue
            cell.changed = False
            try:
                body = msgspec.json.encode(cell.state)
            except Exception as error:  # noqa: BLE001  whatever a handler put into a state must stop this key only
                cell.parked = cell.parked or f"its state can't be stored: {error}; resume it with a reset"
                cell.state = self.declared.state()
                body = msgspec.json.encode(cell.state)
            yield StateRow(self.id, key, self.declared.cls.version, body, dict(cell.wakes), cell.parked)

    # --- settings --------------------------------------------------------------------------------------------------

    def change_setting(self, change: SettingChange) -> None:
        """Takes a change in; it was checked before it became a record."""
        self.book.apply(change)

    # --- handling --------------------------------------------------------------------------------------------------

    def handle(
        self,
        key: int,
        handler: Handler,
        item: Observation | CaseEvent | NoticeEvent | datetime | Any,
        cause: int,
        about: datetime,
        at: datetime,
    ) -> list[Emitted]:
        """What the handler emits on `item`, which is about the instant `about` and arrived at `at`; nothing where the key
        is parked. A handler that raises, or emits what it does not declare, parks its key and emits nothing."""
        cell = self.cells.get(key)
        if cell is None:
            cell = self._open(key)
            self._plan_daily(key, cell, at)
        elif not cell.changed:
            cell.changed = True
            self._changed.append(key)
        if cell.parked:
            return NOTHING
        if cell.settings_revision != self.book.revision:
            cell.settings, cell.settings_revision = self.book.resolve(key), self.book.revision
        self._service.settings = cell.settings
        try:
            emissions = list(handler(self._service, item, cell.state, cell.city))
            if not emissions:
                return NOTHING
            out = []
            for emission in emissions:
                if type(emission) is Result:
                    declared = self._results.get(emission.property.key)
                    is_plain = emission.time is None and not emission.parameters and not emission.part
                    if not is_plain or declared is None or not declared.low <= emission.value <= declared.high:
                        self._check(emission)
                elif type(emission) is Wake:
                    self._wake(key, cell, emission)
                    continue
                else:
                    self._check(emission)
                out.append(Emitted(self.id, key, emission, cause, about))
        except Exception as error:  # noqa: BLE001  whatever a handler raises must stop this key only
            cell.parked = f"record {cause}: {type(error).__name__}: {error}"
            return []
        return out

    def _check(self, emission: Emission) -> None:
        """Raises BadSetup where it is not declared or out of range, TypeError where it can't be stored."""
        if not isinstance(emission, Result):
            if not isinstance(emission, self._classes):
                raise BadSetup(f"{self.id} emits {emission!r} but does not declare {type(emission).__name__} in emits")
            _check_case(emission)
        else:
            declared = self._results.get(emission.property.key)
            if declared is None:
                raise BadSetup(f"{self.id} emits {emission.property.key} but does not declare it in emits")
            if not declared.low <= emission.value <= declared.high:
                raise BadSetup(
                    f"{self.id} emits {emission.property.key} = {emission.value!r} {declared.unit}, "
                    f"out of {declared.low:g}..{declared.high:g}"
                )
            if not isinstance(emission.part, str):
                raise BadSetup(f"{self.id} emits {emission.property.key} with part {emission.part!r}; a part is a text")
        _check_storable(emission)

    def resume(self, resume: Resume) -> None:
        """A parked key goes on."""
        cell = self.cells.get(resume.thing)
        if cell is None:
            return
        if resume.reset:
            self.cells.pop(resume.thing)
            cell = self._open(resume.thing)
            self._plan_daily(resume.thing, cell, from_us(self._around.at_us))
        elif not cell.changed:
            cell.changed = True
            self._changed.append(resume.thing)
        cell.parked = ""
        for name, us in list(cell.wakes.items()):
            self._schedule(resume.thing, cell, name, us)

    # --- wakes -----------------------------------------------------------------------------------------------------

    def _wake(self, key: int, cell: Cell, emission: Wake) -> None:
        if emission.name not in self.declared.wakes:
            raise BadSetup(f"{self.id} asks for Wake {emission.name!r} but has no @wake({emission.name!r})")
        if emission.at is None:
            cell.wakes.pop(emission.name, None)
        else:
            self._schedule(key, cell, emission.name, to_us(emission.at))

    def _schedule(self, key: int, cell: Cell, name: str, us: int) -> None:
        """Notes the Wake; the heap gets an entry only where none would come up early enough (an entry that comes up
        too early is put back then)."""
        cell.wakes[name] = us
        earliest = cell.heap_us.get(name)
        if earliest is None or us < earliest:
            cell.heap_us[name] = us
            heapq.heappush(self._heap, (us, key, name))

    def _plan_daily(self, key: int, cell: Cell, now: datetime) -> None:
        for local_time, _ in self.declared.daily:
            at = next_local(now, local_time, self._around.zone)
            self._schedule(key, cell, DAILY + local_time, to_us(at))

    def next_wake_us(self) -> int | None:
        """When the next Wake is due, or a little before."""
        return self._heap[0][0] if self._heap else None

    def fire(self, until_us: int, cause: int) -> Iterator[Emitted]:
        """Runs every Wake due at or before this instant, in order of time, then key, then name. Those of Things that are
        gone are dropped; a key whose Wakes ask for each other without end is parked."""
        heap = self._heap
        fired: dict[int, tuple[int, int]] = {}  # key -> the latest instant, and how often not later than it
        while heap and heap[0][0] <= until_us:
            us, key, name = heapq.heappop(heap)
            cell = self.cells.get(key)
            if cell is None or cell.heap_us.get(name) != us:
                continue
            del cell.heap_us[name]
            due_us = cell.wakes.get(name)
            if due_us is None:
                continue
            if due_us > us:
                self._schedule(key, cell, name, due_us)
                continue
            if cell.parked:
                continue  # it stays noted, and fires when the key goes on
            del cell.wakes[name]
            if not self.serves(key):
                continue
            latest_us, times = fired.get(key, (us, 0))
            fired[key] = latest_us, times = (us, 1) if us > latest_us else (latest_us, times + 1)
            if times > MAX_AT_ONCE:
                cell.parked = cell.parked or f"record {cause}: more than {MAX_AT_ONCE} Wakes without time going on"
            now = from_us(us)
            handler = self._handler_of(name)
            if name.startswith(DAILY) and handler is not None:
                at = next_local(now, name.removeprefix(DAILY), self._around.zone)
                self._schedule(key, cell, name, to_us(at))
            if handler is not None:
                yield from self.handle(key, handler, now, cause, now, now)

    def _handler_of(self, name: str) -> Handler | None:
        if name.startswith(DAILY):
            wanted = name.removeprefix(DAILY)
            return next((h for t, h in self.declared.daily if t == wanted), None)
        return self.declared.wakes.get(name)
