"""New entities: deep insert of a whole tree, or links to what is there (18-088, clause 10.2)."""

from typing import Any

import msgspec

from dongne.model.entities import (
    ENTITY_CLASSES,
    OM_COMPLEX,
    Datastream,
    Entity,
    EntityType,
    HistoricalLocation,
    MultiDatastream,
    TaskingCapability,
    Thing,
)
from dongne.model.errors import BadInput
from dongne.model.who import Right
from dongne.runtime.intake import range_for
from dongne.runtime.tasking import check_capability
from dongne.standards.sensorthings.decode import Draft
from dongne.standards.sensorthings.observations import ObservationBody, ObservationRow, row_of
from dongne.standards.sensorthings.schema import (
    DATASTREAMS,
    FEATURES_OF_INTEREST,
    HISTORICAL_LOCATIONS,
    MULTI_DATASTREAMS,
    OBSERVATIONS,
    SETS,
    TASKS,
    EntitySet,
)
from dongne.standards.sensorthings.times import format_us, parse_instant_us
from dongne.web.api.changes.ties import TO_MANY, TO_ONE, attributes_of, way_back
from dongne.web.api.changes.work import Work


def create(work: Work, draft: Draft) -> int:
    """The id of the new entity; an Observation's is its place among the rows. Raises BadInput."""
    work.count_one(draft.place)
    if draft.entity_set is OBSERVATIONS:
        return _observation(work, draft)
    if draft.entity_set is TASKS:
        raise BadInput(f"{draft.place}: send Tasks to /Tasks, one at a time", reason="path")
    return _entity(work, draft)


def _entity(work: Work, draft: Draft) -> int:
    entity_set = draft.entity_set
    kind = entity_set.entity_type
    assert kind is not None
    entity_id = work.store.new_id(kind)
    attributes = attributes_of(entity_set, draft.values, draft.place)
    for navigation in entity_set.navigations:
        target = SETS[entity_set.navigations[navigation].target]
        if column := TO_ONE.get((entity_set.name, navigation)):
            attributes[column] = _one(work, draft, navigation, target)
        elif column := TO_MANY.get((entity_set.name, navigation)):
            attributes[column] = tuple(_all(work, draft, navigation, target))
    entity: Entity = ENTITY_CLASSES[kind](id=entity_id, **attributes)
    if entity_set is HISTORICAL_LOCATIONS:
        entity = _dated(entity)
    check(entity, draft.place)
    work.must_change(entity)
    work.keep(entity)
    _follow(work, draft, entity)
    return entity_id


def check(entity: Entity, place: str) -> None:
    """Raises BadInput where an entity's parts don't fit (18-088, clause 10.2 and multi-datastream/constraints)."""
    if isinstance(entity, TaskingCapability):
        check_capability(entity, place)
    if isinstance(entity, MultiDatastream):
        lengths = {
            "multiObservationDataTypes": len(entity.multi_observation_data_types),
            "unitOfMeasurements": len(entity.unit_of_measurements),
            "ObservedProperties": len(entity.observed_property_ids),
        }
        if len(set(lengths.values())) > 1 or not entity.observed_property_ids:
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise BadInput(f"{place}: a MultiDatastream has as many of each, one or more; found {shown}", reason="json")
        if not entity.observation_type.endswith("/OM_ComplexObservation"):
            raise BadInput(f"{place}.observationType: that of a MultiDatastream is {OM_COMPLEX}", reason="json")


def _dated(entity: Entity) -> Entity:
    assert isinstance(entity, HistoricalLocation)
    return msgspec.structs.replace(entity, time=format_us(parse_instant_us(entity.time)))


def _follow(work: Work, draft: Draft, entity: Entity) -> None:
    """What a new entity brings along: its place in history, and what hangs on it."""
    if isinstance(entity, Thing) and entity.location_ids:
        work.was_at(entity.id, entity.location_ids)
    if isinstance(entity, HistoricalLocation):
        _place_by_hand(work, entity)
    for navigation, links in draft.links.items():
        key = draft.entity_set.name, navigation
        if key in TO_ONE or key in TO_MANY:
            continue
        target, back = way_back(draft.entity_set, navigation)
        for link in links:
            attach(work, draft.entity_set, entity.id, target, back, link, f"{draft.place}.{navigation}")


def _place_by_hand(work: Work, made: HistoricalLocation) -> None:
    """A HistoricalLocation later than all others of its Thing says where the Thing is now (18-088, requirement
    historical-location-manual-creation)."""
    others = [f for f in work.list_where(EntityType.HISTORICAL_LOCATION, "thing_id", made.thing_id) if f.id != made.id]
    if made.location_ids and all(parse_instant_us(other.time) <= parse_instant_us(made.time) for other in others):
        thing = work.get(EntityType.THING, made.thing_id)
        work.keep(msgspec.structs.replace(thing, location_ids=made.location_ids))


def attach(
    work: Work, source: EntitySet, source_id: int, target: EntitySet, back: str, link: int | Draft, place: str
) -> None:
    """Something at the other end of a link: what is there is bound to this entity, what is not is made with it."""
    if isinstance(link, Draft):
        link.links[back] = [source_id]
        work.tried += target is OBSERVATIONS
        create(work, link)
        return
    if target.entity_type is None:
        raise BadInput(f"{place}: {target.name} stay where they were made; send new ones", reason="path")
    found = work.get(target.entity_type, link, place)
    work.must_change(found)
    if column := TO_ONE.get((target.name, back)):
        work.keep(msgspec.structs.replace(found, **{column: source_id}))
    elif isinstance(found, Thing):  # a Location says which Things are there
        work.move(found, (source_id,))
    else:
        column = TO_MANY[target.name, back]
        ids = getattr(found, column)
        after = msgspec.structs.replace(found, **{column: ids if source_id in ids else (*ids, source_id)})
        check(after, place)
        work.keep(after)


def _all(work: Work, draft: Draft, navigation: str, target: EntitySet) -> list[int]:
    """The ids behind a navigation: what is there, and what is made now. Raises BadInput for what is not there."""
    found = []
    for place, link in enumerate(draft.links.get(navigation, ())):
        if isinstance(link, int):
            assert target.entity_type is not None
            work.get(target.entity_type, link, f"{draft.place}.{navigation}[{place}]")
            found.append(link)
        else:
            found.append(create(work, link))
    return found


def _one(work: Work, draft: Draft, navigation: str, target: EntitySet) -> int:
    found = _all(work, draft, navigation, target)
    if not found:
        raise BadInput(
            f'{draft.place}: {draft.entity_set.one} needs a {navigation}; add "{navigation}": '
            f'{{"@iot.id": n}} or a new one',
            reason="missing",
        )
    return found[0]


# --- Observations -------------------------------------------------------------------------------------------------


def _observation(work: Work, draft: Draft) -> int:
    if draft.links.get("MultiDatastream") and draft.links.get("Datastream"):
        raise BadInput(
            f"{draft.place}: an Observation has a Datastream or a MultiDatastream, not both; leave one out",
            reason="json",
        )
    if draft.links.get("MultiDatastream"):
        stream_id = _one(work, draft, "MultiDatastream", MULTI_DATASTREAMS)
    else:
        stream_id = _one(work, draft, "Datastream", DATASTREAMS)
    stream = work.get_stream(stream_id, draft.place)
    work.must(Right.OBSERVE, stream.thing_id)
    body = body_of(draft.values)
    if draft.links.get("FeatureOfInterest"):
        body.feature_of_interest = {"@iot.id": _one(work, draft, "FeatureOfInterest", FEATURES_OF_INTEREST)}
    row = row_of(body, stream_id, work.now_us, draft.place)
    check_row(work, stream, row, draft.place)
    if body.feature_of_interest is None:
        work.feature_for(stream.thing_id, draft.place)
    work.rows.append(row)
    return len(work.rows) - 1


def body_of(values: dict[str, Any]) -> ObservationBody:
    """An Observation's values by wire name as the decoder would have read them. Raises BadInput."""
    said = {name: value for name, value in values.items() if value is not None or name == "result"}
    try:
        return msgspec.convert(said, ObservationBody)
    except msgspec.ValidationError as error:
        raise BadInput(f"the Observation cannot be read: {error}", reason="json") from None


def check_row(work: Work, stream: Datastream | MultiDatastream, row: ObservationRow, place: str) -> None:
    """Raises BadInput where the row is none of the stream's."""
    allowed = range_for(stream, lambda observed: work.find(EntityType.OBSERVED_PROPERTY, observed))
    try:
        work.intake.check_values(row, allowed)
    except BadInput as error:
        raise BadInput(f"{place}: {error.message}", reason=error.reason) from None
