"""What operators say now, by call, and what was learned of how late routes are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from dongne.methods.delays import DelayBook
from dongne.model.graph import ThingGraph
from dongne.model.properties import CALL_CANCELLED, DEPARTURE_DELAY, DISRUPTION
from dongne.model.records import ObservationBatch
from dongne.standards.gtfs.feed import Feed

FRESH_S = 300  # an older word of an operator is not told as the present
SETTLED_S = 3_600  # after its departure a call is forgotten
SETTLE_EVERY_S = 60


@dataclass
class LiveCall:
    """The newest word of an operator on a call."""

    delay_s: float = 0.0
    cancelled: bool = False
    said_us: int = 0
    scheduled_us: int = 0
    learned: bool = False


class LiveStops:
    """The view: `calls` by (trip, day, stop_sequence), `disruptions` by stop and alert, delays learned by route and hour."""

    def __init__(self, feed: Feed, starts: Callable[[int], int]) -> None:
        self.feed = feed
        self.graph = ThingGraph()
        self.book = DelayBook()
        self.calls: dict[tuple[int, int, int], LiveCall] = {}
        self.disruptions: dict[str, dict[str, dict[str, str]]] = {}
        self.newest_us: int | None = None
        self._starts = starts  # of a day: minutes since 1970
        self._trips = {trip.id: number for number, trip in enumerate(feed.trips)}
        self._settled_us = 0

    def find_trip(self, trip_id: str) -> int | None:
        """The index of a trip."""
        return self._trips.get(trip_id)

    def take(self, batch: ObservationBatch) -> None:
        """Delays and cancellations of calls, and disruptions of stops; what names no call is passed over."""
        for row, parameters in sorted(
            (row, extra.parameters) for row, extra in batch.extras.items() if extra.parameters
        ):
            stream = self.graph.datastreams.get(int(batch.datastream[row]))
            if stream is None:
                continue
            key, result, said_us = self.graph.property_key(stream), float(batch.result[row]), int(batch.time_us[row])
            if result != result:  # noqa: PLR0124  NaN
                continue
            if key == DISRUPTION.key:
                self._disrupt(stream.thing_id, parameters, bool(result))
            elif key in (DEPARTURE_DELAY.key, CALL_CANCELLED.key):
                self._hear(key, parameters, result, said_us)
            self.newest_us = max(self.newest_us or 0, said_us)
        self._settle()

    def _hear(self, key: str, parameters: dict[str, Any], result: float, said_us: int) -> None:
        found = self._find_call(parameters)
        if found is None:
            return
        call = self.calls.setdefault(found, LiveCall(scheduled_us=self._scheduled_us(found)))
        if said_us < call.said_us:
            return
        call.said_us = said_us
        if key == DEPARTURE_DELAY.key:
            call.delay_s = result
        else:
            call.cancelled = bool(result)

    def _find_call(self, parameters: dict[str, Any]) -> tuple[int, int, int] | None:
        trip = self._trips.get(str(parameters.get("trip_id")))
        try:
            text = str(parameters.get("start_date"))
            day = date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal()
            sequence = int(parameters.get("stop_sequence", -1))
        except (TypeError, ValueError):
            return None
        return None if trip is None or self._find_row(trip, sequence) is None else (trip, day, sequence)

    def _find_row(self, trip: int, sequence: int) -> int | None:
        one = self.feed.trips[trip]
        for row in range(one.first, one.last):
            if self.feed.stop_times.sequence[row] == sequence:
                return row
        return None

    def _scheduled_us(self, call: tuple[int, int, int]) -> int:
        trip, day, sequence = call
        row = self._find_row(trip, sequence)
        seconds = int(self.feed.stop_times.departure_s[row]) if row is not None else 0
        return (self._starts(day) * 60 + max(seconds, 0)) * 1_000_000

    def _disrupt(self, thing: int, parameters: dict[str, Any], on: bool) -> None:
        stop_id = str(self.graph.things[thing].properties.get("stop_id", "")) if thing in self.graph.things else ""
        alert, texts = str(parameters.get("alert_id", "")), parameters.get("texts")
        held = self.disruptions.setdefault(stop_id, {})
        if on and isinstance(texts, dict):
            held[alert] = {str(language): str(text) for language, text in texts.items()}
        else:
            held.pop(alert, None)

    def _settle(self) -> None:
        """Calls that are over are learned from once, as they were said last, and forgotten an hour later."""
        now_us = self.newest_us or 0
        if now_us - self._settled_us < SETTLE_EVERY_S * 1_000_000:
            return
        self._settled_us = now_us
        for key, call in list(self.calls.items()):
            left_us = call.scheduled_us + int(call.delay_s * 1e6)
            if left_us > now_us:
                continue
            if not call.learned:
                call.learned = True
                if not call.cancelled:
                    self.book.add(self.feed.trips[key[0]].route, self.hour_of(call.scheduled_us), call.delay_s)
            if now_us - left_us > SETTLED_S * 1_000_000:
                del self.calls[key]

    def hour_of(self, at_us: int) -> int:
        """The hour in the timetable's zone."""
        return datetime.fromtimestamp(at_us / 1e6, self.feed.zone).hour

    def find_live(self, call: tuple[int, int, int], now_us: int) -> LiveCall | None:
        """What was said of a call, where that is not old."""
        found = self.calls.get(call)
        return found if found is not None and now_us - found.said_us <= FRESH_S * 1_000_000 else None

    def list_disruptions(self, stop_ids: Iterator[str]) -> tuple[dict[str, str], ...]:
        """The texts at these stops, each alert once."""
        found = {alert: texts for stop_id in stop_ids for alert, texts in self.disruptions.get(stop_id, {}).items()}
        return tuple(texts for _, texts in sorted(found.items()))
