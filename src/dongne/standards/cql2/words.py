"""The words of a CQL2 text (21-065r2, annex B): keywords in any case, names plain or in double quotes, texts, numbers, signs."""

import re

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.lexer import LONGEST_TEXT, Token

OPTION = "filter"
SPATIAL = {
    f"s_{name}": f"st_{name}"
    for name in ("intersects", "equals", "disjoint", "touches", "within", "overlaps", "crosses", "contains")
}
TEMPORAL = frozenset(
    f"t_{name}"
    for name in (
        "after", "before", "contains", "disjoint", "during", "equals", "finishedby", "finishes", "intersects", "meets",
        "metby", "overlappedby", "overlaps", "startedby", "starts",
    )
)  # fmt: skip
OF_TEXTS = frozenset({"casei", "accenti"})
PLACES = frozenset({
    "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
})  # fmt: skip
KEYWORDS = (
    frozenset(
        {"and", "or", "not", "like", "between", "in", "is", "null", "true", "false", "date", "timestamp", "interval"}
    )
    | {"bbox"}
    | PLACES
    | OF_TEXTS
    | TEMPORAL
    | SPATIAL.keys()
)
_WORDS = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|''|\\'|\\)*')
    |(?P<quoted>"[^"]+")
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_:\u00C0-\U0010ffff][\w.:\u0300-\u036F\u203F\u2040]*)
    |(?P<sign><=|>=|<>|[=<>(),+-])""",
    re.VERBOSE,
)


def words_of(text: str, option: str) -> list[Token]:
    """All words; the last has the sort "end". A keyword comes in small letters, a name in quotes has the sort "property".
    Raises BadInput with the place of what is no word."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"{option} is {len(text)} characters long; at most {LONGEST_TEXT} are read", reason="query")
    tokens = []
    at = 0
    while at < len(text):
        found = _WORDS.match(text, at)
        if found is None:
            raise BadInput(
                f"{option}: {text[at]!r} at position {at} has no meaning here; texts stand between ' and '",
                reason="query",
            )
        if found.lastgroup != "space":
            tokens.append(_token(str(found.lastgroup), found[0], at, option))
        at = found.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _token(sort: str, text: str, at: int, option: str) -> Token:
    match sort:
        case "string":
            return Token("constant", text, at, text[1:-1].replace("\\'", "'").replace("''", "'"))
        case "quoted":
            return Token("property", text[1:-1], at)
        case "number":
            return Token("number", text, at, _number(text, at, option))
        case "name" if text.lower() in KEYWORDS:
            return Token("name", text.lower(), at)
    return Token(sort, text, at)


def _number(text: str, at: int, option: str) -> int | float:
    if text.isdigit() and len(text) < 19:
        return int(text)
    found = float(text)
    if found == float("inf"):
        raise BadInput(f"{option}, position {at}: the number is too large; the largest is 1.7e308", reason="query")
    return found
