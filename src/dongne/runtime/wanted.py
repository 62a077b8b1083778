"""Who wants to hear what of the sequence: records become the documents of those who listen, as far as they may see it."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.access import PUBLIC, Access, Sight, Veil
from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, EntityType, MultiDatastream
from dongne.model.errors import NotFound
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.model.tasks import TaskEvent
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.observations import observation_values

Told = tuple[int, str, dict[str, Any]]  # number, what it is, document
_case_decoder = msgspec.msgpack.Decoder(CaseEvent)
_task_decoder = msgspec.msgpack.Decoder(TaskEvent)


class Wanted(Protocol):
    """Turns records into what one listener is told."""

    def told(self, record: Record, batch: ObservationBatch | None, after: int, most: int | None = None) -> list[Told]:
        """What of a record lies beyond the number `after`, the first `most` of it; `batch` where it is decoded already."""


class WantedObservations:
    """Observations of these Datastreams (or MultiDatastreams), Things and properties; without any choice all. What hangs on a Datastream that
    is gone is told only to who sees everything: nobody knows any more how closely it was kept."""

    def __init__(
        self, graph: ThingGraph, datastreams: set[int], things: set[int], properties: set[str], sight: Sight = PUBLIC
    ) -> None:
        self._graph, self._veil, self._sight = graph, Veil(graph), sight
        self._datastreams, self._things, self._properties = datastreams, things, properties
        self._revision = -1
        self._chosen: NDArray[np.int64] | None = None

    def told(self, record: Record, batch: ObservationBatch | None, after: int, most: int | None = None) -> list[Told]:
        """See Wanted."""
        if record.kind is not RecordKind.OBSERVATIONS or record.last <= after:
            return []
        batch = batch or decode_batch(record.body, record.count)
        wanted = np.ones(len(batch), bool) if (chosen := self._choose()) is None else np.isin(batch.datastream, chosen)
        wanted[: max(0, after + 1 - record.number)] = False
        if not self._sight.is_all:
            hidden = self._veil.hidden(self._sight).of(EntityType.DATASTREAM)
            streams = set(np.unique(batch.datastream[wanted]).tolist())
            unknown = streams - self._graph.datastreams.keys() - self._graph.multi_datastreams.keys()
            if untold := unknown | (streams & hidden):
                wanted &= ~np.isin(batch.datastream, np.fromiter(untold, np.int64))
        rows = np.flatnonzero(wanted)[:most].tolist()
        return [(record.number + row, "observation", self._document(record.number + row, batch, row)) for row in rows]

    def _choose(self) -> NDArray[np.int64] | None:
        if not (self._datastreams or self._things or self._properties):
            return None
        if self._revision != self._graph.revision:
            self._revision = self._graph.revision
            streams: list[Datastream | MultiDatastream] = list(self._graph.datastreams.values())
            streams += list(self._graph.multi_datastreams.values())
            self._chosen = np.array([stream.id for stream in streams if self._is_chosen(stream)], np.int64)
        return self._chosen

    def _is_chosen(self, stream: Datastream | MultiDatastream) -> bool:
        observed = (
            stream.observed_property_ids if isinstance(stream, MultiDatastream) else (stream.observed_property_id,)
        )
        keys = {found.name for one in observed if (found := self._graph.properties.get(one))}
        return (
            (not self._datastreams or stream.id in self._datastreams)
            and (not self._things or stream.thing_id in self._things)
            and (not self._properties or not self._properties.isdisjoint(keys))
        )

    def _document(self, number: int, batch: ObservationBatch, row: int) -> dict[str, Any]:
        datastream = int(batch.datastream[row])
        stream = self._graph.find_stream(datastream)
        values = observation_values(int(batch.time_us[row]), float(batch.result[row]), batch.extras.get(row))
        return {
            "@iot.id": number,
            **{name: value for name, value in values.items() if value is not None or name == "result"},
            "MultiDatastream" if isinstance(stream, MultiDatastream) else "Datastream": {"@iot.id": datastream},
            "Thing": None if stream is None else {"@iot.id": stream.thing_id},
        }


class WantedCases:
    """All events of cases, or those of these kinds, Things and services."""

    def __init__(
        self, store: Store, kinds: set[str], things: set[int], services: set[str], sight: Sight = PUBLIC
    ) -> None:
        self._kinds, self._things, self._services = kinds, things, services
        self._store, self._veil, self._sight = store, Veil(store.graph), sight

    def told(self, record: Record, batch: ObservationBatch | None, after: int, most: int | None = None) -> list[Told]:
        """See Wanted."""
        if record.kind is not RecordKind.CASE or record.number <= after:
            return []
        event = _case_decoder.decode(record.body)
        seen = seen_event(self._store, self._veil, self._sight, event)
        if seen is None or _is_other(event.kind, self._kinds):
            return []
        if _is_other(event.thing, self._things) or _is_other(event.service, self._services):
            return []
        return [(record.number, "case", {"number": record.number, **msgspec.to_builtins(seen)})]


def seen_event(store: Store, veil: Veil, sight: Sight, event: CaseEvent) -> CaseEvent | None:
    """The event as this sight sees it, without links to Cases that it does not reach; None where it does not see the event.
    A later event of a Case may leave its Thing out, and an earlier one may be from before the Case was closed more."""
    if sight.is_all:
        return event

    def sees(key: str) -> bool:
        case = store.find_case(key)
        return case is not None and veil.sees_case_of(sight, case.thing, case.access)

    case = store.find_case(event.key)
    is_seen = veil.sees_case_of(sight, event.thing, event.access) if case is None else sees(event.key)
    if not is_seen:
        return None
    if event.assignee and sight.most is Access.PUBLIC:  # a person's name is for staff
        event = msgspec.structs.replace(event, assignee="")
    if not (event.links or event.merged_into):
        return event
    links = tuple(link for link in event.links if sees(link.key))
    merged_into = event.merged_into if event.merged_into and sees(event.merged_into) else ""
    return msgspec.structs.replace(event, links=links, merged_into=merged_into)


class WantedTasks:
    """All Tasks and what becomes of them, or those of these Things and services."""

    def __init__(self, graph: ThingGraph, things: set[int], services: set[str], sight: Sight = PUBLIC) -> None:
        self._things, self._services = things, services
        self._veil, self._sight = Veil(graph), sight

    def told(self, record: Record, batch: ObservationBatch | None, after: int, most: int | None = None) -> list[Told]:
        """See Wanted."""
        if record.kind is not RecordKind.TASK or record.number <= after:
            return []
        event = _task_decoder.decode(record.body)
        if not self._veil.sees_case_of(self._sight, event.thing):
            return []
        if _is_other(event.thing, self._things) or _is_other(event.service, self._services):
            return []
        return [(record.number, "task", {"number": record.number, **msgspec.to_builtins(event)})]


class WantedAll:
    """What any of these wants; a record is of one kind, so nothing is told twice."""

    def __init__(self, parts: Iterable[Wanted]) -> None:
        self._parts = list(parts)

    def told(self, record: Record, batch: ObservationBatch | None, after: int, most: int | None = None) -> list[Told]:
        """See Wanted."""
        return [told for part in self._parts for told in part.told(record, batch, after, most)]


def _is_other(said: object, wanted: set[int] | set[str]) -> bool:
    return bool(wanted) and said not in wanted


def records_after(store: Store, after: int, limit: int) -> Iterator[Record]:
    """Up to so many records after a number and the one it lies inside, where it does."""
    try:
        record, row = store.get_observation(after + 1)
        if row:
            yield record
            after = record.last
    except NotFound:
        pass
    yield from store.read(after, limit=limit)
