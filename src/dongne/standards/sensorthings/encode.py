"""Entities as SensorThings 1.1 JSON, with all control information (18-088, clause 8.1)."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dongne.model.errors import NotFound
from dongne.standards.sensorthings.query import Expand, Page, Query, Row
from dongne.standards.sensorthings.schema import SETS, TASKING, EntitySet
from dongne.standards.sensorthings.tasking import CONFORMANCE as TASKING_CONFORMANCE

_encoder = msgspec.json.Encoder()
_LINKS = {
    name: [
        (f"{way}@iot.navigationLink", f"/{way}")
        for way in entity_set.navigations
        if way not in entity_set.optional_links
    ]
    for name, entity_set in SETS.items()
}
NextLink = Callable[[str, int, Expand, int], str]  # (set, id, what was asked, rows here) -> address of the next page


def self_link(root: str, set_name: str, entity_id: int) -> str:
    """The address of an entity; `root` is that of the service, without a slash at the end."""
    return f"{root}/{set_name}({entity_id})"


def entity_document(
    row: Row, entity_set: EntitySet, query: Query, root: str, next_link: NextLink, *, is_inner: bool = False
) -> dict[str, Any]:
    """One entity; after `$select` only what was selected, and what was expanded. `is_inner`: it stands in an expansion,
    where an entity has its selfLink and no navigationLinks (as in the example of 9.3.2.1)."""
    select = query.select
    link = f"{root}/{entity_set.name}({row.id})"
    document: dict[str, Any]
    if not select:
        document = {"@iot.id": row.id, "@iot.selfLink": link}
        if not is_inner:
            _add_links(document, row, entity_set, link)
        document.update(row.values)
        _leave_out_properties(document, entity_set)
    else:
        document = {}
        for name in select:
            if name == "id":
                document["@iot.id"] = row.id
            elif name == "selfLink":
                document["@iot.selfLink"] = link
            elif name in entity_set.navigations:
                document[f"{name}@iot.navigationLink"] = f"{link}/{name}"
            elif "/" in name:
                _add_inner(document, row, name.split("/"))
            else:
                document[name] = row.values.get(name)
    for expand in query.expand:
        _add_expanded(document, row, entity_set, expand, root, next_link)
    return document


def get_inside(value: Any, way: Sequence[str]) -> Any:
    """What lies inside the value of a property; `way` begins with the property's name. Raises NotFound."""
    for step in way[1:]:
        value = msgspec.to_builtins(value)
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            raise NotFound(f"{'/'.join(way)}: there is nothing at {step[:40]!r}")
    return value


def _leave_out_properties(document: dict[str, Any], entity_set: EntitySet) -> None:
    """Without properties of its own an entity shows none: they are zero-to-one (18-088, clause 8.2)."""
    if document.get("properties", True) is None:
        if entity_set.name in TASKING:  # frost_sta_client can't read an Actuator without
            document["properties"] = {}
        else:
            del document["properties"]


def _add_links(document: dict[str, Any], row: Row, entity_set: EntitySet, link: str) -> None:
    for member, ending in _LINKS[entity_set.name]:
        document[member] = link + ending
    for way in row.shows:
        document[f"{way}@iot.navigationLink"] = f"{link}/{way}"
        if way == "MultiDatastream":  # an Observation has one of the two
            del document["Datastream@iot.navigationLink"]


def _add_inner(document: dict[str, Any], row: Row, way: list[str]) -> None:
    """What lies inside a property, in objects like those around it; the whole property, where that was selected too, stays."""
    value = msgspec.to_builtins(row.values.get(way[0]))
    if way[0] in document and document[way[0]] == value:
        return
    for step in way[1:]:
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    here = document
    for step in way[:-1]:
        inner = here.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        here = inner
    here[way[-1]] = value


def _add_expanded(
    document: dict[str, Any], row: Row, entity_set: EntitySet, expand: Expand, root: str, next_link: NextLink
) -> None:
    name = expand.navigation
    target = SETS[entity_set.navigations[name].target]
    found = row.expanded.get(name)
    if isinstance(found, Page):
        document[name] = [
            entity_document(inner, target, expand.query, root, next_link, is_inner=True) for inner in found.rows
        ]
        if found.count is not None:
            document[f"{name}@iot.count"] = found.count
        if found.more:
            document[f"{name}@iot.nextLink"] = next_link(entity_set.name, row.id, expand, len(found.rows))
    else:
        document[name] = (
            None if found is None else entity_document(found, target, expand.query, root, next_link, is_inner=True)
        )


def page_document(page: Page, query: Query, root: str, next_page: str | None, next_link: NextLink) -> dict[str, Any]:
    """A set: count first where asked for, the entities, and the address of the next page where there is one."""
    document: dict[str, Any] = {}
    if page.count is not None:
        document["@iot.count"] = page.count
    entity_set = SETS[page.set_name]
    document["value"] = [entity_document(row, entity_set, query, root, next_link) for row in page.rows]
    if page.more and next_page:
        document["@iot.nextLink"] = next_page
    return document


def references_document(page: Page, root: str, next_page: str | None) -> dict[str, Any]:
    """A set as `$ref`: the addresses alone."""
    document: dict[str, Any] = {"value": [{"@iot.selfLink": self_link(root, page.set_name, r.id)} for r in page.rows]}
    if page.more and next_page:
        document["@iot.nextLink"] = next_page
    return document


REQUIREMENT = "http://www.opengis.net/spec/"
CONFORMANCE_ROOT = "http://www.opengis.net/spec/iot_sensing/1.1/req/"


def root_document(
    root: str, conformance: tuple[str, ...], settings: dict[str, Any], *, lists_tasking: bool = False
) -> dict[str, Any]:
    """The service's root: the sets, those of Tasking where it lists them, and what it conforms to, `settings` by the
    names of further requirements among them (18-088, clause 9.2.1)."""
    names = [name for name in sorted(SETS) if lists_tasking or name not in TASKING]
    met = [CONFORMANCE_ROOT + name for name in conformance] + list(TASKING_CONFORMANCE if lists_tasking else ())
    met += [name for name in settings if name.startswith(REQUIREMENT)]
    return {
        "value": [{"name": name, "url": f"{root}/{name}"} for name in names],
        "serverSettings": {"conformance": met, **settings},
    }


def encode(document: Any) -> bytes:
    """JSON."""
    return _encoder.encode(document)
