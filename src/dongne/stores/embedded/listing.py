"""Which entities are in a set, in the order of their ids, from the graph alone: what has no condition and no other order
needs no look into history."""

from collections.abc import Sequence

from dongne.model.access import Hidden
from dongne.model.graph import ThingGraph
from dongne.standards.sensorthings.query import Order, Path, Query
from dongne.standards.sensorthings.schema import EntitySet

_ID = Path((), "id")
_IN_ORDER = {(): False, (Order(_ID),): False, (Order(_ID, descending=True),): True}


def list_set(graph: ThingGraph, hidden: Hidden, target: EntitySet, query: Query) -> list[int] | None:
    """The ids of a whole set; None where the graph can't say."""
    if not _is_plain(target, query) or target.entity_type is None:
        return None
    return _seen(sorted(graph.entities(target.entity_type)), hidden, target, query)


def list_under(
    graph: ThingGraph, hidden: Hidden, way: tuple[str, str], target: EntitySet, query: Query, parents: Sequence[int]
) -> dict[int, list[int]] | None:
    """The ids of what hangs on each of some parents along (set, navigation); None where the graph can't say."""
    if not _is_plain(target, query):
        return None
    match way:
        case "Things", "Datastreams":
            found = {thing: [stream.id for stream in graph.list_datastreams(thing)] for thing in parents}
        case "Things", "Locations":
            things = {thing: graph.things.get(thing) for thing in parents}
            found = {
                thing: []
                if there is None
                else sorted(place for place in there.location_ids if place in graph.locations)
                for thing, there in things.items()
            }
        case _:
            return None
    return {parent: _seen(ids, hidden, target, query) for parent, ids in found.items()}


def _is_plain(target: EntitySet, query: Query) -> bool:
    is_whole = query.filter is None and query.up_to is None and query.after is None
    return target.entity_type is not None and is_whole and query.orderby in _IN_ORDER


def _seen(ids: list[int], hidden: Hidden, target: EntitySet, query: Query) -> list[int]:
    gone = hidden.of(target.entity_type) if target.entity_type else frozenset()
    there = [one for one in ids if one not in gone] if gone else ids
    return there[::-1] if _IN_ORDER[query.orderby] else there
