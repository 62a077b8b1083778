"""What an Observation is about when it names no FeatureOfInterest: its Thing's Location (18-088, clause 8.2.8).

The standard has the service make a FeatureOfInterest of that Location. Here one is made when a Thing gets its first
Observation at a Location, and holds for all further ones of the Thing which name none; so a row needs no link of its own.
"""

from bisect import bisect_right

from dongne.model.entities import FeatureOfInterest, Location, Thing
from dongne.model.errors import BadInput
from dongne.model.graph import ThingGraph


def find_feature_of(graph: ThingGraph, stream_id: int, number: int) -> int | None:
    """The FeatureOfInterest of the Observation `number` of a (Multi)Datastream, which names none itself."""
    stream = graph.find_stream(stream_id)
    features = graph.list_features_of(stream.thing_id) if stream else []
    if not features:
        return None
    at = bisect_right(features, number, key=lambda feature: feature.since)
    return features[max(at - 1, 0)].id


def needs_feature(graph: ThingGraph, thing_id: int) -> bool:
    """Whether the Thing is at a Location for which no FeatureOfInterest was made yet."""
    thing = graph.things.get(thing_id)
    if thing is None or not any(place in graph.locations for place in thing.location_ids):
        return False
    features = graph.list_features_of(thing_id)
    return not features or features[-1].location_id not in thing.location_ids


def has_feature(graph: ThingGraph, thing_id: int) -> bool:
    """Whether Observations of this Thing that name no feature have one, or can get one."""
    return bool(graph.list_features_of(thing_id)) or needs_feature(graph, thing_id)


def no_feature(thing_id: int) -> BadInput:
    """What to say to an Observation that names no feature where none can be made."""
    return BadInput(
        f"the Observation names no FeatureOfInterest, and none can be made of Thing {thing_id}, which has no Location; "
        'add "FeatureOfInterest", or give the Thing a Location',
        reason="no_feature",
    )


def make_feature(thing: Thing, place: Location, feature_id: int, since: int) -> FeatureOfInterest:
    """The FeatureOfInterest of a place where the Thing is, for its Observations from the number `since` on."""
    access = thing.properties.get("access")
    return FeatureOfInterest(
        id=feature_id,
        name=place.name,
        description=place.description,
        encoding_type=place.encoding_type,
        feature=place.location,
        properties={} if access is None else {"access": access},
        thing_id=thing.id,
        location_id=place.id,
        since=since,
    )
