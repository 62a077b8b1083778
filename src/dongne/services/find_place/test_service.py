"""What find_place promises to whoever knows a name."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dongne.methods.place_search import Place, PlaceSearch
from dongne.model.errors import BadInput
from dongne.model.graph import ThingGraph
from dongne.runtime.registry import LoadedAnswer, load
from dongne.runtime.words import read_words
from dongne.services.find_place.find import Find, Matches
from dongne.services.find_place.service import FindPlace

FOLDER = Path(__file__).parent
ANSWER = FindPlace()


@pytest.fixture
def view() -> PlaceSearch:
    places = msgspec.json.decode((FOLDER / "example/places.json").read_bytes(), type=list[Place])
    return ANSWER.start(ThingGraph(), {"places": PlaceSearch(places)})


def ask(view: PlaceSearch, text: str, **more: Any) -> Matches:
    return ANSWER.answer(Find(text, **more), view, 0)


def test_a_name_in_any_language_finds_its_place(view: PlaceSearch) -> None:
    assert [one.name for one in ask(view, "jarnvag").places] == ["Rautatientori"]
    assert [one.name for one in ask(view, "역 광").places] == ["Rautatientori"]


def test_the_nearest_of_those_that_fit_alike_comes_first_with_its_distance(view: PlaceSearch) -> None:
    found = ask(view, "ka", near="24.9431,60.1702").places
    assert [(one.name, one.distance_m) for one in found] == [("Kattila", 0), ("Kaivokatu", 82), ("Kaivokatu 1", 95)]
    assert all(one.distance_m is None for one in ask(view, "ka").places)


def test_a_slip_of_the_pen_gets_names_much_like_it(view: PlaceSearch) -> None:
    found = ask(view, "Rautatietori")
    assert found.places == () and [one.name for one in found.instead] == ["Rautatientori"]
    assert [said.key for said in found.sentences] == ["find_place.nothing", "find_place.instead", "find_place.line"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"limit": 0}, "1..50"), ({"near": "24.0"}, "give lon,lat"), ({"near": "200,60"}, "near = '200,60'"),
        ({"near": "24,nan"}, "no place"), ({"near": "a,b"}, "no place"),
    ],
)  # fmt: skip
def test_a_question_out_of_range_names_the_field(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Find("ka", **wrong)
    with pytest.raises(BadInput, match="120 characters"):
        Find("a" * 121)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_all_it_says_has_words(view: PlaceSearch, language: str) -> None:
    words = read_words(FOLDER / f"texts/{language}.po")
    for text in ("kat", "Rautatietori", "zzzz"):
        for said in ask(view, text).sentences:
            words[said.key].format(**said.values, kind="")


def test_the_question_is_a_dataclass_the_pages_can_read() -> None:
    loaded = load("find_place")
    assert isinstance(loaded, LoadedAnswer) and loaded.question is Find
    assert msgspec.convert({"text": "ka", "limit": "3"}, Find, strict=False) == Find("ka", limit=3)


def test_the_example_gives_its_recorded_answer(view: PlaceSearch) -> None:
    wanted = msgspec.json.decode((FOLDER / "example/expected.json").read_bytes())
    assert msgspec.json.decode(msgspec.json.encode(ask(view, "kat"))) == wanted
