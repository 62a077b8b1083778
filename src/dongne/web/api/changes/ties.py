"""How the links of entities lie in the model: in which attribute, on which side."""

from typing import Any

import msgspec

from dongne.model.entities import ENTITY_CLASSES, Entity, EntityType, Unit
from dongne.model.errors import BadInput
from dongne.standards.sensorthings.schema import SETS, EntitySet, Kind

# The entity has the id of the one it leads to.
TO_ONE: dict[tuple[str, str], str] = {
    ("HistoricalLocations", "Thing"): "thing_id",
    ("Datastreams", "Thing"): "thing_id",
    ("Datastreams", "Sensor"): "sensor_id",
    ("Datastreams", "ObservedProperty"): "observed_property_id",
    ("MultiDatastreams", "Thing"): "thing_id",
    ("MultiDatastreams", "Sensor"): "sensor_id",
    ("TaskingCapabilities", "Thing"): "thing_id",
    ("TaskingCapabilities", "Actuator"): "actuator_id",
}
# The entity has the ids of those it leads to.
TO_MANY: dict[tuple[str, str], str] = {
    ("Things", "Locations"): "location_ids",
    ("HistoricalLocations", "Locations"): "location_ids",
    ("MultiDatastreams", "ObservedProperties"): "observed_property_ids",
}


def way_back(source: EntitySet, navigation: str) -> tuple[EntitySet, str]:
    """The set a navigation leads to, and that one's navigation which leads back. Raises BadInput where none does."""
    found = find_way_back(source, navigation)
    if found is None:
        raise BadInput(f"{navigation} of {source.one} can't be changed from there", reason="path")
    return found


def find_way_back(source: EntitySet, navigation: str) -> tuple[EntitySet, str] | None:
    """The same; None where none leads back."""
    target = SETS[source.navigations[navigation].target]
    for name, way in target.navigations.items():
        if way.target == source.name:
            return target, name
    return None


def attributes_of(entity_set: EntitySet, values: dict[str, Any], place: str) -> dict[str, Any]:
    """The model's attributes of values by wire name; those which are None are left out. Raises BadInput."""
    assert entity_set.entity_type is not None
    found = {}
    for name, info in entity_set.properties.items():
        value = values.get(name)
        if value is None or info.kind is Kind.COMPUTED:
            continue
        try:
            if name == "unitOfMeasurement":
                value = msgspec.convert(value, Unit)
            elif name == "unitOfMeasurements":
                value = msgspec.convert(value, tuple[Unit, ...])
            elif name == "multiObservationDataTypes":
                value = msgspec.convert(value, tuple[str, ...])
        except msgspec.ValidationError as error:
            raise BadInput(f"{place}.{name}: {error}", reason="json") from None
        found[info.attribute] = value
    return found


def defaults_of(entity_set: EntitySet) -> dict[str, Any]:
    """The attributes that need not be said, as they are where nobody says them."""
    assert entity_set.entity_type is not None
    attributes = {info.attribute for info in entity_set.properties.values()}
    return {
        field.name: field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(ENTITY_CLASSES[entity_set.entity_type])
        if field.name in attributes and not field.required
    }


def set_of_type(kind: EntityType) -> EntitySet:
    """The set whose entities are of this type."""
    return next(found for found in SETS.values() if found.entity_type is kind)


def wire_values(entity_set: EntitySet, entity: Entity) -> dict[str, Any]:
    """An entity's own properties by wire name, as JSON has them."""
    found: dict[str, Any] = msgspec.to_builtins(
        {
            name: getattr(entity, info.attribute)
            for name, info in entity_set.properties.items()
            if info.kind is not Kind.COMPUTED
        }
    )
    return found
