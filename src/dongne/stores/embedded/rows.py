"""Entities and Observations as rows: from the graph, the sequence and the latest values, without a look into history."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from dongne.model.access import Hidden
from dongne.model.entities import EntityType
from dongne.model.errors import BadInput, NotFound
from dongne.model.features import find_feature_of
from dongne.model.geometry import find_extent
from dongne.model.records import ObservationBatch, ObservationExtra, Record, decode_batch
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.observations import observation_values, plain_values
from dongne.standards.sensorthings.query import Page, Row
from dongne.standards.sensorthings.schema import MULTI_DATASTREAMS, OBSERVATIONS, SETS, TASKS, EntitySet, Kind
from dongne.standards.sensorthings.times import format_column
from dongne.stores.embedded.as_of import Past, PastExtents
from dongne.stores.embedded.details import LatestDetails
from dongne.stores.embedded.extents import Extent, Extents, list_geometries
from dongne.stores.embedded.links import LINKS, LISTED, About, Of, Pairs, ToOne
from dongne.stores.embedded.tasks import task_row
from dongne.stores.embedded.terms import NO_PAST_TASKS

_OPTIONAL = {
    "MultiDatastreams": EntityType.MULTI_DATASTREAM,
    "TaskingCapabilities": EntityType.TASKING_CAPABILITY,
}
_extra_decoder = msgspec.json.Decoder(dict[str, Any])


class Rows:
    """Makes the rows of one question; what is hidden is not there."""

    def __init__(
        self, store: Store, details: LatestDetails, extents: Extents, hidden: Hidden, past: Past | None = None
    ) -> None:
        self._store, self._details, self._hidden, self._past = store, details, hidden, past
        self._graph = past.graph if past else store.graph
        self._extents: Extents | PastExtents = past.extents if past else extents
        self._hidden_streams = hidden.of(EntityType.DATASTREAM)
        self._decoded: tuple[Record, ObservationBatch] | None = None

    # --- entities

    def find(self, entity_set: EntitySet, entity_id: int, names: Sequence[str] | None = None) -> Row | None:
        """The entity with these properties, or all of them; None where it is not there."""
        found = self.list_found(entity_set, [entity_id], names)
        return found[0] if found else None

    def list_found(self, entity_set: EntitySet, ids: Iterable[int], names: Sequence[str] | None = None) -> list[Row]:
        """Those of these entities that are there, in this order, with these properties or all of them."""
        if entity_set is TASKS:
            return self._tasks(list(ids))
        if entity_set.entity_type is None:
            return [row for number in ids if (row := self._observation(number)) is not None]
        known = [info for name, info in entity_set.properties.items() if names is None or name in names]
        plain = [(info.name, info.attribute) for info in known if info.kind is not Kind.COMPUTED]
        computed = [info.name for info in known if info.kind is Kind.COMPUTED]
        links, shows = _to_one(entity_set), self._shown(entity_set)
        entities, hidden = self._graph.entities(entity_set.entity_type), self._hidden.of(entity_set.entity_type)
        rows = []
        for entity_id in ids:
            entity = entities.get(entity_id)
            if entity is None or entity_id in hidden:
                continue
            values = {name: getattr(entity, attribute) for name, attribute in plain}
            if values.get("properties") == {}:
                values["properties"] = None
            rows.append(Row(entity_id, values, {}, {name: getattr(entity, column) for name, column in links}, shows))
        if computed and rows:
            self._compute(rows, computed)
        return rows

    def _tasks(self, ids: Sequence[int]) -> list[Row]:
        if self._past:
            raise BadInput(NO_PAST_TASKS, reason="query")
        hidden = self._hidden.of(EntityType.TASKING_CAPABILITY)
        found = {
            task.id: task_row(task)
            for task in self._store.list_tasks_by_id([one for one in ids if one < 1 << 63])
            if task.capability_id in self._graph.capabilities and task.capability_id not in hidden
        }
        return [found[one] for one in ids if one in found]

    def _shown(self, entity_set: EntitySet) -> tuple[str, ...]:
        """Optional links that lead somewhere in this city."""
        kinds = ((name, _OPTIONAL[name]) for name in entity_set.optional_links)
        return tuple(name for name, kind in kinds if len(self._graph.entities(kind)) > len(self._hidden.of(kind)))

    def _compute(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        found = self._extents.of([row.id for row in rows])
        for name in names:
            for row, value in zip(rows, self._computed(name, rows, found), strict=True):
                row.values[name] = value

    def _computed(self, name: str, rows: Sequence[Row], found: Sequence[Extent | None]) -> list[Any]:
        match name:
            case "phenomenonTime":  # a period, also where both are the same (18-088, clause 8.2.4)
                return _periods([None if one is None else one.first_us for one in found],
                                [None if one is None else one.last_us for one in found])  # fmt: skip
            case "resultTime":
                return _periods([None if one is None else one.result_first_us for one in found],
                                [None if one is None else one.result_last_us for one in found])  # fmt: skip
        return self._areas(rows, found)

    def _areas(self, rows: Sequence[Row], found: Sequence[Extent | None]) -> list[Any]:
        """Where nothing else is named, the Datastreams of a Thing have the same."""
        of_thing: dict[int | None, Any] = {}
        areas: list[Any] = []
        for row, one in zip(rows, found, strict=True):
            thing = row.links["Thing"]
            if one is None:
                areas.append(None)
            elif not one.features and thing in of_thing:
                areas.append(of_thing[thing])
            else:
                areas.append(find_extent(list_geometries(self._graph, row.id, one, self._hidden)))
                if not one.features:
                    of_thing[thing] = areas[-1]
        return areas

    # --- links

    def hangs_on(self, here: EntitySet, parent: Row, navigation: str, child: Row) -> bool:
        """Whether the child is among those to which the navigation leads from the parent."""
        match LINKS[here.name, navigation]:
            case About():
                return self.linked(child, OBSERVATIONS, "FeatureOfInterest") == parent.id
            case Of():
                return child.links.get("Datastream" if here is MULTI_DATASTREAMS else here.type_name) == parent.id
            case Pairs():
                return self._is_listed(here, parent.id, SETS[here.navigations[navigation].target], child.id)
            case ToOne():
                return self.linked(parent, here, navigation) == child.id

    def _is_listed(self, here: EntitySet, parent: int, target: EntitySet, child: int) -> bool:
        if (here.name, target.name) not in LISTED:
            here, parent, target, child = target, child, here, parent
        entity = self._graph.entities(here.entity_type).get(parent) if here.entity_type else None
        return entity is not None and child in getattr(entity, LISTED[here.name, target.name])

    def linked(self, row: Row, entity_set: EntitySet, navigation: str) -> int | None:
        """The id of the one entity to which a row leads."""
        found = row.links.get(navigation)
        if entity_set is OBSERVATIONS:
            stream = row.links["Datastream"]
            if navigation == "FeatureOfInterest" and found is None and stream is not None:
                return find_feature_of(self._graph, stream, row.id)
            if navigation == "MultiDatastream":
                return stream if stream in self._graph.multi_datastreams else None
            if navigation == "Datastream":
                return stream if stream in self._graph.datastreams else None
        return found

    # --- Observations

    def _observation(self, number: int) -> Row | None:
        if self._past and number > self._past.number:
            return None
        try:
            record, at = self._store.get_observation(number)
        except (NotFound, OverflowError):
            return None
        if self._decoded is None or self._decoded[0] is not record:  # neighbours are in one record
            self._decoded = record, decode_batch(record.body, record.count)
        batch = self._decoded[1]
        stream = int(batch.datastream[at])
        if stream in self._hidden_streams:
            return None
        row = observation_row(number, stream, int(batch.time_us[at]), float(batch.result[at]), batch.extras.get(at))
        return self.of_multi([row])[0]

    def of_multi(self, rows: list[Row]) -> list[Row]:
        """The same, those which belong to a MultiDatastream leading to it."""
        if multi := self._graph.multi_datastreams:
            for row in rows:
                if row.links["Datastream"] in multi:
                    row.shows = ("MultiDatastream",)
        return rows

    def latest(self, ids: Sequence[int]) -> dict[int, Page]:
        """The newest Observation of each Datastream, as a page of one or none."""
        numbers, times, results = (column.tolist() for column in self._store.latest_of(np.array(ids, np.int64)))
        pages = {}
        extra_of = self._details.extra_of
        texts = format_column(times)
        for stream, number, time_us, text, result in zip(ids, numbers, times, texts, results, strict=True):
            rows = []
            if number and stream not in self._hidden_streams:
                extra = extra_of(number)
                if extra is None:
                    links = {"Datastream": stream, "FeatureOfInterest": None}
                    rows.append(Row(number, plain_values(text, result), {}, links))
                else:
                    rows.append(observation_row(number, stream, time_us, result, extra))
            pages[stream] = Page(OBSERVATIONS.name, self.of_multi(rows))
        return pages

    def newest(self, ids: Sequence[int], by: str) -> dict[int, Page]:
        """The same by `id` (the last that arrived) or by `resultTime`, as of now."""
        latest = self._store.latest_of(np.array(ids, np.int64))[0].tolist()
        extents = self._extents.of(ids)
        wanted = [0 if one is None else _newest_number(one, by) for one in extents]
        pages = self.latest([stream for stream, a, b in zip(ids, latest, wanted, strict=True) if a == b])
        others = [(number, stream) for stream, number in zip(ids, wanted, strict=True) if stream not in pages]
        for number, stream in sorted(others):  # neighbours are in one record
            row = self._observation(number)
            pages[stream] = Page(OBSERVATIONS.name, [] if row is None else [row])
        more = {s: e is not None and e.first_number < e.last_number for s, e in zip(ids, extents, strict=True)}
        return {
            stream: msgspec.structs.replace(page, more=bool(page.rows) and more[stream])
            for stream, page in pages.items()
        }

    def have_result_times(self) -> bool:
        """Whether the resultTime of any Observation was said."""
        return isinstance(self._extents, PastExtents) or bool(self._extents.periods(of_results=True)[0])


def _newest_number(extent: Extent, by: str) -> int:
    """Where no resultTime was said, all are equal, and the first number comes first."""
    return extent.last_number if by == "id" else extent.result_number or extent.first_number


def _periods(first: Sequence[int | None], last: Sequence[int | None]) -> list[str | None]:
    begins, ends = format_column([one or 0 for one in first]), format_column([one or 0 for one in last])
    return [None if one is None else f"{begin}/{end}" for one, begin, end in zip(first, begins, ends, strict=True)]


def _to_one(entity_set: EntitySet) -> list[tuple[str, str]]:
    return [
        (name, link.column)
        for name in entity_set.navigations
        if isinstance(link := LINKS[entity_set.name, name], ToOne)
    ]


def observation_row(number: int, datastream: int, time_us: int, result: float, extra: ObservationExtra | None) -> Row:
    """An Observation from the sequence."""
    links = {"Datastream": datastream, "FeatureOfInterest": None if extra is None else extra.feature_id}
    return Row(number, observation_values(time_us, result, extra), {}, links)


def history_rows(found: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Observations as history has them: rows of `statements.page_statement`."""
    times = format_column([values[3] for values in found])
    return [_history_row(values, time) for values, time in zip(found, times, strict=True)]


def _history_row(values: tuple[Any, ...], time: str) -> Row:
    _, number, datastream, time_us, end_us, result, result_time_us, feature, text = values[:9]
    links = {"Datastream": datastream, "FeatureOfInterest": feature}
    if text is None and end_us is None and result_time_us is None and result is not None:
        return Row(number, plain_values(time, result), {}, links)
    inside = _extra_decoder.decode(text) if text else {}
    found = observation_values(
        time_us,
        float("nan") if result is None else result,
        ObservationExtra(
            result=inside.get("result"),
            phenomenon_end_us=end_us,
            result_time_us=result_time_us,
            result_quality=inside.get("resultQuality"),
            parameters=inside.get("parameters"),
        ),
    )
    if valid := inside.get("validTime"):
        found["validTime"] = valid[0] if valid[0] == valid[1] else "/".join(valid)
    return Row(number, found, {}, links)
