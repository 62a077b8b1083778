"""The functions of `$filter` (18-088, clause 9.3.3.5.2): how many arguments each takes and what it gives."""

from enum import StrEnum


class Gives(StrEnum):
    """The sort of value of an expression."""

    NULL = "null"
    BOOL = "truth value"
    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    DATE = "date"
    CLOCK = "time of day"
    DURATION = "duration"
    GEOMETRY = "geometry"
    JSON = "value of any sort"  # known only from what stands beside it


B, N, T, W, G = Gives.BOOL, Gives.NUMBER, Gives.TEXT, Gives.TIME, Gives.GEOMETRY

FUNCTIONS: dict[str, tuple[tuple[tuple[Gives, ...], ...], Gives]] = {
    # texts
    "substringof": (((T, T),), B),
    "endswith": (((T, T),), B),
    "startswith": (((T, T),), B),
    "contains": (((T, T),), B),
    "length": (((T,),), N),
    "indexof": (((T, T),), N),
    "substring": (((T, N), (T, N, N)), T),
    "tolower": (((T,),), T),
    "toupper": (((T,),), T),
    "trim": (((T,),), T),
    "concat": (((T, T),), T),
    # times
    "year": (((W,),), N),
    "month": (((W,),), N),
    "day": (((W,),), N),
    "hour": (((W,),), N),
    "minute": (((W,),), N),
    "second": (((W,),), N),
    "fractionalseconds": (((W,),), N),
    "date": (((W,),), Gives.DATE),
    "time": (((W,),), Gives.CLOCK),
    "totaloffsetminutes": (((W,),), N),
    "now": (((),), W),
    "mindatetime": (((),), W),
    "maxdatetime": (((),), W),
    "before": (((W, W),), B),
    "after": (((W, W),), B),
    "meets": (((W, W),), B),
    "during": (((W, W),), B),
    "overlaps": (((W, W),), B),
    "starts": (((W, W),), B),
    "finishes": (((W, W),), B),
    # numbers
    "round": (((N,),), N),
    "floor": (((N,),), N),
    "ceiling": (((N,),), N),
    # places: read by the grammar; a store says where it cannot answer them
    "geo.distance": (((G, G),), N),
    "geo.length": (((G,),), N),
    "geo.intersects": (((G, G),), B),
    "st_equals": (((G, G),), B),
    "st_disjoint": (((G, G),), B),
    "st_touches": (((G, G),), B),
    "st_within": (((G, G),), B),
    "st_overlaps": (((G, G),), B),
    "st_crosses": (((G, G),), B),
    "st_intersects": (((G, G),), B),
    "st_contains": (((G, G),), B),
    "st_relate": (((G, G, T),), B),
}
