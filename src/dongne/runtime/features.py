"""Makes the FeatureOfInterest of where a Thing is, when its Observations first need one (`model.features`)."""

from collections.abc import Iterable

import msgspec

from dongne.model.entities import EntityType, put
from dongne.model.features import has_feature, make_feature, needs_feature, no_feature
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Store, Transaction


class FeatureMaker:
    """Asked for each Datastream whose Thing may lack one; makes it once."""

    def __init__(self, store: Store) -> None:
        self._store, self._graph = store, store.graph
        self._making: dict[int, tuple[int, ...]] = {}  # Thing -> where it was, for what is not in the graph yet

    def see_to(self, datastream: int, *, must: bool = False) -> None:
        """Has the feature made in the background; its numbers begin before the Observation's. With `must`, raises BadInput
        where the Thing has no Location to make one of."""
        stream = self._graph.find_stream(datastream)
        if stream is None:
            return
        if needs_feature(self._graph, stream.thing_id):
            places = self._graph.things[stream.thing_id].location_ids
            if self._making.get(stream.thing_id) != places:
                self._making[stream.thing_id] = places
                made = self._store.submit(Transaction([self._entry([stream.thing_id])]))
                thing_id = stream.thing_id  # stored, or refused: from then on the graph says whether it is there
                made.add_done_callback(lambda _: self._making.pop(thing_id, None))
        elif must and not has_feature(self._graph, stream.thing_id):
            raise no_feature(stream.thing_id)

    def see_to_all(self) -> None:
        """Has those made that are missing for any Thing with Datastreams; returns when they are stored."""
        things = sorted(
            {stream.thing_id for stream in list(self._graph.datastreams.values())}
            | {stream.thing_id for stream in list(self._graph.multi_datastreams.values())}
        )
        missing = [thing for thing in things if needs_feature(self._graph, thing)]
        if missing:
            self._store.submit(Transaction([self._entry(missing)])).result()

    def _entry(self, things: Iterable[int]) -> Entry:
        since = self._store.head() + 1
        made = []
        for thing_id in things:
            thing = self._graph.get_thing(thing_id)
            place = next(self._graph.locations[at] for at in thing.location_ids if at in self._graph.locations)
            feature_id = self._store.new_id(EntityType.FEATURE_OF_INTEREST)
            made.append(put(make_feature(thing, place, feature_id, since)))
        return Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(made))
