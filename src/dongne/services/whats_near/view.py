"""What is live in the city now: the newest value of each Datastream, and the open Cases by Thing."""

from collections.abc import Iterator
from math import isnan
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.case_kinds import kind_of
from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch
from dongne.services.whats_near.places import Bounds, find_bounds

NEVER = np.iinfo(np.int64).min
HIDDEN = frozenset({"personal", "internal"})


class View:
    """Columns indexed by Datastream id: time of the newest value (microseconds, NEVER for none) and the value."""

    def __init__(self, graph: ThingGraph) -> None:
        self.graph = graph
        self.time_us: NDArray[np.int64] = np.full(64, NEVER, np.int64)
        self.result: NDArray[np.float64] = np.full(64, np.nan)
        self.other: dict[int, Any] = {}  # newest results that are not numbers
        self.cases: dict[int, dict[str, CaseEvent]] = {}  # open ones: Thing -> key -> as opened, with the newest state
        self._bounds: tuple[int, Bounds | None] | None = None
        self.thing_of: dict[str, int] = {}  # of open Cases, by key

    def take_batch(self, batch: ObservationBatch) -> None:
        """The newest by phenomenonTime stays; of equal ones the later row."""
        if not len(batch):
            return
        streams = batch.datastream.astype(np.int64)
        self._grow(int(streams.max()) + 1)
        order = np.lexsort((batch.time_us, streams))
        last = np.append(np.flatnonzero(np.diff(streams[order])), len(order) - 1)
        rows = order[last]  # the newest row of each Datastream in this batch
        rows = rows[batch.time_us[rows] >= self.time_us[streams[rows]]]
        self.time_us[streams[rows]] = batch.time_us[rows]
        self.result[streams[rows]] = batch.result[rows]
        for row in rows[np.isnan(batch.result[rows])].tolist():
            extra = batch.extras.get(row)
            self.other[int(streams[row])] = extra.result if extra else None

    def _grow(self, size: int) -> None:
        if size > len(self.time_us):
            more = max(size, 2 * len(self.time_us)) - len(self.time_us)
            self.time_us = np.append(self.time_us, np.full(more, NEVER, np.int64))
            self.result = np.append(self.result, np.full(more, np.nan))

    def take_case(self, event: CaseEvent) -> None:
        """A Case was opened, changed or closed. A later event may leave out Thing, service and values."""
        thing = self.thing_of.get(event.key, event.thing)
        if thing is None:
            return
        at_thing = self.cases.setdefault(thing, {})
        if event.state in kind_of(event.kind).closed:
            at_thing.pop(event.key, None)
            self.thing_of.pop(event.key, None)
            return
        self.thing_of[event.key] = thing
        first = at_thing.get(event.key, event)
        values = {**first.values, **event.values}
        at_thing[event.key] = msgspec.structs.replace(first, state=event.state, values=values)

    def live_streams(self, thing: int) -> Iterator[tuple[Datastream, int, Any]]:
        """The Datastreams of a Thing that everybody may see and that have a value: (Datastream, time, result)."""
        for stream in self.graph.list_datastreams(thing):
            if stream.id >= len(self.time_us) or stream.properties.get("privacy") in HIDDEN:
                continue
            time_us, result = int(self.time_us[stream.id]), float(self.result[stream.id])
            if time_us == NEVER:
                continue
            told = self.other.get(stream.id) if isnan(result) else result
            if told is not None:
                yield stream, time_us, told

    def bounds(self) -> Bounds | None:
        """West, south, east and north of all Things that have a place; found anew after a change of the graph."""
        if self._bounds is None or self._bounds[0] != self.graph.revision:
            self._bounds = (self.graph.revision, find_bounds(self.graph))
        return self._bounds[1]

    def is_live(self, thing: int) -> bool:
        """Whether it has a value or an open Case."""
        return bool(self.cases.get(thing)) or next(self.live_streams(thing), None) is not None
