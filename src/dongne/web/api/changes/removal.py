"""Entities deleted, with what can't be without them (18-088, clause 10.4, table 25)."""

import msgspec

from dongne.model.entities import EntityType
from dongne.model.errors import NotFound
from dongne.model.records import Removal
from dongne.standards.sensorthings.schema import OBSERVATIONS, EntitySet
from dongne.web.api.changes.work import Work, get_entity

T = EntityType
# What goes with an entity: the type of those whose attribute has its id.
HANGS_ON: dict[EntityType, tuple[tuple[EntityType, str], ...]] = {
    T.THING: (
        (T.DATASTREAM, "thing_id"),
        (T.MULTI_DATASTREAM, "thing_id"),
        (T.HISTORICAL_LOCATION, "thing_id"),
        (T.TASKING_CAPABILITY, "thing_id"),
        (T.RELATION, "from_id"),
        (T.RELATION, "to_id"),
    ),
    T.SENSOR: ((T.DATASTREAM, "sensor_id"), (T.MULTI_DATASTREAM, "sensor_id")),
    T.OBSERVED_PROPERTY: ((T.DATASTREAM, "observed_property_id"), (T.MULTI_DATASTREAM, "observed_property_ids")),
    T.ACTUATOR: ((T.TASKING_CAPABILITY, "actuator_id"),),
}


def remove(work: Work, entity_set: EntitySet, entity_id: int) -> None:
    """The entity goes, and what hangs on it. Raises NotFound."""
    if entity_set is OBSERVATIONS:
        work.must_correct(entity_id)
        work.remove(Removal((entity_id,), why=work.who.name))
        return
    if entity_set.entity_type is None:
        raise NotFound(f"{entity_set.one} is kept; it can be cancelled by its state")
    work.must_change(get_entity(work, entity_set.entity_type, entity_id))
    _remove(work, entity_set.entity_type, entity_id)


def _remove(work: Work, kind: EntityType, entity_id: int) -> None:
    if work.find(kind, entity_id) is None:
        return
    work.drop(kind, entity_id)
    for other, attribute in HANGS_ON.get(kind, ()):
        for found in work.list_where(other, attribute, entity_id):
            _remove(work, other, found.id)
    match kind:
        case T.DATASTREAM | T.MULTI_DATASTREAM:
            work.remove(Removal(datastream=entity_id, why=work.who.name))
        case T.FEATURE_OF_INTEREST:
            if numbers := work.list_about(entity_id):
                work.remove(Removal(tuple(numbers), why=work.who.name))
        case T.LOCATION:
            _leave(work, entity_id)


def _leave(work: Work, location_id: int) -> None:
    """Things are no more at a Location that goes, and the HistoricalLocations that name it go."""
    for thing in work.list_where(T.THING, "location_ids", location_id):
        rest = tuple(place for place in thing.location_ids if place != location_id)
        work.keep(msgspec.structs.replace(thing, location_ids=rest))
    for past in work.list_where(T.HISTORICAL_LOCATION, "location_ids", location_id):
        work.drop(T.HISTORICAL_LOCATION, past.id)
