"""What a request below /api asks for: which Datastreams, from when to when, and in which form."""

from collections.abc import Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import msgspec

from dongne.methods.intervals import start_of_day
from dongne.model.access import Hidden
from dongne.model.city import CityConfig
from dongne.model.entities import Datastream, EntityType
from dongne.model.errors import BadInput, NotFound
from dongne.model.graph import ThingGraph
from dongne.model.rights import rights_of
from dongne.standards.sensorthings.times import parse_instant_us
from dongne.web.readings import origin_of

MOST_STREAMS = 10_000
CHOICE = ("datastream", "thing", "property", "kind", "origin", "licence")
DAY_US = 86_400_000_000
FIRST_YEAR, LAST_YEAR = 1900, 2199


class Asked(msgspec.Struct, frozen=True):
    """What is asked for: the Datastreams that may be seen, by id; the form; all options as they came."""

    streams: list[Datastream]
    form: str
    options: dict[str, str]

    @property
    def ids(self) -> list[int]:
        """Of the Datastreams."""
        return [stream.id for stream in self.streams]


def read_options(pairs: Iterable[tuple[str, str]], own: tuple[str, ...]) -> dict[str, str]:
    """The options; what is empty counts as not given (as a form sends it), a choice given several times as one with
    commas. Raises BadInput for others than these."""
    known = (*CHOICE, "format", *own)
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise BadInput(f"there is no option {name[:40]!r}; options: {', '.join(known)}", reason="query")
        if not value.strip():
            continue
        several = name in (*CHOICE, "values") and name in found
        found[name] = f"{found[name]},{value}" if several else value
    return found


def read_form(options: dict[str, str], forms: tuple[str, ...], usual: str) -> str:
    """The form of the answer. Raises BadInput with those there are."""
    form = options.get("format", usual)
    if form not in forms:
        raise BadInput(f"there is no format {form[:40]!r} here; formats: {', '.join(forms)}", reason="query")
    return form


def choose(graph: ThingGraph, options: dict[str, str], hidden: Hidden, city: CityConfig) -> list[Datastream]:
    """The Datastreams meant, by id. Raises NotFound for an id that is not there or may not be seen, BadInput where
    nothing or too much is meant."""
    if not any(name in options for name in CHOICE):
        raise BadInput(f"say which Datastreams: {', '.join(CHOICE)}", reason="query")
    gone = hidden.of(EntityType.DATASTREAM)
    chosen = _first_choice(graph, options, gone, hidden.of(EntityType.THING))
    if "property" in options:
        keys = _words(options["property"])
        chosen = [stream for stream in chosen if graph.property_key(stream) in keys]
    if "kind" in options:
        kinds = _words(options["kind"])
        chosen = [s for s in chosen if (thing := graph.things.get(s.thing_id)) and thing.kind in kinds]
    if "origin" in options:
        origins = _words(options["origin"])
        chosen = [stream for stream in chosen if origin_of(stream).kind in origins]
    if "licence" in options:
        licences = _words(options["licence"])
        chosen = [stream for stream in chosen if rights_of(stream.properties, city).licence in licences]
    if len(chosen) > MOST_STREAMS:
        raise BadInput(f"{len(chosen)} Datastreams are meant; at most {MOST_STREAMS} at once", reason="query")
    return chosen


def _first_choice(
    graph: ThingGraph, options: dict[str, str], gone: frozenset[int], things_gone: frozenset[int]
) -> list[Datastream]:
    things = _ids(options["thing"], "thing") if "thing" in options else []
    for number in things:
        if number not in graph.things or number in things_gone:
            raise NotFound(f"there is no Thing {number}")
    if "datastream" in options:
        chosen = []
        for number in _ids(options["datastream"], "datastream"):
            stream = graph.datastreams.get(number)
            if stream is None or number in gone:
                raise NotFound(f"there is no Datastream {number}")
            chosen.append(stream)
        return [stream for stream in chosen if not things or stream.thing_id in things]
    if things:
        return sorted(
            (s for number in things for s in graph.list_datastreams(number) if s.id not in gone), key=lambda s: s.id
        )
    return [stream for number, stream in sorted(list(graph.datastreams.items())) if number not in gone]


def _ids(text: str, name: str) -> list[int]:
    """Each once, ascending."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 18):
            raise BadInput(
                f"{name}={part[:40]!r} is not an id; ids are whole numbers, with commas between", reason="query"
            )
    return sorted({int(part) for part in parts})


def _words(text: str) -> set[str]:
    return {part.strip() for part in text.split(",")}


def get_zone(options: dict[str, str], city_zone: str) -> ZoneInfo:
    """The zone asked for, else the city's. Raises BadInput."""
    name = options.get("zone", city_zone)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadInput(
            f"there is no zone {name[:60]!r}; zones are like Europe/Helsinki or UTC", reason="query"
        ) from None


def read_range(options: dict[str, str], zone: ZoneInfo, now_us: int) -> tuple[int, int]:
    """[from, to) in microseconds; up to now, and 24 hours long, where nothing else is said. A day (YYYY-MM-DD) is that
    of the zone's calendar, and wholly within. Raises BadInput."""
    end_us = _instant(options["to"], zone, days=1) if "to" in options else now_us
    start_us = _instant(options["from"], zone) if "from" in options else end_us - DAY_US
    if start_us >= end_us:
        raise BadInput("`from` is not before `to`; swap them", reason="query")
    return start_us, end_us


def _instant(text: str, zone: ZoneInfo, days: int = 0) -> int:
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-05-01") else None
    except ValueError:
        raise BadInput(f"there is no day {text[:40]!r}; write it like 2026-05-01", reason="time") from None
    low, high = (start_of_day(date(year, 1, 1), zone) for year in (FIRST_YEAR, LAST_YEAR + 1))
    if day is None:
        found = parse_instant_us(text)
    elif not FIRST_YEAR <= day.year <= LAST_YEAR:
        found = low - 1
    else:
        found = start_of_day(day + timedelta(days=days), zone)
    if not low <= found <= high:
        raise BadInput(f"{text[:40]!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}", reason="time")
    return found
