"""Stops of a feed as people name them."""

from difflib import get_close_matches

from dongne.model.errors import NotFound
from dongne.standards.gtfs.feed import Feed

STATION = 1
SHOWN = 8


class StopNames:
    """The stops of a feed by stop_id and by name."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.ids = {stop.id: number for number, stop in enumerate(feed.stops)}
        self._named: dict[str, list[int]] = {}
        for number, stop in enumerate(feed.stops):
            self._named.setdefault(stop.name.casefold(), []).append(number)
        self._platforms: dict[int, list[int]] = {}
        for number, stop in enumerate(feed.stops):
            if stop.parent >= 0 and stop.location_type == 0:
                self._platforms.setdefault(stop.parent, []).append(number)

    def get(self, asked: str) -> int:
        """The stop or station of this stop_id, else of this name where one alone has it (or one station). Raises NotFound with
        the stop_ids of those that have it, else with names much like it."""
        if (number := self.ids.get(asked.strip())) is not None:
            return number
        wanted = asked.strip().casefold()
        named = self._named.get(wanted, [])
        if stations := [number for number in named if self.feed.stops[number].location_type == STATION]:
            named = stations
        if len(named) == 1:
            return named[0]
        if named:
            ids = ", ".join(self.feed.stops[number].id for number in named[:SHOWN])
            raise NotFound(f"{len(named)} stops are called {asked[:40]!r}; ask by stop_id: {ids}")
        near = [self.feed.stops[self._named[name][0]].name for name in get_close_matches(wanted, self._named, 3, 0.6)]
        meant = f"did you mean {', '.join(near)}?" if near else "ask by its stop_id"
        raise NotFound(f"there is no stop {asked[:40]!r}; {meant}")

    def list_platforms(self, stop: int) -> list[int]:
        """Where vehicles stop: the stop itself, or the platforms of the station."""
        return self._platforms.get(stop) or [stop]
