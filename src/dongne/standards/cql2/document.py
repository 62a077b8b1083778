"""CQL2 as JSON (21-065r2, annex C) to an expression."""

from collections.abc import Sequence
from typing import Any

import msgspec

from dongne.model.errors import BadInput
from dongne.standards.cql2 import values
from dongne.standards.cql2.text import COMPARISONS
from dongne.standards.cql2.words import OF_TEXTS, SPATIAL, TEMPORAL
from dongne.standards.sensorthings.expressions import DEEPEST, MOST_NODES
from dongne.standards.sensorthings.lexer import LONGEST_TEXT
from dongne.standards.sensorthings.query import Among, Call, Compare, Expression, Literal, Logic, Not, Path

COUNTS = {"not": 1, "isNull": 1, "like": 2, "between": 3, "in": 2, "casei": 1, "accenti": 1}
OPERATIONS = ("and", "or", *COMPARISONS, *COUNTS, *SPATIAL, *sorted(TEMPORAL))


def parse_document(text: str) -> Expression:
    """The condition. Raises BadInput naming the part that is wrong."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"filter is {len(text)} characters long; at most {LONGEST_TEXT} are read", reason="query")
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"filter is no JSON: {error}", reason="query") from None
    return _Reader().read(document, 0)


class _Reader:
    """Counts what it reads."""

    def __init__(self) -> None:
        self._nodes = 0

    def read(self, document: Any, depth: int) -> Expression:
        """An operation, a property, a constant."""
        self._nodes += 1
        if depth > DEEPEST or self._nodes > MOST_NODES:
            raise BadInput(
                f"filter: nested deeper than {DEEPEST} levels or more than {MOST_NODES} terms; say it in less",
                reason="query",
            )
        match document:
            case bool() | int() | float() | str():
                return Literal(document)
            case {"property": str(name)}:
                return Path((), name)
            case {"date": str(day)}:
                return Literal(values.date_of(day))
            case {"timestamp": str(instant)}:
                return Literal(values.timestamp_of(instant))
            case {"interval": [start, end]}:
                return values.interval_of(self._end(start, depth), self._end(end, depth))
            case {"op": str(op), "args": list(arguments)}:
                return self._operation(op, arguments, depth + 1)
        raise _wrong("an operation, a property or a constant", document)

    def _operation(self, op: str, arguments: list[Any], depth: int) -> Expression:  # noqa: PLR0911  # one for each
        if op not in OPERATIONS:
            raise BadInput(f"filter: there is no op {op[:40]!r}; there are {', '.join(OPERATIONS)}", reason="query")
        if op in ("and", "or"):
            if len(arguments) < 2:
                raise _wrong(f"two or more args of {op!r}", arguments)
            return Logic(op, tuple(self.read(one, depth) for one in arguments))
        if len(arguments) != (count := COUNTS.get(op, 2)):
            raise _wrong(f"{count} args of {op!r}", arguments)
        if op in SPATIAL:
            return Call(SPATIAL[op], tuple(self._place(one) for one in arguments))
        if op == "in":
            return Among(self.read(arguments[0], depth), self._list(arguments[1], depth))
        given = [self.read(one, depth) for one in arguments]
        match op:
            case "not":
                return Not(given[0])
            case "isNull":
                return Compare("eq", given[0], Literal(None))
            case "between":
                return Logic("and", (Compare("ge", given[0], given[1]), Compare("le", given[0], given[2])))
            case _ if op in COMPARISONS:
                return Compare(COMPARISONS[op], given[0], given[1])
        assert op == "like" or op in OF_TEXTS or op in TEMPORAL
        return Call(op, tuple(given))

    def _list(self, document: Any, depth: int) -> tuple[Expression, ...]:
        if not isinstance(document, Sequence) or isinstance(document, str) or not document:
            raise _wrong("a list with something in it", document)
        return tuple(self.read(one, depth) for one in document)

    def _end(self, document: Any, depth: int) -> Expression:
        return values.end_of(document) if isinstance(document, str) else self.read(document, depth + 1)

    def _place(self, document: Any) -> Expression:
        match document:
            case {"property": str(name)}:
                return Path((), name)
            case {"bbox": list(numbers)} if all(isinstance(n, int | float) for n in numbers):
                return Literal(values.geometry_of_box(numbers))
            case {"type": str(), **_rest}:
                return Literal(values.geometry_of_geojson(document))
        raise _wrong('{"property": "geometry"}, GeoJSON or {"bbox": [...]}', document)


def _wrong(expected: str, document: Any) -> BadInput:
    return BadInput(f"filter: expected {expected}, found {msgspec.json.encode(document)[:60].decode()}", reason="query")
