"""Places found by what people type: parts of names in any order, without regard to accents, case or a half-typed syllable.

Text is compared in a folded form: NFKD (Unicode Standard Annex 15) without combining marks, case-folded; Hangul falls
apart into its letters there, so 헬ㅅ already finds 헬싱키. What nothing matches gets suggestions by the Dice coefficient
of trigrams (Dice 1945).
"""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from dongne.model.geometry import Point, distance_m

LEAST_ALIKE = 0.35  # Dice coefficient from which on a name is worth suggesting
# a name that a part of the city shares with shops and streets is mostly said of it
MEANT = frozenset({
    "borough", "suburb", "quarter", "neighbourhood", "village", "town", "square", "station", "halt",
})  # fmt: skip
LONGEST = 120  # characters of a question that are looked at
MOST_TOKENS = 8
_TOKEN = re.compile(r"[^\W_]+")
# letters that Unicode does not decompose
_PLAIN = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d", "ħ": "h"})
# a final consonant is written as the initial ones it may yet become: 간 is on the way to 가나
_FINALS = [
    "ᄀ",
    "ᄁ",
    "ᄀᄉ",
    "ᄂ",
    "ᄂᄌ",
    "ᄂᄒ",
    "ᄃ",
    "ᄅ",
    "ᄅᄀ",
    "ᄅᄆ",
    "ᄅᄇ",
    "ᄅᄉ",
    "ᄅᄐ",
    "ᄅᄑ",
    "ᄅᄒ",
    "ᄆ",
    "ᄇ",
    "ᄇᄉ",
    "ᄉ",
    "ᄊ",
    "ᄋ",
    "ᄌ",
    "ᄎ",
    "ᄏ",
    "ᄐ",
    "ᄑ",
    "ᄒ",
]
_INITIALS = str.maketrans({0x11A8 + i: initials for i, initials in enumerate(_FINALS)})


class Place(msgspec.Struct, frozen=True):
    """A place with a name. `names` are its names by language; `address` is what tells it from others of that name."""

    name: str
    lon: float
    lat: float
    kind: str = ""
    names: dict[str, str] = {}
    address: str = ""

    @property
    def point(self) -> Point:
        """(lon, lat)."""
        return self.lon, self.lat


class Fit(IntEnum):
    """How well a place fits what was typed, best first."""

    WHOLE = 0  # it is called just so
    BEGINS = 1  # its name begins so
    WORDS = 2  # all words are words of its name
    PARTS = 3  # all words begin words of its name


@dataclass(frozen=True, slots=True)
class Found:
    """A place that fits. `metres` from the place near which was asked; 0 without one."""

    place: Place
    fit: Fit
    metres: float


def fold(text: str) -> str:
    """The text as it is compared."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return bare.translate(_PLAIN).translate(_INITIALS)


def tokens_of(text: str) -> list[str]:
    """Its words and numbers, folded."""
    return _TOKEN.findall(fold(text[:LONGEST]))[:MOST_TOKENS]


class PlaceSearch:
    """An index over places; what stands first in it wins where two are equally good. Those without a name are in `places` only."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.places: Sequence[Place] = tuple(places)
        self._names: list[list[str]] = []  # of each place: its folded names, words joined by a space
        self._holders: dict[str, set[int]] = {}  # word -> places
        self._called: dict[str, list[int]] = {}  # whole name -> places
        trigrams: dict[str, set[int]] = {}
        for number, place in enumerate(self.places):
            names = [" ".join(tokens_of(name)) for name in _names_of(place)]
            self._names.append(names)
            for name in names:
                self._called.setdefault(name, []).append(number)
                for word in name.split():
                    self._holders.setdefault(word, set()).add(number)
                for trigram in _trigrams(name):
                    trigrams.setdefault(trigram, set()).add(number)
        self._words = sorted(self._holders)
        self._trigrams: Mapping[str, set[int]] = trigrams

    def find(self, text: str, near: Point | None = None, limit: int = 8) -> list[Found]:
        """Places whose name has all that was typed: the best fit first, then parts of the city, squares and stations, then the nearest."""
        words = tokens_of(text)
        if not words:
            return []
        there = set.intersection(*({i for w in self._beginning(word) for i in self._holders[w]} for word in words))
        found = [self._judge(number, words, near) for number in there]
        order = sorted(
            zip(found, there, strict=True),
            key=lambda one: (one[0].fit, _is_lesser(one[0].place), one[0].metres, one[1]),
        )
        return [one for one, _ in order[:limit]]

    def find_best(self, text: str, near: Point | None = None) -> Place | None:
        """The first of what `find` gives."""
        called = self._called.get(" ".join(tokens_of(text)))
        if called:
            fitting = ((number, self.places[number]) for number in called)
            return min(fitting, key=lambda one: (_is_lesser(one[1]), _metres(near, one[1]), one[0]))[1]
        return next((one.place for one in self.find(text, near, 1)), None)

    def suggest(self, text: str, near: Point | None = None, limit: int = 5) -> list[Place]:
        """Places with a name like what was typed, where nothing has all of it: the likest first, then the nearest."""
        wanted = _trigrams(" ".join(tokens_of(text)))
        counts = Counter(number for trigram in wanted for number in self._trigrams.get(trigram, ()))
        alike = []
        for number, _ in counts.most_common(200):
            score = max(_dice(wanted, _trigrams(name)) for name in self._names[number])
            if score >= LEAST_ALIKE:
                alike.append((-round(score, 2), _metres(near, self.places[number]), number))
        found: dict[str, Place] = {}  # one of each name
        for *_, number in sorted(alike):
            found.setdefault(self.places[number].name, self.places[number])
        return list(found.values())[:limit]

    def _beginning(self, start: str) -> Iterable[str]:
        at = bisect_left(self._words, start)
        while at < len(self._words) and self._words[at].startswith(start):
            yield self._words[at]
            at += 1

    def _judge(self, number: int, words: Sequence[str], near: Point | None) -> Found:
        place, typed = self.places[number], " ".join(words)
        fit = min(_fit(name, words, typed) for name in self._names[number])
        return Found(place, fit, _metres(near, place))


def _names_of(place: Place) -> list[str]:
    """All it may be called, each also together with its address."""
    if not place.name:
        return []
    names = list(dict.fromkeys([place.name, *place.names.values()]))
    return [*names, *(f"{name} {place.address}" for name in names if place.address)]


def _fit(name: str, words: Sequence[str], typed: str) -> Fit:
    if name == typed:
        return Fit.WHOLE
    if name.startswith(typed):
        return Fit.BEGINS
    return Fit.WORDS if set(words) <= set(name.split()) else Fit.PARTS


def _is_lesser(place: Place) -> bool:
    return place.kind not in MEANT


def _metres(near: Point | None, place: Place) -> float:
    return 0.0 if near is None else distance_m(near, place.point)


def _trigrams(text: str) -> set[str]:
    padded = f"  {text} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)} if text else set()


def _dice(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0
