"""Words for people: message catalogues by language, filled in with numbers, times and particles of that language."""

import gettext
import logging
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.pofile import read_po

from dongne.model.times import from_us
from dongne.runtime.manifest import SERVICES
from dongne.web.particles import PAIRS, choose_particles, with_particle

log = logging.getLogger(__name__)
LANGUAGES = ("ko", "en")
OWN = Path(__file__).parent / "texts"
OF_HOMES = Path(__file__).parent / "homes" / "texts"
AGE_THRESHOLD = 1.0  # 59 min stay minutes, 60 become an hour


@dataclass(frozen=True)
class Catalogue:
    """Key -> the forms of its text; one form, or as many as the language has plurals."""

    forms: Mapping[str, tuple[str, ...]]
    plural: Callable[[int], int]


def read_catalogue(files: Iterable[Path]) -> Catalogue:
    """The texts of these .po files together; the plural rule is that of the first."""
    forms: dict[str, tuple[str, ...]] = {}
    rule = ""
    for file in files:
        with file.open("rb") as opened:
            read = read_po(opened)
        rule = rule or read.plural_expr
        for message in read:
            key = message.id if isinstance(message.id, str) else message.id[0]
            texts = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            if key and texts and all(texts):
                forms[key] = texts
    return Catalogue(forms, gettext.c2py(rule or "0"))


class Texts:
    """All catalogues of a city. With `strict`, a missing key raises KeyError; else the key itself is shown."""

    def __init__(self, catalogues: Mapping[str, Catalogue], zone: ZoneInfo, *, strict: bool = False) -> None:
        self.zone = zone
        self._words = {language: Words(language, c, zone, strict) for language, c in catalogues.items()}

    @classmethod
    def load(
        cls, zone: ZoneInfo, languages: Iterable[str] = LANGUAGES, folders: Iterable[Path] = (), *, strict: bool = False
    ) -> "Texts":
        """The catalogues of the pages, of all services, and of further folders (the city's), which win."""
        places = [OWN, OF_HOMES, *sorted(SERVICES.glob("*/texts")), *folders]
        there = {
            language: [f for place in places if (f := place / f"{language}.po").exists()] for language in languages
        }
        return cls({language: read_catalogue(files) for language, files in there.items() if files}, zone, strict=strict)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are texts in."""
        return tuple(self._words)

    def words(self, language: str) -> "Words":
        """The texts of one language."""
        return self._words[language]


class Words:
    """The texts of one language, and how it writes numbers and times (in the city's zone)."""

    def __init__(self, language: str, catalogue: Catalogue, zone: ZoneInfo, strict: bool) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self.zone = zone
        self.strict = strict
        self._catalogue = catalogue
        self._formatter = _Formatter(self)

    def __contains__(self, key: str) -> bool:
        return key in self._catalogue.forms

    def say(self, key: str, /, **values: Any) -> str:
        """The text of this key with the values filled in."""
        return self._fill(key, self._forms(key)[-1], values)

    def count(self, key: str, n: int, /, **values: Any) -> str:
        """The text of this key for n of something; `{n}` is the number."""
        forms = self._forms(key)
        return self._fill(key, forms[min(self._catalogue.plural(n), len(forms) - 1)], {"n": n, **values})

    def find(self, keys: Iterable[str], /, **values: Any) -> str | None:
        """The text of the first of these keys there is."""
        for key in keys:
            if key in self:
                return self.say(key, **values)
        return None

    def raw(self, key: str) -> str:
        """The text as it is written, for scripts that fill it in themselves."""
        return self._forms(key)[-1]

    def _forms(self, key: str) -> tuple[str, ...]:
        found = self._catalogue.forms.get(key)
        if found is None:
            if self.strict:
                raise KeyError(f"texts/{self.language}.po lacks {key}")
            log.warning("texts/%s.po lacks %s", self.language, key)
            return (key,)
        return found

    def _fill(self, key: str, text: str, values: Mapping[str, Any]) -> str:
        try:
            filled = self._formatter.vformat(text, (), values)
            return choose_particles(filled) if self.language == "ko" else filled
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            if self.strict:
                raise
            log.warning("text %s in %s can't be filled in: %r", key, self.language, error)
            return text

    # numbers and times

    def number(self, value: float, digits: int = 1) -> str:
        """A number as the language writes it, with at most so many decimals."""
        rounded = round(value, digits) + 0.0  # no minus zero
        return numbers.format_decimal(rounded, format="#,##0." + "#" * digits, locale=self.locale)

    def age(self, time_us: int, now_us: int) -> str:
        """How long ago in words: "3 minutes ago"; the future counts as now."""
        seconds = max(0, (now_us - time_us) // 1_000_000)
        if seconds < 1:
            return self.say("age.now")
        return dates.format_timedelta(
            timedelta(seconds=-seconds), add_direction=True, threshold=AGE_THRESHOLD, locale=self.locale
        )

    def length(self, seconds: float) -> str:
        """A length of time in words: "15 minutes"."""
        return dates.format_timedelta(timedelta(seconds=seconds), threshold=AGE_THRESHOLD, locale=self.locale)

    def local(self, instant: datetime | int) -> datetime:
        """The instant (a datetime, or microseconds) in the city's zone."""
        return (from_us(instant) if isinstance(instant, int) else instant).astimezone(self.zone)

    def clock(self, instant: datetime | int) -> str:
        """The time of day, 24 h: 14:20."""
        return self.local(instant).strftime("%H:%M")

    def seconds(self, instant: datetime | int) -> str:
        """The time of day to the second: 14:20:07."""
        return self.local(instant).strftime("%H:%M:%S")

    def since(self, seconds: float) -> str:
        """How long after the beginning: +12 s, +1:05, +2:01:05 (h:min:s)."""
        sign, whole = ("−" if seconds <= -1 else "+"), int(abs(seconds))
        if whole < 60:
            return f"{sign}{whole} s"
        minutes = (
            f"{whole % 3600 // 60}:{whole % 60:02}"
            if whole < 3600
            else f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
        )
        return f"{sign}{minutes}"

    def date(self, instant: datetime | int) -> str:
        """The day, in full."""
        return dates.format_date(self.local(instant).date(), "long", locale=self.locale)

    def weekday(self, instant: datetime | int) -> str:
        """The day of the week."""
        return dates.format_date(self.local(instant).date(), "EEEE", locale=self.locale)

    def day(self, instant: datetime | int) -> str:
        """Month and day, short: 11/22."""
        return dates.format_skeleton("Md", self.local(instant), locale=self.locale)

    def moment(self, instant: datetime | int) -> str:
        """Day and time, short enough for a table."""
        local = self.local(instant)
        day = dates.format_skeleton("MMMEd", local, locale=self.locale)
        return f"{day} {local:%H:%M}"


class _Formatter(string.Formatter):
    """Python's format strings, and beyond them `{name:은/는}` (particles), `{n:n}` (a number), `{due:time}`, `{due:moment}`."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def format_field(self, value: Any, format_spec: str) -> Any:
        if format_spec in PAIRS:
            return with_particle(str(value), format_spec)
        if format_spec == "n":
            return self._words.number(float(value))
        if format_spec in {"time", "moment"}:
            instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
            instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            return self._words.clock(instant) if format_spec == "time" else self._words.moment(instant)
        return super().format_field(value, format_spec)
