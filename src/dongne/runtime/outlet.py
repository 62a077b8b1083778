"""From emissions to records: batches of derived Observations, case events, Tasks, job starts.

A derived Datastream, or a TaskingCapability, is made the first time its service says something about its Thing.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np

from dongne.model.entities import (
    Actuator,
    Datastream,
    Entity,
    EntityType,
    Property,
    Sensor,
    TaskingCapability,
    Unit,
    put,
)
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.records import (
    JobStart,
    ObservationBatch,
    ObservationExtra,
    Record,
    RecordKind,
    encode_batch,
)
from dongne.model.times import to_us
from dongne.runtime.facts import case_event, notice_event, task_event
from dongne.runtime.ports import Entry
from dongne.runtime.runner import Emitted
from dongne.runtime.service import Command, Result, Start

_encode = msgspec.msgpack.Encoder().encode


class Outlet:
    """Makes Entries of emissions. `graph` is the store's at the start; what is made later is remembered here."""

    def __init__(self, graph: ThingGraph, new_id: Callable[[EntityType], int]) -> None:
        self._new_id = new_id
        self._graph = graph
        self._sensors = {
            str(s.properties["service"]): s.id for s in graph.sensors.values() if "service" in s.properties
        }
        self._properties = {p.name: p.id for p in graph.properties.values()}
        self._streams = {
            (str(d.properties["service"]), d.thing_id, graph.property_key(d), d.part): d.id
            for d in graph.datastreams.values()
            if "service" in d.properties
        }

        self._actuators = {
            str(a.properties["service"]): a.id for a in graph.actuators.values() if "service" in a.properties
        }
        self._capabilities = {
            (str(c.properties["service"]), c.thing_id, c.name): c.id
            for c in graph.capabilities.values()
            if "service" in c.properties
        }

    def entries(self, emissions: Iterable[Emitted], record: Record) -> list[Entry]:
        """The entries of what was emitted on one record, in order; new Datastreams first."""
        made: list[Entity] = []
        results: dict[str, list[Emitted]] = {}
        others: list[Entry] = []
        for emitted in emissions:
            if isinstance(emitted.emission, Result):
                results.setdefault(emitted.service, []).append(emitted)
            else:
                entry = self._other(emitted, record, made)
                if entry is not None:
                    others.append(entry)
        batches = [self._batch(service, said, record, made) for service, said in results.items()]
        entries: list[Entry] = []
        if made:
            body = _encode([put(entity) for entity in made])
            entries.append(Entry(RecordKind.ENTITIES, body, 1, "dongne", record.number, record.at_us))
        return entries + batches + others

    def _other(self, emitted: Emitted, record: Record, made: list[Entity]) -> Entry | None:
        if isinstance(emitted.emission, Start):
            start = JobStart(emitted.service, emitted.emission.job, emitted.thing, to_us(emitted.time))
            return Entry(RecordKind.START, _encode(start), 1, emitted.service, record.number, record.at_us)
        if (event := case_event(emitted)) is not None:
            return Entry(RecordKind.CASE, _encode(event), 1, emitted.service, record.number, record.at_us)
        if (notice := notice_event(emitted)) is not None:
            return Entry(RecordKind.NOTICE, _encode(notice), 1, emitted.service, record.number, record.at_us)
        if (task := task_event(emitted)) is not None:
            if isinstance(emitted.emission, Command):
                capability = self._capability(emitted.service, emitted.thing, emitted.emission.capability, made)
                task = msgspec.structs.replace(task, capability_id=capability)
            return Entry(RecordKind.TASK, _encode(task), 1, emitted.service, record.number, record.at_us)
        return None

    def _batch(self, service: str, said: list[Emitted], record: Record, made: list[Entity]) -> Entry:
        streams, times, values = [], [], []
        extras: dict[int, ObservationExtra] = {}
        for row, emitted in enumerate(said):
            result = emitted.emission
            assert isinstance(result, Result)
            streams.append(self._stream(service, emitted.thing, result.property, result.part, made))
            times.append(to_us(result.time or emitted.time))
            values.append(result.value)
            if result.time is not None or result.parameters:
                parameters = dict(result.parameters) if result.parameters else None
                extras[row] = ObservationExtra(result_time_us=record.at_us, parameters=parameters)
        batch = ObservationBatch(
            np.array(streams, np.int32), np.array(times, np.int64), np.array(values, np.float64), extras
        )
        return Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(said), service, record.number, record.at_us)

    def _stream(self, service: str, thing: int, observed: ObservedProperty, part: str, made: list[Entity]) -> int:
        key = (service, thing, observed.key, part)
        known = self._streams.get(key)
        if known is not None:
            return known
        name = found.name if (found := self._graph.things.get(thing)) else f"Thing {thing}"
        stream = Datastream(
            id=self._new_id(EntityType.DATASTREAM),
            name=f"{observed.key} {part}, {name}" if part else f"{observed.key}, {name}",
            unit_of_measurement=Unit(symbol=observed.unit, definition=f"ucum:{observed.unit}"),
            thing_id=thing,
            sensor_id=self._sensor(service, made),
            observed_property_id=self._property(observed, made),
            properties={"service": service, "part": part} if part else {"service": service},
        )
        made.append(stream)
        self._streams[key] = stream.id
        return stream.id

    def _capability(self, service: str, thing: int, observed: ObservedProperty, made: list[Entity]) -> int:
        """What a service can tell a Thing to do is a TaskingCapability, made the first time it does."""
        key = (service, thing, observed.key)
        known = self._capabilities.get(key)
        if known is not None:
            return known
        capability = TaskingCapability(
            id=self._new_id(EntityType.TASKING_CAPABILITY),
            name=observed.key,
            description=f"Brings {observed.key} to a value in {observed.unit}",
            tasking_parameters=_command_schema(observed),
            thing_id=thing,
            actuator_id=self._actuator(service, made),
            properties={"service": service, "unit": observed.unit},
        )
        made.append(capability)
        self._capabilities[key] = capability.id
        return capability.id

    def _actuator(self, service: str, made: list[Entity]) -> int:
        if service not in self._actuators:
            actuator = Actuator(
                id=self._new_id(EntityType.ACTUATOR),
                name=f"devices of service {service}",
                properties={"service": service},
            )
            made.append(actuator)
            self._actuators[service] = actuator.id
        return self._actuators[service]

    def _sensor(self, service: str, made: list[Entity]) -> int:
        if service not in self._sensors:
            sensor = Sensor(
                id=self._new_id(EntityType.SENSOR), name=f"service {service}", properties={"service": service}
            )
            made.append(sensor)
            self._sensors[service] = sensor.id
        return self._sensors[service]

    def _property(self, observed: ObservedProperty, made: list[Entity]) -> int:
        if observed.key not in self._properties:
            entity = property_entity(self._new_id(EntityType.OBSERVED_PROPERTY), observed)
            made.append(entity)
            self._properties[observed.key] = entity.id
        return self._properties[observed.key]


def property_entity(number: int, observed: ObservedProperty) -> Property:
    """The SensorThings ObservedProperty of a property, with its unit and range."""
    limits = {"low": observed.low, "high": observed.high}
    finite = {name: value for name, value in limits.items() if abs(value) != float("inf")}
    return Property(
        id=number, name=observed.key, definition=observed.definition, properties={"unit": observed.unit, **finite}
    )


def _command_schema(observed: ObservedProperty) -> dict[str, Any]:
    """The JSON Schema of what a Command asks for."""
    limits = {"minimum": observed.low, "maximum": observed.high}
    value = {"type": "number", **{name: limit for name, limit in limits.items() if abs(limit) != float("inf")}}
    until = {"type": "string", "format": "date-time"}
    return {"type": "object", "properties": {"value": value, "until": until}, "required": ["value"]}
