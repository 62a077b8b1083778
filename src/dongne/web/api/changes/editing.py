"""Entities changed: PATCH, PUT and JSON Patch (18-088, clause 10.3; RFC 6902), and links by `$ref` (OData 4.01, 11.4.6)."""

from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from dongne.model.entities import Entity, EntityType, HistoricalLocation, Thing
from dongne.model.errors import BadInput, NotFound
from dongne.model.records import Correction, decode_batch
from dongne.standards.sensorthings.decode import changes_of, check_names, draft_of
from dongne.standards.sensorthings.observations import observation_values, row_of
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet
from dongne.standards.sensorthings.times import format_us, parse_instant_us
from dongne.web.api.changes.creation import attach, body_of, check, check_row
from dongne.web.api.changes.ties import TO_MANY, TO_ONE, attributes_of, defaults_of, way_back, wire_values
from dongne.web.api.changes.work import Work, get_entity

MOST_PATCHED_BYTES = 1 << 20


def change(work: Work, entity_set: EntitySet, entity_id: int, document: Any) -> None:
    """PATCH: the members that are there are so from now on. Raises BadInput, NotFound."""
    if entity_set is OBSERVATIONS:
        correct(work, entity_id, document)
        return
    entity = _get(work, entity_set, entity_id)
    values, links = changes_of(_recognised(work, entity_set, entity, document), entity_set, "$")
    attributes = attributes_of(entity_set, values, "$")
    empty = defaults_of(entity_set)
    for name, value in values.items():
        if value is None:
            attribute = entity_set.properties[name].attribute
            if attribute not in empty or name in entity_set.required:
                raise BadInput(f"$.{name}: {entity_set.one} needs it; give it a value", reason="missing")
            attributes[attribute] = empty[attribute]
    _keep(work, entity_set, entity, attributes, links)


def replace(work: Work, entity_set: EntitySet, entity_id: int, document: Any) -> None:
    """PUT: the entity is what the body says; links it does not name stay. Raises BadInput, NotFound."""
    if entity_set is OBSERVATIONS:
        if not isinstance(document, dict) or "result" not in document:
            raise BadInput("$: an Observation needs 'result'; add it", reason="missing")
        correct(work, entity_id, {**dict.fromkeys(OBSERVATIONS.properties), **document})
        return
    entity = _get(work, entity_set, entity_id)
    _, links = changes_of(_recognised(work, entity_set, entity, document), entity_set, "$")
    inner = {name: value for name, value in document.items() if name not in entity_set.navigations}
    draft = draft_of(inner, entity_set, "$", 1)
    attributes = {**defaults_of(entity_set), **attributes_of(entity_set, draft.values, "$")}
    _keep(work, entity_set, entity, attributes, links)


def patch(work: Work, entity_set: EntitySet, entity_id: int, operations: Any) -> None:
    """JSON Patch over the entity's own properties. Raises BadInput naming the operation that does not fit."""
    if entity_set is OBSERVATIONS:
        before = _observation_values(work, entity_id)
    else:
        before = wire_values(entity_set, _get(work, entity_set, entity_id))
    try:
        after = _patched(before, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, ValueError) as error:
        raise BadInput(f"the JSON Patch does not fit: {str(error)[:300]}; nothing was changed", reason="json") from None
    if not isinstance(after, dict):
        raise BadInput("the JSON Patch leaves no object; change properties inside it", reason="json")
    check_names(after, entity_set, "$")
    gone = dict.fromkeys(name for name in before if name not in after)
    if entity_set is OBSERVATIONS and "result" in gone:
        raise BadInput("$.result: an Observation needs it; it can be null", reason="missing")
    change(work, entity_set, entity_id, {**gone, **after})


def _recognised(work: Work, entity_set: EntitySet, entity: Entity, document: Any) -> Any:
    """The document with the ids of those inside that are linked already and say nothing new: clients send back whole what
    they have made, before they know its ids."""
    if not isinstance(document, dict):
        return document
    found = dict(document)
    for navigation in entity_set.navigations.keys() & document.keys():
        items = document[navigation] if isinstance(document[navigation], list) else [document[navigation]]
        if not any(isinstance(item, dict) and "@iot.id" not in item for item in items):
            continue
        target = SETS[entity_set.navigations[navigation].target]
        known = _linked(work, entity_set, entity, navigation, target)
        found[navigation] = [_known(item, target, known) or item for item in items]
    return found


def _linked(
    work: Work, entity_set: EntitySet, entity: Entity, navigation: str, target: EntitySet
) -> list[tuple[int, dict[str, Any]]]:
    """Those to which a navigation leads now: their ids, and what they say."""
    key = entity_set.name, navigation
    if target.entity_type is None:
        return []
    if key in TO_ONE or key in TO_MANY:
        there = getattr(entity, TO_ONE.get(key) or TO_MANY[key])
        ids = list(there) if key in TO_MANY else [there]
        linked = [one for one in (work.find(target.entity_type, each) for each in ids) if one is not None]
    else:
        _, back = way_back(entity_set, navigation)
        column = TO_ONE.get((target.name, back)) or TO_MANY[target.name, back]
        linked = work.list_where(target.entity_type, column, entity.id)
    return [(one.id, wire_values(target, one)) for one in linked]


def _known(item: Any, target: EntitySet, known: list[tuple[int, dict[str, Any]]]) -> dict[str, int] | None:
    if not isinstance(item, dict) or "@iot.id" in item:
        return None
    said = {name: value for name, value in item.items() if "@" not in name and value not in (None, [], {})}
    for entity_id, values in known:
        if said and all(values.get(name) == value for name, value in said.items()):
            return {"@iot.id": entity_id}
    return None


def _patched(before: dict[str, Any], operations: Any) -> Any:
    """Step by step: a few copies of an object into itself would fill the memory."""
    if not isinstance(operations, list):
        raise BadInput("the JSON Patch is a list of operations", reason="json")
    after: Any = before
    for place, operation in enumerate(operations):
        after = jsonpatch.apply_patch(after, [operation], in_place=place > 0)
        if operation["op"] == "copy" and len(msgspec.json.encode(after)) > MOST_PATCHED_BYTES:
            raise BadInput(
                f"operation {place} makes the entity larger than {MOST_PATCHED_BYTES} bytes; copy less", reason="json"
            )
    return after


def _get(work: Work, entity_set: EntitySet, entity_id: int) -> Entity:
    if entity_set.entity_type is None:
        raise NotFound(f"{entity_set.one} is not changed so")
    found: Entity = get_entity(work, entity_set.entity_type, entity_id)
    return found


def _keep(
    work: Work, entity_set: EntitySet, entity: Entity, attributes: dict[str, Any], links: dict[str, list[int]]
) -> None:
    for navigation, ids in links.items():
        target = SETS[entity_set.navigations[navigation].target]
        for place, link in enumerate(ids):
            if target.entity_type is None:
                raise BadInput(f"$.{navigation}: {target.name} stay where they were made; send new ones", reason="path")
            work.get(target.entity_type, link, f"$.{navigation}[{place}]")
        if column := TO_ONE.get((entity_set.name, navigation)):
            attributes[column] = ids[0]
        elif column := TO_MANY.get((entity_set.name, navigation)):
            attributes[column] = tuple(ids) if column == "observed_property_ids" else tuple(dict.fromkeys(ids))
    after = msgspec.structs.replace(entity, **attributes)
    work.must_change(entity)
    work.must_change(after)
    if isinstance(after, HistoricalLocation):
        after = msgspec.structs.replace(after, time=format_us(parse_instant_us(after.time)))
    check(after, "$")
    work.keep(after)
    if isinstance(after, Thing) and isinstance(entity, Thing) and after.location_ids != entity.location_ids:
        work.was_at(after.id, after.location_ids) if after.location_ids else None
    for navigation, ids in links.items():
        if (entity_set.name, navigation) not in TO_ONE and (entity_set.name, navigation) not in TO_MANY:
            target, back = way_back(entity_set, navigation)
            for link in ids:
                attach(work, entity_set, entity.id, target, back, link, f"$.{navigation}")


# --- Observations -------------------------------------------------------------------------------------------------


def _observation_values(work: Work, number: int) -> dict[str, Any]:
    record, row = work.store.get_observation(number)
    batch = decode_batch(record.body, record.count)
    return observation_values(int(batch.time_us[row]), float(batch.result[row]), batch.extras.get(row))


def correct(work: Work, number: int, document: Any) -> None:
    """An Observation's members are so from now on; its number stays. Raises BadInput, NotFound."""
    work.must_correct(number)
    record, at = work.store.get_observation(number)
    batch = decode_batch(record.body, record.count)
    before = batch.extras.get(at)
    values, links = changes_of(document, OBSERVATIONS, "$")
    merged = {**observation_values(int(batch.time_us[at]), float(batch.result[at]), before), **values}
    stream_id = int(batch.datastream[at])
    for name, kind in (("Datastream", EntityType.DATASTREAM), ("MultiDatastream", EntityType.MULTI_DATASTREAM)):
        if name in links:
            stream_id = work.get(kind, links[name][0], f"$.{name}").id
    body = body_of(merged)
    feature = links.get("FeatureOfInterest", [None if before is None else before.feature_id])[0]
    if feature is not None:
        work.get(EntityType.FEATURE_OF_INTEREST, feature, "$.FeatureOfInterest")
        body.feature_of_interest = {"@iot.id": feature}
    stream = work.get_stream(stream_id)
    work.must_change(stream)
    row = row_of(body, stream_id, work.now_us)
    check_row(work, stream, row, "$")
    work.correct(Correction(number, stream_id, row.time_us, row.result, row.extra, work.who.name))


# --- links --------------------------------------------------------------------------------------------------------


def link(work: Work, source: EntitySet, source_id: int, navigation: str, target_id: int) -> None:
    """`$ref`: the entity there is linked as well, or instead where only one can be."""
    if source is OBSERVATIONS:
        correct(work, source_id, {navigation: {"@iot.id": target_id}})
        return
    entity = _get(work, source, source_id)
    if column := TO_MANY.get((source.name, navigation)):
        ids = getattr(entity, column)
        _keep(work, source, entity, {}, {navigation: [*ids, target_id]})
    else:
        _keep(work, source, entity, {}, {navigation: [target_id]})


def unlink(work: Work, source: EntitySet, source_id: int, navigation: str, target_id: int | None) -> None:
    """`$ref`: the link goes, the entities stay. Raises BadInput where neither can be without it."""
    entity = _get(work, source, source_id)
    column = TO_MANY.get((source.name, navigation))
    if column is None and (source.name, navigation) not in TO_ONE:
        target, back = way_back(source, navigation)
        if (target.name, back) in TO_MANY and target_id is not None:
            unlink(work, target, target_id, back, source_id)
            return
    if column is None or target_id is None:
        raise BadInput(
            f"{source.one} or {navigation} can't be without this link; set another one instead of deleting it",
            reason="path",
        )
    work.must_change(entity)
    ids = getattr(entity, column)
    if target_id not in ids:
        raise NotFound(f"{navigation} of {source.name}({source_id}) do not lead to {target_id}")
    after = msgspec.structs.replace(entity, **{column: tuple(one for one in ids if one != target_id)})
    check(after, "$")
    work.keep(after)
    if isinstance(after, Thing) and after.location_ids:
        work.was_at(after.id, after.location_ids)
