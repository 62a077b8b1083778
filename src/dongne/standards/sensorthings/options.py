"""Query options and resource paths from their text (18-088, clauses 9.2 and 9.3)."""

import re
from collections.abc import Sequence

import msgspec

from dongne.model.errors import BadInput, NotFound
from dongne.standards.sensorthings.expressions import (
    ID_NAMES,
    WITH_STEPS,
    Words,
    parse_filter,
    parse_orderby,
    read_expression,
    read_steps,
)
from dongne.standards.sensorthings.expressions import read_orderby as _read_orderby
from dongne.standards.sensorthings.formats import RESULT_FORMATS
from dongne.standards.sensorthings.lexer import Token
from dongne.standards.sensorthings.query import Expand, Query, ResourcePath, Step, Want
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet, Kind, get_set, target_of
from dongne.standards.sensorthings.times import parse_instant_us

DEEPEST_EXPAND = 6
MOST_EXPANDS = 20
LARGEST_NUMBER = 2**31 - 1
LARGEST_ID = 2**63 - 1
OPTIONS = ("$filter", "$orderby", "$top", "$skip", "$count", "$select", "$expand", "$resultFormat", "$asOf", "$upTo")
_SPELLINGS = {name.lower(): name for name in OPTIONS}
_PLACES = re.compile(r"([^\[\]]*)((?:\[\d{1,9}\])+)")  # list[0][1]
_STEP = re.compile(r"([A-Za-z]+)(?:\(([^()]*)\))?")
LONGEST_PATH_STEPS = 12


# --- options -----------------------------------------------------------------------------------------------------


def parse_query(pairs: Sequence[tuple[str, str]], entity_set: EntitySet) -> Query:
    """The query of decoded (name, value) pairs on a set. Raises BadInput for an unknown or repeated option, and for
    whatever an option's text does not allow."""
    query = Query()
    seen: set[str] = set()
    for given, value in pairs:
        name = _SPELLINGS.get(given.lower(), given)  # OData 4.01, part 2, 5.1: in any case
        if name in seen:
            raise BadInput(f"{name} is given twice; say it once", reason="query")
        seen.add(name)
        query = _with_option(query, name, value, entity_set)
    _check_expands(query, "$expand")
    return query


def _with_option(query: Query, name: str, value: str, entity_set: EntitySet) -> Query:  # noqa: PLR0911  # one for each option
    match name:
        case "$filter":
            return msgspec.structs.replace(query, filter=parse_filter(value, entity_set))
        case "$orderby":
            return msgspec.structs.replace(query, orderby=parse_orderby(value, entity_set))
        case "$top":
            return msgspec.structs.replace(query, top=_whole(name, value))
        case "$skip":
            return msgspec.structs.replace(query, skip=_whole(name, value))
        case "$count":
            return msgspec.structs.replace(query, count=_truth(name, value))
        case "$select":
            words = Words(value, name)
            select = _read_select(words, entity_set)
            words.end()
            return msgspec.structs.replace(query, select=select)
        case "$expand":
            words = Words(value, name)
            expand = _read_expands(words, entity_set, 1)
            words.end()
            return msgspec.structs.replace(query, expand=expand)
        case "$upTo":
            return msgspec.structs.replace(query, up_to=_whole(name, value, LARGEST_ID))
        case "$asOf":
            return msgspec.structs.replace(query, as_of_us=_instant_us(name, value))
        case "$resultFormat":
            return msgspec.structs.replace(query, result_format=_result_format(value, entity_set))
    raise BadInput(f"there is no option {name[:40]!r}; options: {', '.join(OPTIONS)}", reason="query")


def _result_format(value: str, entity_set: EntitySet) -> str:
    found = RESULT_FORMATS.get(value.lower())
    if found is None or (found == "dataArray" and entity_set is not OBSERVATIONS):
        raise BadInput(
            f"$resultFormat={value[:40]} is not answered for {entity_set.name}; there are CSV and GeoJSON, and for "
            "Observations dataArray",
            reason="query",
        )
    return found


def _instant_us(name: str, value: str) -> int:
    try:
        return parse_instant_us(value.replace(" ", "+"))
    except BadInput as error:
        raise BadInput(f"{name}: {error.message}", reason="query") from None


def _whole(name: str, value: str, largest: int = LARGEST_NUMBER) -> int:
    if not (value.isascii() and value.isdigit()) or int(value[:20]) > largest or len(value) > 20:
        raise BadInput(f"{name}={value[:40]} is not a whole number from 0 to {largest}", reason="query")
    return int(value)


def _truth(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise BadInput(f"{name}={value[:40]} is neither true nor false", reason="query")
    return value == "true"


def _read_select(words: Words, entity_set: EntitySet) -> tuple[str, ...]:
    names: list[str] = []
    while True:
        token = words.take()
        name = "id" if token.text in ID_NAMES else token.text.removeprefix("@iot.")
        if token.sort != "name" or (
            name not in ("id", "selfLink") and name not in entity_set.properties and name not in entity_set.navigations
        ):
            there = ", ".join(("id", *entity_set.properties, *entity_set.navigations))
            raise words.refuse(token, f"{entity_set.type_name} has no {token.text[:40]!r} to select; it has: {there}")
        if name in entity_set.properties and entity_set.properties[name].kind in WITH_STEPS:
            name = "/".join((name, *read_steps(words)))
        if name not in names:
            names.append(name)
        if not words.takes(","):
            return tuple(names)


def _read_expands(words: Words, entity_set: EntitySet, depth: int) -> tuple[Expand, ...]:
    expands: list[Expand] = []
    while True:
        _merge(expands, _read_expand(words, entity_set, depth), words)
        if not words.takes(","):
            return tuple(expands)


def _read_expand(words: Words, entity_set: EntitySet, depth: int) -> Expand:
    token = words.take()
    if depth > DEEPEST_EXPAND:
        raise words.refuse(token, f"expanded deeper than {DEEPEST_EXPAND} levels; ask for the inner ones on their own")
    if token.sort != "name" or token.text not in entity_set.navigations:
        there = ", ".join(entity_set.navigations)
        raise words.refuse(token, f"{entity_set.type_name} has no {token.text[:40]!r} to expand; it has: {there}")
    target = SETS[entity_set.navigations[token.text].target]
    if words.takes("/"):
        return Expand(token.text, Query(expand=(_read_expand(words, target, depth + 1),)))
    if words.takes("("):
        query = _read_nested(words, target, depth)
        words.must(")")
        return Expand(token.text, query)
    return Expand(token.text)


def _read_nested(words: Words, target: EntitySet, depth: int) -> Query:
    query = Query()
    seen: set[str] = set()
    while True:
        name = words.take()
        if name.text in seen:
            raise words.refuse(name, f"{name.text} is given twice; say it once")
        seen.add(name.text)
        words.must("=")
        query = _read_option(words, query, name, target, depth)
        if not words.takes(";"):
            return query


def _read_option(words: Words, query: Query, name: Token, target: EntitySet, depth: int) -> Query:  # noqa: PLR0911  # one for each option
    replace = msgspec.structs.replace
    match name.text:
        case "$filter":
            return replace(query, filter=read_expression(words, target))
        case "$orderby":
            return replace(query, orderby=_read_orderby(words, target))
        case "$top":
            return replace(query, top=_whole("$top", words.take().text))
        case "$skip":
            return replace(query, skip=_whole("$skip", words.take().text))
        case "$count":
            return replace(query, count=_truth("$count", words.take().text))
        case "$select":
            return replace(query, select=_read_select(words, target))
        case "$expand":
            return replace(query, expand=_read_expands(words, target, depth + 1))
    raise words.refuse(name, f"there is no option {name.text[:40]!r} in $expand; options: {', '.join(OPTIONS[:-3])}")


def _merge(expands: list[Expand], new: Expand, words: Words) -> None:
    for place, old in enumerate(expands):
        if old.navigation == new.navigation:
            bare_old, bare_new = (msgspec.structs.replace(e.query, expand=()) for e in (old, new))
            if bare_new != Query() and bare_old != Query():
                raise BadInput(f"$expand: {new.navigation} is given twice with options; say it once", reason="query")
            inner = list(old.query.expand)
            for further in new.query.expand:
                _merge(inner, further, words)
            options = bare_old if bare_new == Query() else bare_new
            expands[place] = Expand(new.navigation, msgspec.structs.replace(options, expand=tuple(inner)))
            return
    expands.append(new)


def _check_expands(query: Query, option: str) -> None:
    def count(expands: tuple[Expand, ...]) -> int:
        return sum(1 + count(expand.query.expand) for expand in expands)

    if (found := count(query.expand)) > MOST_EXPANDS:
        raise BadInput(f"{option} names {found} navigations; at most {MOST_EXPANDS} in one request", reason="query")


# --- paths -------------------------------------------------------------------------------------------------------


def parse_path(text: str) -> ResourcePath:
    """The resource of a decoded path without the service root. Raises BadInput, or NotFound for a set, navigation or
    property that is not there."""
    parts = [part for part in text.split("/") if part]
    if not parts:
        raise NotFound("the path names no entity set")
    if len(parts) > LONGEST_PATH_STEPS:
        raise BadInput(f"the path has {len(parts)} steps; at most {LONGEST_PATH_STEPS} are followed", reason="path")
    want, parts = _split_want(parts)
    steps: list[Step] = []
    here: EntitySet | None = None
    single = False
    for place, part in enumerate(parts):
        if here is not None and single and part.partition("[")[0] in here.properties:
            return _property_path(steps, here, parts[place:], want)
        step = _read_step(part)
        if here is not None and not single:
            raise BadInput(
                f"{steps[-1].name} is a set; say which one before /{part[:40]}, as in {steps[-1].name}(1)/{part[:40]}",
                reason="path",
            )
        here, single = _follow(here, step)
        steps.append(step)
    if want is Want.VALUE:
        raise BadInput("$value stands after a property, as in Things(1)/name/$value", reason="path")
    return ResourcePath(tuple(steps), want)


def _split_want(parts: list[str]) -> tuple[Want, list[str]]:
    if parts[-1] == "$ref" and len(parts) > 1:
        return Want.REFERENCES, parts[:-1]
    if parts[-1] == "$value" and len(parts) > 1:
        return Want.VALUE, parts[:-1]
    return Want.ENTITIES, parts


def _read_step(part: str) -> Step:
    found = _STEP.fullmatch(part)
    if found is None:
        raise NotFound(f"{part[:60]!r} is no step of a path; steps are like Things(1) or Datastreams")
    name, key = found.groups()
    if key is None:
        return Step(name)
    if not (key.isascii() and key.isdigit()):
        raise BadInput(f"{part[:60]!r}: ids are whole numbers, as in {name}(1)", reason="path")
    if len(key) > 19 or int(key) > LARGEST_ID:
        raise NotFound(f"there is no {name}({key[:40]})")
    return Step(name, int(key))


def _follow(here: EntitySet | None, step: Step) -> tuple[EntitySet, bool]:
    try:
        if here is None:
            return get_set(step.name), step.key is not None
        target = target_of(here, step.name)
    except BadInput as error:
        raise NotFound(error.message) from None
    many = here.navigations[step.name].many
    if step.key is not None and not many:
        raise BadInput(f"{step.name} is one entity and takes no id", reason="path")
    return target, step.key is not None or not many


def _property_path(steps: list[Step], here: EntitySet, parts: list[str], want: Want) -> ResourcePath:
    if want is Want.REFERENCES:
        raise BadInput("$ref stands after entities, not after a property", reason="path")
    inside = [step for part in parts for step in _inner_steps(part)]
    if len(inside) > 1 and here.properties[inside[0]].kind not in (Kind.JSON, Kind.RESULT):
        raise NotFound(f"{inside[0]} has nothing inside; leave out {inside[1][:40]!r}")
    return ResourcePath(
        tuple(steps), Want.VALUE if want is Want.VALUE else Want.PROPERTY, tuple(inside), label=parts[-1]
    )


def _inner_steps(part: str) -> list[str]:
    found = _PLACES.fullmatch(part)
    return [part] if found is None else [found[1], *found[2][1:-1].split("][")]


def set_of(path: ResourcePath) -> EntitySet:
    """The set whose entities are at the end of the path."""
    here = get_set(path.steps[0].name)
    for step in path.steps[1:]:
        here = target_of(here, step.name)
    return here


def is_single(path: ResourcePath) -> bool:
    """Whether the path leads to one entity."""
    last = path.steps[-1]
    if last.key is not None:
        return True
    if len(path.steps) == 1:
        return False
    before = set_of(ResourcePath(path.steps[:-1]))
    return not before.navigations[last.name].many
