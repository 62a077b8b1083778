"""What a request asks for, as frozen values: a resource path, and the query options with their expressions.

Names inside are the wire's ("phenomenonTime"); `id` stands for `@iot.id`.
"""

from enum import StrEnum
from typing import Any

import msgspec


class Instant(msgspec.Struct, frozen=True, tag=True):
    """A moment, microseconds since 1970."""

    us: int


class Interval(msgspec.Struct, frozen=True, tag=True):
    """[start, end] of an ISO 8601 interval, microseconds since 1970."""

    start_us: int
    end_us: int


class Duration(msgspec.Struct, frozen=True, tag=True):
    """A length of time in microseconds."""

    us: int


class Date(msgspec.Struct, frozen=True, tag=True):
    """A calendar day (UTC), YYYY-MM-DD."""

    text: str


class Clock(msgspec.Struct, frozen=True, tag=True):
    """A time of day (UTC), hh:mm:ss or hh:mm:ss.ffffff."""

    text: str


class Geometry(msgspec.Struct, frozen=True, tag=True):
    """Well-known text of a geometry, (lon, lat) WGS 84."""

    wkt: str


Value = None | bool | int | float | str | Instant | Interval | Duration | Date | Clock | Geometry


class Literal(msgspec.Struct, frozen=True, tag=True):
    """A constant."""

    value: Value


class Path(msgspec.Struct, frozen=True, tag=True):
    """A property: first the navigations that lead to it, then its name, then steps into its JSON. `root`: the variable of
    an `any` at which it begins; the entity itself where it is empty."""

    navigations: tuple[str, ...]
    name: str
    steps: tuple[str, ...] = ()
    root: str = ""


class Call(msgspec.Struct, frozen=True, tag=True):
    """A function of the standard (18-088, clause 9.3.3.5.2)."""

    name: str
    arguments: tuple["Expression", ...]


class Arithmetic(msgspec.Struct, frozen=True, tag=True):
    """`left op right`; op is add, sub, mul, div or mod."""

    op: str
    left: "Expression"
    right: "Expression"


class Negative(msgspec.Struct, frozen=True, tag=True):
    """`-operand`."""

    operand: "Expression"


class Compare(msgspec.Struct, frozen=True, tag=True):
    """`left op right`; op is eq, ne, gt, ge, lt or le."""

    op: str
    left: "Expression"
    right: "Expression"


class Among(msgspec.Struct, frozen=True, tag=True):
    """`operand in (a, b, ...)`: equal to one of the choices."""

    operand: "Expression"
    choices: tuple["Expression", ...]


class Within(msgspec.Struct, frozen=True, tag=True):
    """`operand in path`: equal to one of the values of a list inside JSON."""

    operand: "Expression"
    holder: Path


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """`Datastreams/any(d:condition)`: whether the condition holds for one of those to which the navigations lead; `root`
    as in Path."""

    navigations: tuple[str, ...]
    variable: str
    condition: "Expression"
    root: str = ""


class Logic(msgspec.Struct, frozen=True, tag=True):
    """All (`and`) or any (`or`) of two or more parts."""

    op: str
    parts: tuple["Expression", ...]


class Not(msgspec.Struct, frozen=True, tag=True):
    """`not operand`."""

    operand: "Expression"


Expression = Literal | Path | Call | Arithmetic | Negative | Compare | Among | Within | AnyOf | Logic | Not


class Order(msgspec.Struct, frozen=True):
    """One key of `$orderby`."""

    expression: Expression
    descending: bool = False


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a request or of one `$expand`; `top` None where none was given."""

    filter: Expression | None = None
    orderby: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    select: tuple[str, ...] = ()
    expand: tuple["Expand", ...] = ()
    as_of_us: int | None = None  # the city as it was at this instant
    result_format: str = ""  # dataArray, CSV or GeoJSON; entities as JSON where it is empty
    up_to: int | None = None  # nothing with a higher id: what comes while somebody reads page by page
    after: tuple[Any, ...] | None = None  # only what follows the row with this `Page.last_key`; for a store's own use


def selected(query: Query) -> list[str] | None:
    """The properties that `$select` names, also those of which it names a part; None for all."""
    return [name.partition("/")[0] for name in query.select] if query.select else None


class Expand(msgspec.Struct, frozen=True):
    """What hangs on each entity of an answer, with options of its own."""

    navigation: str
    query: Query = Query()


class Want(StrEnum):
    """What of the resource is asked for."""

    ENTITIES = "entities"
    REFERENCES = "$ref"
    PROPERTY = "property"
    VALUE = "$value"


class Step(msgspec.Struct, frozen=True):
    """One step of a path: a set or navigation, and a key where there is one."""

    name: str
    key: int | None = None


class ResourcePath(msgspec.Struct, frozen=True):
    """`Things(1)/Datastreams/...`: the steps, and what is wanted at their end. `property` is the way into the entity, and
    `label` its last part as it was written (`list[0]`)."""

    steps: tuple[Step, ...]
    want: Want = Want.ENTITIES
    property: tuple[str, ...] = ()
    label: str = ""


class Row(msgspec.Struct, gc=False):
    """One entity as a store found it: values by wire name, ready for JSON; what was expanded by navigation; the ids
    behind its navigations to one entity, where the store has them at hand; and which optional links it shows."""

    id: int
    values: dict[str, Any]
    expanded: dict[str, "Page | Row | None"]
    links: dict[str, int | None] = {}
    shows: tuple[str, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """The entities of one set, in order. `more`: there are further ones; `count` where it was asked for; `last_key`: by
    what the last one is sorted, for `Query.after`."""

    set_name: str
    rows: list[Row]
    more: bool = False
    count: int | None = None
    last_key: tuple[Any, ...] = ()
