"""`$filter` and `$orderby` as expressions: a recursive descent over the words (OData 4 precedence)."""

from collections.abc import Callable

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.functions import FUNCTIONS
from dongne.standards.sensorthings.lexer import Token, words_of
from dongne.standards.sensorthings.query import (
    Among,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Expression,
    Literal,
    Logic,
    Negative,
    Not,
    Order,
    Path,
    Within,
)
from dongne.standards.sensorthings.schema import SETS, EntitySet, Kind

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
SUMS = frozenset({"add", "sub"})
PRODUCTS = frozenset({"mul", "div", "mod"})
CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
DEEPEST = 40
MOST_NODES = 400
WITH_STEPS = frozenset({Kind.JSON, Kind.RESULT})
ID_NAMES = frozenset({"id", "@iot.id"})


class Words:
    """The words of one option, read one after the other. Errors name the option, the place and what was expected."""

    def __init__(self, text: str, option: str, read: Callable[[str, str], list[Token]] = words_of) -> None:
        self.option = option
        self._tokens = read(text, option)
        self._at = 0
        self.nodes = 0
        self.depth = 0
        self.variables: dict[str, EntitySet] = {}  # of the `any` around

    @property
    def next(self) -> Token:
        """The word to come."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """The word to come, and step over it."""
        token = self._tokens[self._at]
        self._at += token.sort != "end"
        return token

    def takes(self, text: str) -> bool:
        """Whether this name or sign comes; steps over it where it does."""
        if self.next.text == text and self.next.sort in ("name", "sign"):
            self._at += 1
            return True
        return False

    def peek_is(self, text: str, ahead: int = 0) -> bool:
        """Whether this name or sign stands so many words ahead."""
        found = self._tokens[min(self._at + ahead, len(self._tokens) - 1)]
        return found.text == text and found.sort in ("name", "sign")

    def must(self, text: str) -> None:
        """Step over this sign. Raises BadInput where something else comes."""
        if not self.takes(text):
            raise self.wrong(f"{text!r}")

    def wrong(self, expected: str, token: Token | None = None) -> BadInput:
        """The error for an unexpected word."""
        token = token or self.next
        found = "the end" if token.sort == "end" else repr(token.text[:40])
        return BadInput(
            f"{self.option}: expected {expected} at position {token.position}, found {found}", reason="query"
        )

    def refuse(self, token: Token, message: str) -> BadInput:
        """An error about a word that could be read but cannot be meant."""
        return BadInput(f"{self.option}: {message} (position {token.position})", reason="query")

    def end(self) -> None:
        """Raises BadInput where anything is left."""
        if self.next.sort != "end":
            raise self.wrong("nothing more")


def parse_filter(text: str, entity_set: EntitySet, option: str = "$filter") -> Expression:
    """The condition, its names checked against the set. Raises BadInput."""
    words = Words(text, option)
    expression = read_expression(words, entity_set)
    words.end()
    return expression


def parse_orderby(text: str, entity_set: EntitySet, option: str = "$orderby") -> tuple[Order, ...]:
    """The sort keys. Raises BadInput."""
    words = Words(text, option)
    orders = read_orderby(words, entity_set)
    words.end()
    return orders


def read_orderby(words: Words, entity_set: EntitySet) -> tuple[Order, ...]:
    """`expression [asc|desc], ...` up to a word that does not belong to it."""
    orders = []
    while True:
        expression = _sum(words, entity_set)
        direction = words.next.text.lower() if words.next.sort == "name" else ""
        if direction in ("asc", "desc"):  # OData 4.01 has them in any case, and clients write DESC
            words.take()
        descending = direction == "desc"
        orders.append(Order(expression, descending))
        if not words.takes(","):
            return tuple(orders)


def read_expression(words: Words, entity_set: EntitySet) -> Expression:
    """A whole condition, up to a word that does not belong to it."""
    words.depth += 1
    if words.depth > DEEPEST:
        raise words.refuse(words.next, f"nested deeper than {DEEPEST} levels; say it in fewer")
    found = _logic(words, entity_set, "or", lambda: _logic(words, entity_set, "and", lambda: _not(words, entity_set)))
    words.depth -= 1
    return found


def _logic(words: Words, entity_set: EntitySet, op: str, part: Callable[[], Expression]) -> Expression:
    parts = [part()]
    while words.takes(op):
        parts.append(part())
    return parts[0] if len(parts) == 1 else Logic(op, tuple(parts))


def _not(words: Words, entity_set: EntitySet) -> Expression:
    if words.next.text == "not" and words.takes("not"):
        words.depth += 1
        if words.depth > DEEPEST:
            raise words.refuse(words.next, f"nested deeper than {DEEPEST} levels; say it in fewer")
        found = Not(_not(words, entity_set))
        words.depth -= 1
        return found
    return _comparison(words, entity_set)


def _comparison(words: Words, entity_set: EntitySet) -> Expression:
    left = _sum(words, entity_set)
    if words.next.sort == "name":
        if words.next.text in COMPARISONS:
            op = words.take().text
            return Compare(op, left, _sum(words, entity_set))
        if words.takes("in"):
            if not words.peek_is("("):
                return Within(left, _holder(words, entity_set))
            words.must("(")
            choices = [_sum(words, entity_set)]
            while words.takes(","):
                choices.append(_sum(words, entity_set))
            words.must(")")
            return Among(left, tuple(choices))
    return left


def _sum(words: Words, entity_set: EntitySet) -> Expression:
    left = _product(words, entity_set)
    while words.next.sort == "name" and words.next.text in SUMS:
        left = Arithmetic(words.take().text, left, _product(words, entity_set))
    return left


def _product(words: Words, entity_set: EntitySet) -> Expression:
    left = _single(words, entity_set)
    while words.next.sort == "name" and words.next.text in PRODUCTS:
        left = Arithmetic(words.take().text, left, _single(words, entity_set))
    return left


def _single(words: Words, entity_set: EntitySet) -> Expression:
    words.nodes += 1
    if words.nodes > MOST_NODES:
        raise words.refuse(words.next, f"more than {MOST_NODES} terms; split the request")
    token = words.take()
    match token.sort:
        case "constant" | "number":
            return Literal(token.value)
        case "sign" if token.text == "(":
            inner = read_expression(words, entity_set)
            words.must(")")
            return inner
        case "sign" if token.text == "-":
            return _negative(words, entity_set)
        case "name" if words.peek_is("("):
            return _call(words, token, entity_set)
        case "name" if token.text in CONSTANTS:
            return Literal(CONSTANTS[token.text])
        case "name":
            return _path(words, token, entity_set)
    raise words.wrong("a property, a constant, a function or '('", token)


def _negative(words: Words, entity_set: EntitySet) -> Expression:
    if words.next.sort == "number":
        value = words.take().value
        assert isinstance(value, int | float)
        return Literal(-value)
    words.depth += 1
    if words.depth > DEEPEST:
        raise words.refuse(words.next, f"nested deeper than {DEEPEST} levels; say it in fewer")
    found = Negative(_single(words, entity_set))
    words.depth -= 1
    return found


def _call(words: Words, name: Token, entity_set: EntitySet) -> Expression:
    if name.text not in FUNCTIONS:
        raise words.refuse(name, f"there is no function {name.text[:40]!r}; functions: {', '.join(FUNCTIONS)}")
    words.must("(")
    arguments: list[Expression] = []
    if not words.takes(")"):
        arguments.append(read_expression(words, entity_set))
        while words.takes(","):
            arguments.append(read_expression(words, entity_set))
        words.must(")")
    counts = [len(form) for form in FUNCTIONS[name.text][0]]
    if len(arguments) not in counts:
        takes = " or ".join(map(str, counts))
        raise words.refuse(name, f"{name.text} takes {takes} arguments, not {len(arguments)}")
    return Call(name.text, tuple(arguments))


def _path(words: Words, first: Token, entity_set: EntitySet) -> Path | AnyOf:
    navigations: list[str] = []
    here, token, root, many = entity_set, first, "", False
    if token.text in words.variables:
        here, root = words.variables[token.text], token.text
        words.must("/")
        token = words.take()
    while token.text in here.navigations and token.sort == "name":
        navigations.append(token.text)
        many = here.navigations[token.text].many
        here = SETS[here.navigations[token.text].target]
        if not words.takes("/"):
            raise words.wrong(f"'/' and a property of {token.text}, such as {token.text}/id")
        token = words.take()
    if navigations and token.text == "any" and token.sort == "name" and words.peek_is("("):
        if not many:
            raise words.refuse(token, f"{navigations[-1]} is one entity; name its property, as in {navigations[-1]}/id")
        return _any(words, tuple(navigations), here, entity_set, root)
    if token.sort == "name" and token.text in ID_NAMES:
        return Path(tuple(navigations), "id", (), root)
    if token.sort != "name" or token.text not in here.properties:
        there = ", ".join(("id", *here.properties, *here.navigations))
        raise words.refuse(token, f"{here.type_name} has no {token.text[:40]!r}; it has: {there}")
    steps = read_steps(words) if here.properties[token.text].kind in WITH_STEPS else ()
    return Path(tuple(navigations), token.text, steps, root)


def _any(words: Words, navigations: tuple[str, ...], target: EntitySet, entity_set: EntitySet, root: str) -> AnyOf:
    """`(variable:condition)` after `any` (OData 4.01, part 2, 5.1.1.13)."""
    words.must("(")
    variable = words.take()
    if variable.sort != "name":
        raise words.wrong("a name for each of them, as in any(d:d/id eq 1)", variable)
    words.must(":")
    around, words.variables = words.variables, {**words.variables, variable.text: target}
    condition = read_expression(words, entity_set)
    words.variables = around
    words.must(")")
    return AnyOf(navigations, variable.text, condition, root)


def _holder(words: Words, entity_set: EntitySet) -> Path:
    token = words.take()
    found = _path(words, token, entity_set) if token.sort == "name" else None
    if not isinstance(found, Path) or not found.steps:
        raise words.refuse(token, "after `in` stands a list of values in brackets, or one inside JSON: properties/list")
    return found


def read_steps(words: Words) -> tuple[str, ...]:
    """The way into an object: names after a /, and places in lists after a / or in square brackets."""
    steps: list[str] = []
    while True:
        in_brackets = words.takes("[")
        if not in_brackets and not words.takes("/"):
            return tuple(steps)
        step = words.take()
        if (step.sort != "number" or not step.text.isdigit()) and (in_brackets or step.sort != "name"):
            raise words.wrong("a place in the list" if in_brackets else "a name inside the object", step)
        steps.append(step.text)
        if in_brackets:
            words.must("]")
