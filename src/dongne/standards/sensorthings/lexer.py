"""The words of a query option: strings, numbers, times, names and signs, each with its place in the text."""

import re

import msgspec

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.query import Clock, Date, Duration, Geometry, Instant, Interval, Value
from dongne.standards.sensorthings.times import parse_duration_us, parse_instant_us

LONGEST_TEXT = 8_000
_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+\- ]\d\d:\d\d)?"
_DURATION = r"[+\-]?P[0-9WDTHMS.]+"
_WORDS = re.compile(
    rf"""(?P<space>[ \t]+)
    |(?P<geometry>geo(?:graphy|metry)'(?:[^']|'')*')
    |(?P<duration>duration'(?:[^']|'')*')
    |(?P<string>'(?:[^']|'')*')
    |(?P<interval>{_INSTANT}/(?:{_INSTANT}|{_DURATION})|{_DURATION}/{_INSTANT})
    |(?P<instant>{_INSTANT})
    |(?P<date>\d{{4}}-\d\d-\d\d)
    |(?P<clock>\d\d:\d\d:\d\d(?:\.\d{{1,6}})?)
    |(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>\$?[@A-Za-z_\u0080-\U0010ffff][\w@.]*)
    |(?P<sign>[(),;=/*:\[\]-])""".replace("[+\\- ]", "[+\\-\\ ]").replace("[ \\t]", "[\\ \\t]"),
    re.VERBOSE,
)


class Token(msgspec.Struct, frozen=True):
    """A word: its sort, its text as written, its place, and the value it stands for where it is a constant."""

    sort: str  # string number time name sign end
    text: str
    position: int
    value: Value = None


def words_of(text: str, option: str) -> list[Token]:
    """All words of an option's text; the last has the sort "end". Raises BadInput with the place of what is no word."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"{option} is {len(text)} characters long; at most {LONGEST_TEXT} are read", reason="query")
    tokens = []
    at = 0
    while at < len(text):
        found = _WORDS.match(text, at)
        if found is None:
            raise unreadable(option, text, at)
        if found.lastgroup != "space":
            tokens.append(_token(str(found.lastgroup), found[0], at, option))
        at = found.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def unreadable(option: str, text: str, at: int) -> BadInput:
    """What to say about a place where no word begins."""
    if text[at] == "'":
        return BadInput(
            f"{option}: the text that begins at position {at} has no end; close it with ' and write a ' inside as ''",
            reason="query",
        )
    return BadInput(f"{option}: {text[at]!r} at position {at} has no meaning here; quote texts with '", reason="query")


def _unquote(text: str) -> str:
    return text[text.index("'") + 1 : -1].replace("''", "'")


def _number(text: str) -> int | float:
    if text.isdigit():
        whole = int(text) if len(text) < 19 else None
        return float(text) if whole is None else whole
    return float(text)


def interval_of(text: str) -> Interval:
    """An interval of two instants, or of one and a duration. Raises BadInput."""
    start, _, end = text.replace(" ", "+").partition("/")
    if end.lstrip("+-").startswith("P"):
        start_us = parse_instant_us(start)
        found = Interval(start_us, start_us + parse_duration_us(end))
    elif start.lstrip("+-").startswith("P"):
        end_us = parse_instant_us(end)
        found = Interval(end_us - parse_duration_us(start), end_us)
    else:
        found = Interval(parse_instant_us(start), parse_instant_us(end))
    if found.end_us < found.start_us:
        raise BadInput(f"the interval {text[:80]!r} ends before it starts; swap its two instants", reason="time")
    return found


def _instant_us(text: str) -> int:
    return parse_instant_us(text.replace(" ", "+"))  # a plus that came through a URL as a space


def _token(sort: str, text: str, at: int, option: str) -> Token:  # noqa: PLR0911  # one for each sort
    try:
        match sort:
            case "string":
                return Token("constant", text, at, _unquote(text))
            case "number":
                number = _number(text)
                if number in (float("inf"), float("-inf")):
                    raise BadInput("the number is too large; the largest is 1.7e308")
                return Token("number", text, at, number)
            case "instant":
                return Token("constant", text, at, Instant(_instant_us(text)))
            case "interval":
                return Token("constant", text, at, interval_of(text))
            case "date":
                return Token("constant", text, at, Date(text))
            case "clock":
                return Token("constant", text, at, Clock(text))
            case "duration":
                return Token("constant", text, at, Duration(parse_duration_us(_unquote(text))))
            case "geometry":
                return Token("constant", text, at, Geometry(_unquote(text)))
            case _:
                return Token(sort, text, at)
    except BadInput as error:
        raise BadInput(f"{option}, position {at}: {error.message}", reason="query") from None
