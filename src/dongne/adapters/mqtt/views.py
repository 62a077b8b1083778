"""Entities as a GET of them gives them, made in memory while they happen."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from dongne.model.access import Hidden, Sight, Veil
from dongne.model.errors import NotFound
from dongne.model.features import find_feature_of
from dongne.model.records import ObservationExtra
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.encode import encode, entity_document, get_inside, self_link
from dongne.standards.sensorthings.matching import matches
from dongne.standards.sensorthings.observations import observation_values
from dongne.standards.sensorthings.query import Expand, Order, Page, Path, Query, ResourcePath, Row, Step
from dongne.standards.sensorthings.schema import DATASTREAMS, OBSERVATIONS, SETS, EntitySet
from dongne.standards.sensorthings.text import query_options

LATEST_FIRST = (Order(Path((), "phenomenonTime"), descending=True),)
Select = Callable[[ResourcePath, Query, Sight], Page | Row]


class Views:
    """Makes payloads; `root` is the address of the service, as in the links of an answer over HTTP."""

    def __init__(self, store: Store, select: Select, root: str) -> None:
        self._store, self._graph, self._select, self._root = store, store.graph, select, root
        self._veil = Veil(store.graph)

    def hidden(self, sight: Sight) -> Hidden:
        """What this sight must not meet."""
        return self._veil.hidden(sight)

    def find(self, entity_set: EntitySet, entity_id: int, query: Query, sight: Sight) -> Row | None:
        """One entity, with what is expanded; None where it is not there, or not to be seen."""
        return self.find_at(ResourcePath((Step(entity_set.name, entity_id),)), query, sight)

    def find_at(self, path: ResourcePath, query: Query, sight: Sight) -> Row | None:
        """The same at the end of a path that leads to one entity."""
        try:
            found = self._select(path, Query(select=query.select, expand=query.expand), sight)
        except NotFound:
            return None
        return found if isinstance(found, Row) else None

    def find_latest(self, datastream: int, query: Query, sight: Sight) -> Row | None:
        """The newest Observation of a Datastream; never asks history."""
        path = ResourcePath((Step(DATASTREAMS.name, datastream), Step(OBSERVATIONS.name)))
        asked = Query(select=query.select, expand=query.expand, top=1, orderby=LATEST_FIRST)
        try:
            found = self._select(path, asked, sight)
        except NotFound:
            return None
        return found.rows[0] if isinstance(found, Page) and found.rows else None

    def get_at(self, path: ResourcePath, sight: Sight) -> Row:
        """The entity at the end of a path. Raises NotFound."""
        found = self._select(ResourcePath(path.steps), Query(), sight)
        if not isinstance(found, Row):
            raise NotFound("this path leads to no single entity")
        return found

    # --- payloads

    def entity(self, row: Row, entity_set: EntitySet, query: Query, sight: Sight) -> bytes | None:
        """The entity as JSON; None where the filter leaves it out."""
        if query.filter is not None and not self._matches(row, entity_set, query, sight):
            return None
        return encode(entity_document(row, entity_set, query, self._root, self._next))

    def observation(
        self, number: int, stream: int, time_us: int, result: float, extra: ObservationExtra | None, query: Query,
        sight: Sight,
    ) -> bytes | None:  # fmt: skip
        """The Observation as JSON; None where the filter leaves it out."""
        values = observation_values(time_us, result, extra)
        is_multi = stream in self._graph.multi_datastreams
        row = Row(number, values, {}, {}, ("MultiDatastream",) if is_multi else ())
        if query.filter is not None or query.expand:
            feature = None if extra is None else extra.feature_id
            row.links = {
                "Datastream": None if is_multi else stream,
                "MultiDatastream": stream if is_multi else None,
                "FeatureOfInterest": find_feature_of(self._graph, stream, number) if feature is None else feature,
            }
            for expand in query.expand:
                target = SETS[OBSERVATIONS.navigations[expand.navigation].target]
                linked = row.links[expand.navigation]
                row.expanded[expand.navigation] = self.find(target, linked, expand.query, sight) if linked else None
        return self.entity(row, OBSERVATIONS, query, sight)

    def property(self, row: Row, way: tuple[str, ...]) -> bytes:
        """One property as JSON, named as in a GET of it. Raises NotFound where nothing is there."""
        return encode({way[-1]: get_inside(row.values.get(way[0]), way)})

    def _matches(self, row: Row, entity_set: EntitySet, query: Query, sight: Sight) -> bool:
        def find(path: Path) -> Any:
            here: Row | None = row
            source = entity_set
            for name in path.navigations:
                linked = here.links.get(name) if here else None
                source = SETS[source.navigations[name].target]
                here = None if linked is None else self.find(source, linked, Query(), sight)
            if here is None:
                return None
            value: Any = here.id if path.name == "id" else msgspec.to_builtins(here.values.get(path.name))
            for step in path.steps:
                value = value.get(step) if isinstance(value, dict) else None
            return value

        assert query.filter is not None
        return matches(query.filter, entity_set, find)

    def _next(self, set_name: str, entity_id: int, expand: Expand, rows: int) -> str:
        further = msgspec.structs.replace(expand.query, skip=expand.query.skip + rows)
        options = "&".join(f"{name}={quote(value, safe='$,()/;:@*-._~')}" for name, value in query_options(further))
        return f"{self_link(self._root, set_name, entity_id)}/{expand.navigation}?{options}"
