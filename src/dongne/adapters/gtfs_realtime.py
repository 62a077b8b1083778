"""Feeds of GTFS Realtime as Observations at the stops of a running city: what is new or not fresh any more is said."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from dongne.model.properties import CALL_CANCELLED, DEPARTURE_DELAY, DISRUPTION
from dongne.model.times import format_instant
from dongne.standards.gtfs.feed import Feed
from dongne.standards.gtfs_realtime.calls import list_alerts_by_stop, list_call_words
from dongne.standards.gtfs_realtime.decode import Known
from dongne.standards.gtfs_realtime.follow import Follower

AGAIN_S = 120  # what goes on is said again after this, so that it isn't old


class Said(NamedTuple):
    """An Observation to be: at the Datastream of a stop and property."""

    stop_id: str
    property: str
    result: float
    parameters: dict[str, Any]


@dataclass
class Telling:
    """Takes feeds one after the other and says what is to be told of each. `follower` counts what was refused."""

    feed: Feed
    follower: Follower = field(init=False)
    _said: dict[tuple[str, ...], tuple[Said, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stops = frozenset(stop.id for stop in self.feed.stops)
        self.follower = Follower(Known(frozenset(trip.id for trip in self.feed.trips), stops))

    def take(self, body: bytes) -> list[Said]:
        """What to say after this feed. Raises Conflict for one older than the last, BadInput for one that can't be read."""
        realtime = self.follower.take(body)
        now = realtime.time
        wanted: dict[tuple[str, ...], Said] = {}
        for word in list_call_words(self.feed, realtime):
            key = (word.trip_id, word.start_date, str(word.stop_sequence))
            parameters = {"trip_id": word.trip_id, "start_date": word.start_date, "stop_sequence": word.stop_sequence}
            if word.delay_s is not None:
                wanted[*key, "delay"] = Said(word.stop_id, DEPARTURE_DELAY.key, float(word.delay_s), parameters)
            if word.cancelled:
                wanted[*key, "cancelled"] = Said(word.stop_id, CALL_CANCELLED.key, 1.0, parameters)
        for (stop_id, alert_id), texts in list_alerts_by_stop(self.feed, realtime).items():
            wanted["alert", stop_id, alert_id] = Said(
                stop_id, DISRUPTION.key, 1.0, {"alert_id": alert_id, "texts": texts}
            )
        told = [one for key, one in wanted.items() if self._is_new(key, one, now)]
        over = [key for key in self._said if key not in wanted]
        told += [
            one._replace(result=0.0) for key in over if (one := self._said.pop(key)[0]).property != DEPARTURE_DELAY.key
        ]
        self._said |= {key: (one, now) for key, one in wanted.items() if self._is_new(key, one, now)}
        return told

    def _is_new(self, key: tuple[str, ...], one: Said, now: datetime) -> bool:
        before = self._said.get(key)
        return before is None or before[0] != one or (now - before[1]).total_seconds() >= AGAIN_S


def as_data_arrays(said: Iterable[Said], streams: dict[tuple[str, str], int], time: datetime) -> list[dict[str, Any]]:
    """The body of a CreateObservations; `streams` are Datastreams by stop and property."""
    rows: dict[int, list[list[Any]]] = {}
    for one in said:
        stream = streams.get((one.stop_id, one.property))
        if stream is not None:
            rows.setdefault(stream, []).append([format_instant(time), one.result, one.parameters])
    return [
        {
            "Datastream": {"@iot.id": stream},
            "components": ["phenomenonTime", "result", "parameters"],
            "dataArray@iot.count": len(held),
            "dataArray": held,
        }
        for stream, held in rows.items()
    ]
