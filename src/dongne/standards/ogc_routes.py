"""OGC API - Routes - Part 1: Core (21-000, draft 1) and the Route Exchange Model (21-001, draft 1): definitions in, routes out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from dongne.model.errors import BadInput
from dongne.model.geometry import Point
from dongne.model.times import format_instant, hint_time

REL_ROUTES = "http://www.opengis.net/def/rel/OGC/1.0/routes"
_CONF = "http://www.opengis.net/spec/ogcapi-routes-1/1.0.0-draft.1/conf/"
CONFORMANCE = tuple(_CONF + name for name in ("core", "intermediate-waypoints", "mode", "time"))
MODES = ("walk",)
MOST_WAYPOINTS = 20

Position = Annotated[list[float], msgspec.Meta(min_length=2, max_length=3)]


class Waypoints(msgspec.Struct, frozen=True):
    """A GeoJSON MultiPoint: start, points on the way, end."""

    type: Literal["MultiPoint"]
    coordinates: Annotated[list[Position], msgspec.Meta(min_length=2, max_length=MOST_WAYPOINTS)]

    @property
    def points(self) -> list[Point]:
        """The places, without heights."""
        return [(position[0], position[1]) for position in self.coordinates]


class When(msgspec.Struct, frozen=True):
    """When to set out, or to be there."""

    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    type: Literal["departure", "arrival"] = "departure"


class RouteDefinition(msgspec.Struct, frozen=True):
    """What kind of route is asked for. `preference` is "fastest" where nothing is said."""

    waypoints: Waypoints
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    preference: str = "fastest"
    mode: str = MODES[0]
    when: When | None = None


class _Request(msgspec.Struct, frozen=True):
    inputs: RouteDefinition


class Segment(msgspec.Struct, frozen=True):
    """A part of a route up to `end`. `turn` is what to do there: "continue", "left", "right", or "" at the end of the route."""

    end: Point
    length_m: float
    duration_s: float
    road_name: str = ""
    turn: str = ""
    text: str = ""


class Route(msgspec.Struct, frozen=True):
    """A route as it is handed on. `line` is the path; `departs` when it is begun; `comment` what else there is to know."""

    line: Sequence[Point]
    segments: Sequence[Segment]
    departs: datetime
    made: datetime
    name: str = ""
    comment: str = ""


def conformance_values(preferences: Sequence[str]) -> dict[str, Any]:
    """What the conformance declaration says beside the classes (21-000, /req/core/conformance-values)."""
    return {f"{_CONF}core": {"values": list(preferences)}, f"{_CONF}mode": {"modes": list(MODES)}}


def parse_definition(body: bytes, preferences: Sequence[str]) -> RouteDefinition:
    """The definition in a request, in `inputs` or bare as earlier drafts had it; members nobody knows are left aside.
    Raises BadInput with the place of what is wrong."""
    try:
        raw = msgspec.json.decode(body)
        if isinstance(raw, dict) and "inputs" in raw:
            found = msgspec.convert(raw, _Request).inputs
        else:
            found = msgspec.convert(raw, RouteDefinition)
    except msgspec.ValidationError as error:
        raise BadInput(f"route definition: {error}{hint_time(str(error))}") from error
    except msgspec.DecodeError as error:
        raise BadInput(f"route definition is no JSON: {error}") from error
    except RecursionError:
        raise BadInput(
            "route definition is nested too deeply; it has objects within objects four levels deep"
        ) from None
    for name, value, known in (("preference", found.preference, preferences), ("mode", found.mode, MODES)):
        if value not in known:
            raise BadInput(f"{name} {value[:40]!r} is not known here; there are {', '.join(known)}")
    return found


def route_document(route: Route, links: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    """The route as a FeatureCollection: overview, start, segments in order, end (21-001, /req/rem/fc-features)."""
    lengths, durations = _whole([s.length_m for s in route.segments]), _whole([s.duration_s for s in route.segments])
    arrives = route.departs + timedelta(seconds=sum(durations))
    overview: dict[str, Any] = {
        "featureType": "overview",
        **_long(sum(lengths), sum(durations)),
        "processingTime": format_instant(route.made),
        **({"comment": route.comment} if route.comment else {}),
    }
    features = [
        _feature({"type": "LineString", "coordinates": route.line}, overview),
        _feature(_point(route.line[0]), {"featureType": "start", "timestamp": format_instant(route.departs)}),
        *(
            _feature(_point(segment.end), {"featureType": "segment", **_long(length, duration), **_said(segment)})
            for segment, length, duration in zip(route.segments, lengths, durations, strict=True)
        ),
        _feature(_point(route.line[-1]), {"featureType": "end", "timestamp": format_instant(arrives)}),
    ]
    return {
        "type": "FeatureCollection",
        **({"name": route.name} if route.name else {}),
        "status": "successful",
        "features": [{**feature, "id": number} for number, feature in enumerate(features, 1)],
        **({"links": list(links)} if links else {}),
    }


def _whole(parts: Sequence[float]) -> list[int]:
    """Whole numbers whose sum is the rounded sum: the parts are cut where the rounded running sum is."""
    running = 0.0
    marks = [0]
    for part in parts:
        running += part
        marks.append(round(running))
    return [after - before for before, after in pairwise(marks)]


def _long(length_m: int, duration_s: int) -> dict[str, int]:
    """The length under both names it has: 21-001's text says `length_m`, its JSON Schema asks for `length`."""
    return {"length_m": length_m, "length": length_m, "duration_s": duration_s}


def _said(segment: Segment) -> dict[str, str]:
    said = {"roadName": segment.road_name, "instructions": segment.turn, "text": segment.text}
    return {name: value for name, value in said.items() if value}


def _point(place: Point) -> dict[str, Any]:
    return {"type": "Point", "coordinates": place}


def _feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}
