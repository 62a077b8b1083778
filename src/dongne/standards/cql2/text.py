"""CQL2 as text (21-065r2, annex B) to an expression: comparisons, LIKE, BETWEEN, IN, IS NULL, CASEI, ACCENTI, and the
functions of places and times. Arithmetic, arrays and functions of one's own are not read."""

from collections.abc import Callable

from dongne.model.errors import BadInput
from dongne.standards.cql2 import values
from dongne.standards.cql2.words import OF_TEXTS, OPTION, PLACES, SPATIAL, TEMPORAL, words_of
from dongne.standards.sensorthings.expressions import DEEPEST, MOST_NODES, Words
from dongne.standards.sensorthings.lexer import Token
from dongne.standards.sensorthings.query import Among, Call, Compare, Expression, Geometry, Literal, Logic, Not, Path

COMPARISONS = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
CONSTANTS = {"true": True, "false": False}


def parse_text(text: str) -> Expression:
    """The condition. Raises BadInput with the place of what is wrong."""
    reader = _Reader(text)
    found = reader.condition()
    reader.words.end()
    return found


class _Reader:
    """A recursive descent over the words."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.words = Words(text, OPTION, words_of)

    def condition(self) -> Expression:
        """`or` binds least, `not` most."""
        self._deeper()
        found = self._logic("or", lambda: self._logic("and", self._factor))
        self.words.depth -= 1
        return found

    def _deeper(self) -> None:
        self.words.depth += 1
        if self.words.depth > DEEPEST:
            raise self.words.refuse(self.words.next, f"nested deeper than {DEEPEST} levels; say it in fewer")

    def _logic(self, op: str, part: Callable[[], Expression]) -> Expression:
        parts = [part()]
        while self.words.takes(op):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Logic(op, tuple(parts))

    def _factor(self) -> Expression:
        words = self.words
        if words.takes("not"):
            self._deeper()
            found: Expression = Not(self._factor())
            words.depth -= 1
            return found
        if words.takes("("):
            found = self.condition()
            words.must(")")
            return self._is_null(found) or found
        if words.next.sort == "name" and words.next.text in SPATIAL:
            return Call(SPATIAL[words.take().text], self._two(self._place))
        if words.next.sort == "name" and words.next.text in TEMPORAL:
            return Call(words.take().text, self._two(self._time))
        return self._comparison()

    def _two(self, part: Callable[[], Expression]) -> tuple[Expression, Expression]:
        self.words.must("(")
        one = part()
        self.words.must(",")
        other = part()
        self.words.must(")")
        return one, other

    def _comparison(self) -> Expression:
        words = self.words
        left = self._scalar()
        if words.next.sort == "sign" and words.next.text in COMPARISONS:
            return Compare(COMPARISONS[words.take().text], left, self._scalar())
        if (asks := self._is_null(left)) is not None:
            return asks
        is_not = words.takes("not")
        found: Expression
        if words.takes("like"):
            found = Call("like", (left, self._scalar()))
        elif words.takes("between"):
            low = self._scalar()
            words.must("and")
            found = Logic("and", (Compare("ge", left, low), Compare("le", left, self._scalar())))
        elif words.takes("in"):
            found = Among(left, self._choices())
        elif is_not:
            raise words.wrong("LIKE, BETWEEN or IN")
        else:
            found = left  # a truth value by itself
        return Not(found) if is_not else found

    def _is_null(self, operand: Expression) -> Expression | None:
        words = self.words
        if not words.takes("is"):
            return None
        is_not = words.takes("not")
        words.must("null")
        found = Compare("eq", operand, Literal(None))
        return Not(found) if is_not else found

    def _choices(self) -> tuple[Expression, ...]:
        self.words.must("(")
        choices = [self._scalar()]
        while self.words.takes(","):
            choices.append(self._scalar())
        self.words.must(")")
        return tuple(choices)

    def _scalar(self) -> Expression:  # noqa: PLR0911  # one for each sort
        words = self.words
        words.nodes += 1
        if words.nodes > MOST_NODES:
            raise words.refuse(words.next, f"more than {MOST_NODES} terms; split the request")
        token = words.take()
        match token.sort:
            case "constant" | "number":
                return Literal(token.value)
            case "sign" if token.text in "+-" and words.next.sort == "number":
                value = words.take().value
                assert isinstance(value, int | float)
                return Literal(-value if token.text == "-" else value)
            case "property":
                return Path((), token.text)
            case "name" if token.text in CONSTANTS:
                return Literal(CONSTANTS[token.text])
            case "name" if token.text in OF_TEXTS:
                words.must("(")
                self._deeper()
                inner = self._scalar()
                words.depth -= 1
                words.must(")")
                return Call(token.text, (inner,))
            case "name" if token.text in ("date", "timestamp", "interval") and words.peek_is("("):
                return self._instant(token)
            case "name" if words.peek_is("("):
                raise words.refuse(token, f"there is no function {token.text[:40]!r} here")
            case "name":
                return Path((), token.text)
        raise words.wrong("a property, a text, a number or a time", token)

    # --- times and places

    def _instant(self, token: Token) -> Expression:
        if token.text == "interval":
            return self._interval(token)
        self.words.must("(")
        given = self._string()
        self.words.must(")")
        return Literal(self._read(token, values.date_of if token.text == "date" else values.timestamp_of, given))

    def _string(self) -> str:
        token = self.words.take()
        if token.sort != "constant" or not isinstance(token.value, str):
            raise self.words.wrong("a text between ' and '", token)
        return token.value

    def _read(self, token: Token, read: Callable[[str], values.Time], given: str) -> values.Time:
        try:
            return read(given)
        except BadInput as error:
            raise self.words.refuse(token, error.message) from None

    def _interval(self, token: Token) -> Expression:
        ends = self._two(self._end_of_interval)
        try:
            return values.interval_of(*ends)
        except BadInput as error:
            raise self.words.refuse(token, error.message) from None

    def _end_of_interval(self) -> Expression:
        token = self.words.next
        if token.sort == "constant":
            return values.end_of(self._string())
        return self._scalar()

    def _time(self) -> Expression:
        return self._scalar()

    def _place(self) -> Expression:
        words = self.words
        token = words.take()
        if token.sort == "property" or (token.sort == "name" and not words.peek_is("(") and token.text not in PLACES):
            return Path((), token.text)
        if token.sort == "name" and token.text == "bbox":
            return Literal(self._box())
        if token.sort == "name" and token.text in PLACES:
            return Literal(values.geometry_of_wkt(self._well_known(token)))
        raise words.wrong("the property `geometry`, or a place such as POINT(24.94 60.17) or BBOX(24,60,25,61)", token)

    def _box(self) -> Geometry:
        self.words.must("(")
        numbers = [self._coordinate()]
        while self.words.takes(","):
            numbers.append(self._coordinate())
        self.words.must(")")
        return values.geometry_of_box(numbers)

    def _coordinate(self) -> float:
        found = self._scalar()
        if isinstance(found, Literal) and isinstance(found.value, int | float) and not isinstance(found.value, bool):
            return float(found.value)
        raise self.words.wrong("a number")

    def _well_known(self, first: Token) -> str:
        """The text from here to the closing bracket."""
        depth, token = 0, self.words.next
        while True:
            token = self.words.take()
            if token.sort == "end":
                raise self.words.wrong("')' at the end of the place", token)
            depth += {"(": 1, ")": -1}.get(token.text, 0) if token.sort == "sign" else 0
            if depth == 0 and token.text == ")":
                return self._text[first.position : token.position + 1]
