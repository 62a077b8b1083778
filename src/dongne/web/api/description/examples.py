"""Examples for the description that are taken when they are sent: with ids that are there."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dongne.model.access import PUBLIC, find_hidden
from dongne.model.entities import OM_COMPLEX, OM_MEASUREMENT, EntityType
from dongne.model.features import find_feature_of
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.schema import MULTI_DATASTREAMS, OBSERVATIONS, SETS, TASKS, EntitySet
from dongne.web.api.changes.ties import TO_MANY, find_way_back
from dongne.web.api.context import ApiContext
from dongne.web.api.description.entities import needed_links

_PERCENT = {"name": "percent", "symbol": "%", "definition": "http://unitsofmeasure.org/%"}
_POINT = {"type": "Point", "coordinates": [24.94, 60.17]}
_DEVICE = {"name": "Level meter", "encodingType": "text/plain", "metadata": "ultrasound"}
_PLACE = {"name": "By the fountain", "encodingType": "application/geo+json"}
_OWN: dict[str, dict[str, Any]] = {
    "Things": {"name": "Waste basket 12", "description": "By the fountain", "properties": {"kind": "waste_basket"}},
    "Locations": {**_PLACE, "location": _POINT},
    "HistoricalLocations": {"time": "2026-05-01T08:30:00Z"},
    "Datastreams": {"name": "How full it is", "observationType": OM_MEASUREMENT, "unitOfMeasurement": _PERCENT},
    "Sensors": _DEVICE,
    "ObservedProperties": {"name": "fullness", "definition": "https://example.org/fullness"},
    "Observations": {"phenomenonTime": "2026-05-01T08:30:00Z", "result": 1},
    "FeaturesOfInterest": {**_PLACE, "feature": _POINT},
    "MultiDatastreams": {
        "name": "Level and weight", "observationType": OM_COMPLEX, "multiObservationDataTypes": [OM_MEASUREMENT],
        "unitOfMeasurements": [_PERCENT],
    },
    "Actuators": {**_DEVICE, "name": "Lid motor"},
    "TaskingCapabilities": {
        "name": "Open the lid",
        "taskingParameters": {"type": "object", "properties": {"open": {"type": "boolean"}}, "required": ["open"]},
    },
    "Tasks": {},
}  # fmt: skip


OF_MULTI = "Observation of a MultiDatastream"


class Examples:
    """What is there to be named in an example: the first open entity of each type, those that hang together where they can,
    and 1 where there is none."""

    def __init__(self, context: ApiContext) -> None:
        store, self.graph = context.store, context.store.graph
        hidden = find_hidden(self.graph, PUBLIC)
        self.ids: dict[str, int] = {}
        for entity_set in SETS.values():
            if kind := entity_set.entity_type:
                self.ids[entity_set.type_name] = min(self.graph.entities(kind).keys() - hidden.of(kind), default=1)
        self._choose_place(hidden.of(EntityType.THING))
        self._choose_observations(store, hidden.of(EntityType.DATASTREAM))
        open_capabilities = self.graph.capabilities.keys() - hidden.of(EntityType.TASKING_CAPABILITY)
        tasks = [task.id for task in store.list_tasks(is_open=True) if task.capability_id in open_capabilities]
        self.ids["Task"] = min(tasks, default=1)

    def _choose_place(self, hidden: frozenset[int]) -> None:
        """A Thing that is somewhere, and where it is and was."""
        placed = [thing for thing in list(self.graph.things.values()) if thing.location_ids and thing.id not in hidden]
        if placed:
            thing = min(placed, key=lambda one: one.id)
            past = [one.id for one in list(self.graph.historical_locations.values()) if one.thing_id == thing.id]
            self.ids |= {"Thing": thing.id, "Location": thing.location_ids[0]}
            self.ids["HistoricalLocation"] = min(past, default=self.ids["HistoricalLocation"])

    def _choose_observations(self, store: Store, hidden: frozenset[int]) -> None:
        """One of a Datastream, and one of a MultiDatastream, with a FeatureOfInterest; further ones need no new one then."""
        graph = self.graph
        for name, there in ((OF_MULTI, graph.multi_datastreams), ("Observation", graph.datastreams)):
            streams = sorted(there.keys() - hidden)
            numbers, *_ = store.latest_of(np.array(streams, np.int64))
            pairs = zip(streams, numbers.tolist(), strict=True)
            found = next((pair for pair in pairs if pair[1] and find_feature_of(graph, *pair) is not None), None)
            self.ids[name] = found[1] if found else 1
            if found:
                self.ids["Datastream" if name == "Observation" else "MultiDatastream"] = found[0]

    def new(self, entity_set: EntitySet, source: EntitySet | None = None) -> dict[str, Any]:
        """A new entity, sent to its set or to that of an entity of `source`."""
        values = dict(_OWN[entity_set.name])
        if entity_set is TASKS:
            capability = self.graph.capabilities.get(self.ids["TaskingCapability"])
            values["taskingParameters"] = fitting(capability.tasking_parameters) if capability else {}
        if entity_set is OBSERVATIONS and source is MULTI_DATASTREAMS:
            stream = self.graph.multi_datastreams.get(self.ids["MultiDatastream"])
            values["result"] = [1] * (len(stream.observed_property_ids) if stream else 1)
        for name in needed_links(entity_set, source):
            way = entity_set.navigations[name]
            link = {"@iot.id": self.ids[SETS[way.target].type_name]}
            values[name] = [link] if way.many else link
        return values

    def linked(self, source: EntitySet, navigation: str) -> int:
        """One to which the example of `source` is linked by this way, where that is kept in a list."""
        target, column = SETS[source.navigations[navigation].target], TO_MANY.get((source.name, navigation))
        here = self.ids[source.type_name]
        if column and source.entity_type and here in self.graph.entities(source.entity_type):
            return next(iter(getattr(self.graph.entities(source.entity_type)[here], column)), 1)
        back = find_way_back(source, navigation)
        if not column and back and target.entity_type and (column := TO_MANY.get((target.name, back[1]))):
            there = self.graph.entities(target.entity_type)
            return next((number for number in sorted(there) if here in getattr(there[number], column)), 1)
        return self.ids[target.type_name]

    def changed(self, entity_set: EntitySet) -> dict[str, Any]:
        """What a PATCH may say."""
        if entity_set is TASKS:
            return {"state": "accepted", "properties": {"reason": "the device has it"}}
        name = next(iter(_OWN[entity_set.name]))
        return {name: _OWN[entity_set.name][name]}


def fitting(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The least that a JSON Schema of an object asks for."""
    members = schema.get("properties", {})
    return {name: _value(members.get(name, {})) for name in schema.get("required", members)}


def _value(schema: Mapping[str, Any]) -> Any:
    for name in ("const", "default", "minimum"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    return {"boolean": True, "string": "", "array": [], "object": {}}.get(str(schema.get("type")), 0)
