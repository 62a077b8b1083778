"""What the latest Observation of a Datastream has beyond time and number, without a look into history; and how far
history must have come for a question about entities alone."""

from collections.abc import Sequence

import msgspec

from dongne.model.errors import NotFound
from dongne.model.records import Correction, ObservationExtra, Record, RecordKind, decode_batch
from dongne.runtime.ports import Store

MOST_REMEMBERED = 200_000
_correction = msgspec.msgpack.Decoder(Correction)


class LatestDetails:
    """Listens to the sequence: an Observation later than the start is plain unless it was seen with an extra. Earlier
    ones are read by number once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._extras: dict[int, ObservationExtra | None] = {}  # by number
        self.stop = store.subscribe(self._listen)
        self._since = self.last_entities = store.head()

    def _listen(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind is RecordKind.ENTITIES:
                self.last_entities = record.last  # the last change of an entity, or a later number
            elif record.kind is RecordKind.CORRECTION:
                correction = _correction.decode(record.body)
                self._remember(correction.number, correction.extra)
            elif record.kind is RecordKind.OBSERVATIONS and len(record.body) > 1 + 20 * record.count:
                for row, extra in decode_batch(record.body, record.count).extras.items():
                    self._remember(record.number + row, extra)

    def _remember(self, number: int, extra: ObservationExtra | None) -> None:
        if len(self._extras) >= MOST_REMEMBERED:
            self._since = self._store.head()  # start anew; what is older is read by number
            self._extras = {}
        self._extras[number] = extra

    def extra_of(self, number: int) -> ObservationExtra | None:
        """The extra of an Observation that has this number; None where it is plain."""
        if number in self._extras:
            return self._extras[number]
        if number > self._since:
            return None
        try:
            record, row = self._store.get_observation(number)
        except NotFound:
            return None
        extra = decode_batch(record.body, record.count).extras.get(row)
        self._remember(number, extra)
        return extra
