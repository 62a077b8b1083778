"""The query options of SensorThings (18-088, clause 9.3) as parameters of operations."""

from dongne.standards.openapi import Parameter, reference
from dongne.standards.sensorthings.expressions import WITH_STEPS
from dongne.standards.sensorthings.formats import RESULT_FORMATS
from dongne.standards.sensorthings.options import DEEPEST_EXPAND, LARGEST_ID, LARGEST_NUMBER, MOST_EXPANDS
from dongne.standards.sensorthings.schema import OBSERVATIONS, TASKS, EntitySet
from dongne.web.api.description.examples import Examples

_STEPS = r"(?:/[A-Za-z_][A-Za-z0-9_]*)*"
TOP = Parameter(
    "$top", {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER},
    "At most so many; 100 where nothing is said, 10,000 in one page, further ones by @iot.nextLink.",
)  # fmt: skip
SKIP = Parameter("$skip", {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}, "Leave out the first so many.")
COUNT = Parameter("$count", {"type": "boolean"}, "Say how many there are in all.")
AS_OF = Parameter("$asOf", reference("Instant"), "As it was at this instant.")
UP_TO = Parameter(
    "$upTo", {"type": "integer", "minimum": 0, "maximum": LARGEST_ID},
    "None with a higher id. Next links say it, so that what comes meanwhile moves no page; take them as they are.",
)  # fmt: skip


def select_option(target: EntitySet) -> Parameter:
    """`$select`: the names there are."""
    deep = [name for name, info in target.properties.items() if info.kind in WITH_STEPS]
    plain = ["id", "@iot[.]id", *(name for name in target.properties if name not in deep), *target.navigations]
    word = f"(?:{'|'.join(plain)}|(?:{'|'.join(deep)}){_STEPS})" if deep else f"(?:{'|'.join(plain)})"
    first = next(iter(target.properties))
    return Parameter(
        "$select", {"type": "string", "pattern": f"^{word}(?:,{word})*$"},
        "Only these properties, or parts of them; commas between.", examples=(f"id,{first}",),
    )  # fmt: skip


def shown_options(target: EntitySet) -> tuple[Parameter, ...]:
    """What of an entity is shown, and what hangs on it."""
    way = next(iter(target.navigations))
    expand = Parameter(
        "$expand", {"type": "string", "minLength": 1},
        f"What hangs on it, with options in brackets, `;` between; up to {DEEPEST_EXPAND} levels, {MOST_EXPANDS} in all.",
        examples=(way, f"{way}($select=id;$top=2)" if target.navigations[way].many else f"{way}($select=id)"),
    )  # fmt: skip
    return (select_option(target), expand, *past_option(target))


def past_option(target: EntitySet) -> tuple[Parameter, ...]:
    """`$asOf`, where it is answered."""
    return () if target is TASKS else (AS_OF,)


def set_options(target: EntitySet, examples: Examples) -> tuple[Parameter, ...]:
    """All options of a set."""
    first = next(iter(target.properties))
    number = examples.ids[target.type_name]
    filters = [f"id eq {number}", f"id in ({number},0) and not (id lt 0)"]
    if "name" in target.properties:
        filters.append("substringof('a',tolower(name)) or name eq null")
    if "phenomenonTime" in target.properties:
        filters.append("phenomenonTime ge 2026-05-01T00:00:00Z and phenomenonTime lt now()")
    forms = sorted({form for form in RESULT_FORMATS.values() if form != "dataArray" or target is OBSERVATIONS})
    return (
        TOP, SKIP, COUNT,
        Parameter("$filter", {"type": "string", "minLength": 1},
                  "Which; the grammar of 18-088, clause 9.3.3.5, also over navigations and into JSON.", examples=tuple(filters)),
        Parameter("$orderby", {"type": "string", "minLength": 1}, "In which order; expressions with asc or desc, commas between.",
                  examples=("id desc", f"{first} desc,id")),
        *shown_options(target),
        *((UP_TO,) if target is OBSERVATIONS else ()),
        Parameter("$resultFormat", {"enum": forms}, "Another form than JSON entities."),
    )  # fmt: skip
