"""The words: complete in both languages, and rightly filled in."""

import re
import string
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dongne import web
from dongne.lab.simulators.home_life import load_life
from dongne.lab.simulators.running import CHANNELS
from dongne.model.case_kinds import BUILT_IN
from dongne.model.cases import RELATIONS
from dongne.model.notices import ANSWERS, TO
from dongne.model.properties import SHARED
from dongne.model.tasks import TASK_STATES
from dongne.runtime.manifest import SERVICES
from dongne.standards.cql2.evaluate import Sort
from dongne.standards.gtfs.feed import EXTENDED_MODES, MODES
from dongne.web.catalog.contents import METRICS
from dongne.web.frame import MENU, SCRIPT_TEXTS, THEMES
from dongne.web.homes import chain
from dongne.web.homes.care import CHOICES
from dongne.web.particles import choose_particles, with_particle
from dongne.web.series import SPANS
from dongne.web.shapes import STATES
from dongne.web.texts import OF_HOMES, OWN, Texts, read_catalogue

ROOM = Path(web.__file__).parent
CALLED = re.compile(r"""\b(?:t|n|say|count|raw|text)\(\s*f?["']([a-zA-Z_.]+)["']\s*[,)]""")
MADE_OF = {
    "case.state.": {s for k in BUILT_IN for s in k.steps},
    "case.step.": {a for k in BUILT_IN for state in k.steps for a in k.list_actions(state)},
    "case.did.": {"open"} | {a for k in BUILT_IN for state in k.steps for a in k.list_actions(state)},
    "case.cause.": {c for k in BUILT_IN for causes in k.causes.values() for c in causes},
    "case.relation.": set(RELATIONS),
    "case.kind.": {k.name for k in BUILT_IN},
    "task.state.": set(TASK_STATES),
    "state.": set(STATES),
    "theme.": set(THEMES),
    "menu.": {name for _, name in MENU},
    "span.": set(SPANS),
    "property.": set(SHARED),
    "boarding.class.": {"0", "1", "2", "3"},
    "boarding.basis.": {"coming", "here", "away", "leaving", "unknown"},
    "boarding.origin.": {"measured", "replayed", "simulated"},
    "district.": {"calm", "busy", "crowded", "alarm", "old", "empty"},
    "origin.": {"measured", "rehomed", "simulated", "derived"},
    "setting.level.": {"default", "city", "thing", "arm"},
    "note.": {"alarm", "crowded"},
    "home.moment.": set(chain.SORTS) | {"step_cause"},
    "home.sort.": set(chain.SORTS),
    "home.purpose.": set(CHOICES),
    "home.answer.": set(ANSWERS),
    "home.to.": set(TO),
    "home.play.": {*load_life().plays, "clear"},
    "home.demo_answer.": {"fine", "help", "nothing"},
    "home.demo_page.": {"channels", "119"},
    "channel.": {*CHANNELS, "screen", "dispatch", "link"},
    "homes.state.": {"alarm", "fault", "quiet"},
    "catalog.changed.": {"property", "unit", "type"},
    "catalog.form.": {"csv", "parquet", "geojson", "sensorthings", "features"},
    "catalog.about.": {"csv", "parquet", "geojson", "sensorthings", "features"},
    "catalog.metric.": set(METRICS),
    "catalog.service.": {"sensorthings", "features", "values"},
    "transit.mode.": {*MODES.values(), *EXTENDED_MODES.values(), "other"},
    "transit.step_free.": {"yes", "no", "unknown"},
    "stop_display.step_free.": {"yes", "no", "unknown"},
    "ogc.": {"locations", "datastreams", "other", "related", "alternate"},
    "ogc.sort.": {sort.name.lower() for sort in Sort},
}


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts.load(ZoneInfo("Europe/Helsinki"), strict=True)


def own(language: str) -> dict[str, tuple[str, ...]]:
    return dict(read_catalogue([OWN / f"{language}.po", OF_HOMES / f"{language}.po"]).forms)


def used_keys() -> set[str]:
    """Every key that a template, a module or a script names, and those they put together."""
    files = [
        *ROOM.glob("*.py"),
        *ROOM.glob("resident/*.py"),
        *ROOM.glob("control_room/*.py"),
        *ROOM.glob("catalog/*.py"),
        *ROOM.glob("homes/*.py"),
        *ROOM.glob("boarding/*.py"),
    ]
    files += [*ROOM.glob("templates/*.html"), *ROOM.glob("static/*.js")]
    found = {key for file in files for key in CALLED.findall(file.read_text(encoding="utf-8")) if "." in key}
    return found | set(SCRIPT_TEXTS) | {prefix + end for prefix, ends in MADE_OF.items() for end in ends}


def test_the_search_for_used_keys_finds_them() -> None:
    assert {"frame.skip", "now.all_cases", "say.stale", "copy.copied", "case.conflict", "service.errors"} <= used_keys()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_used_key_has_a_text(language: str) -> None:
    keys = {key for key in used_keys() if not key.endswith(".")}
    assert keys - set(own(language)) == set()


def test_both_languages_have_the_same_keys_with_the_same_gaps() -> None:
    korean, english = own("ko"), own("en")
    assert set(korean) == set(english)
    for key, forms in english.items():
        assert gaps(korean[key][-1]) == gaps(forms[-1]), key
        assert gaps(forms[0]) <= gaps(forms[-1]), key


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("folder", sorted(f.name for f in SERVICES.iterdir() if (f / "texts").is_dir()))
def test_texts_of_services_have_the_same_gaps_in_both_languages(folder: str) -> None:
    forms = {x: read_catalogue([SERVICES / folder / "texts" / f"{x}.po"]).forms for x in ("ko", "en")}
    for key in forms["ko"]:
        assert gaps(forms["ko"][key][-1]) == gaps(forms["en"][key][-1]), key


def test_a_missing_key_is_an_error_where_strict_and_shown_as_it_is_elsewhere(texts: Texts) -> None:
    with pytest.raises(KeyError, match=r"texts/en\.po lacks no\.such"):
        texts.words("en").say("no.such")
    assert Texts.load(ZoneInfo("UTC")).words("en").say("no.such") == "no.such"


def test_a_gap_nobody_fills_is_an_error_where_strict(texts: Texts) -> None:
    with pytest.raises(KeyError, match="what"):
        texts.words("en").say("cases.new")


def test_one_and_many_have_their_own_form_in_english_and_one_form_in_korean(texts: Texts) -> None:
    assert [texts.words("en").count("note.cases", n) for n in (0, 1, 2)] == [
        "0 open tasks",
        "1 open task",
        "2 open tasks",
    ]
    assert [texts.words("ko").count("note.cases", n) for n in (0, 1)] == ["열린 일 0건", "열린 일 1건"]


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("가로등", "은/는", "가로등은"), ("쓰레기", "은/는", "쓰레기는"), ("길", "으로/로", "길로"), ("공원", "으로/로", "공원으로"),
        ("학교", "으로/로", "학교로"), ("5", "이/가", "5가"), ("10", "이/가", "10이"), ("3", "을/를", "3을"), ("7", "으로/로", "7로"),
        ("Kaivokatu 12", "은/는", "Kaivokatu 12는"), ("Helsinki", "은/는", "Helsinki는"), ("Seoul", "은/는", "Seoul은"),
        ("정류장 (A)", "과/와", "정류장 (A)와"), ("“시장”", "이/가", "“시장”이"), ("", "은/는", "는"),
    ],
)  # fmt: skip
def test_a_particle_fits_the_sound_before_it(word: str, pair: str, expected: str) -> None:
    assert with_particle(word, pair) == expected


def test_particles_written_both_ways_are_chosen() -> None:
    assert (
        choose_particles("휴지통, Kaivokatu 1은(는) 넉넉해요. 길이(가) 막혀요.")
        == "휴지통, Kaivokatu 1은 넉넉해요. 길이 막혀요."
    )


def test_ages_dates_and_numbers_are_of_the_language_and_the_citys_zone(texts: Texts) -> None:
    korean, english = texts.words("ko"), texts.words("en")
    minute = 60_000_000
    assert [w.age(0, 3 * minute) for w in (korean, english)] == ["3분 전", "3 minutes ago"]
    assert [w.age(0, 59 * minute) for w in (korean, english)] == ["59분 전", "59 minutes ago"]
    assert [w.age(0, 60 * minute) for w in (korean, english)] == ["1시간 전", "1 hour ago"]
    assert [w.age(5 * minute, 0) for w in (korean, english)] == ["방금", "just now"]
    assert english.clock(1_795_176_000_000_000) == "14:00"  # 2026-11-20 12:00 UTC
    assert korean.weekday(1_795_176_000_000_000) == "금요일"
    assert english.number(1234567.89) == "1,234,567.9"
    assert english.number(-0.001) == "0"
