"""What journeys promises to whoever wants to get somewhere."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.methods.raptor import Raptor
from dongne.model.errors import BadInput, NotFound
from dongne.model.graph import ThingGraph
from dongne.model.times import to_us
from dongne.runtime.registry import LoadedAnswer, load
from dongne.runtime.words import read_words
from dongne.services.journeys.journeys import Journeys, Travel
from dongne.services.journeys.service import JourneyPlanner, View
from dongne.standards.gtfs.planning import plan_in
from dongne.standards.gtfs.read import read
from dongne.web.texts import OWN

FOLDER = Path(__file__).parent
ANSWER = JourneyPlanner()
NOW = to_us(datetime(2026, 11, 30, 7, 50, tzinfo=ZoneInfo("Europe/Helsinki")))


def open_view(**files: list[str]) -> View:
    """The example's timetable, with these files in place of its own."""
    tables = msgspec.json.decode((FOLDER / "example/feed.json").read_bytes(), type=dict[str, list[str]])
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as out:
        for name, lines in tables.items():
            out.writestr(name, "\n".join(files.get(name.removesuffix(".txt"), lines)))
    feed, report = read(held.getvalue())
    assert feed is not None and report.faults == []
    timetable = plan_in(feed)
    transit = SimpleNamespace(feed=feed, timetable=timetable, moved_weeks=0)
    return ANSWER.start(ThingGraph(), {"transit": transit, "transit_planner": Raptor(timetable)})


@pytest.fixture
def view() -> View:
    return open_view()


def ask(view: View, start: str = "West", end: str = "East", **more: Any) -> Journeys:
    return ANSWER.answer(Travel(start, end, **more), view, NOW)


def words(found: Journeys, language: str = "en") -> list[str]:
    texts = {**read_words(FOLDER / f"texts/{language}.po"), **read_words(OWN / f"{language}.po")}
    fill: Callable[[Any], str] = lambda said: texts[said.key].format(  # noqa: E731
        **{k.removesuffix("_key"): texts[v] if k.endswith("_key") else v for k, v in said.values.items()}
    )
    return [fill(said) for said in found.sentences]


def test_the_example_is_answered_as_recorded(view: View) -> None:
    given = msgspec.json.decode(msgspec.json.encode(ask(view, "West", "Harbour")))
    assert given == msgspec.json.decode((FOLDER / "example/expected.json").read_bytes())


def test_quick_and_with_few_changes_are_both_told(view: View) -> None:
    found = ask(view, "West", "Harbour")
    assert [(one.minutes, one.transfers, [leg.route for leg in one.legs]) for one in found.journeys] == [
        (30, 1, ["1", "", "7"]),
        (45, 0, ["9"]),
    ]


def test_a_change_says_what_it_leaves_and_what_is_step_free(view: View) -> None:
    train, walk, bus = ask(view, "West", "Harbour").journeys[0].legs
    assert (train.spare_s, walk.trip_id, bus.spare_s) == (None, "", 180)
    assert (train.step_free, bus.step_free) == ("yes", "no")


def test_it_is_told_in_words_of_both_languages(view: View) -> None:
    assert words(ask(view, "West", "Harbour"))[:4] == [
        "From West to Harbour, by the timetable: 2.",
        "08:00 to 08:30, 30 min, changes: 1.",
        "08:00 Metro 1 from West, at Middle 1 at 08:05. Step-free.",
        "Walk 2 min from Middle 1 to Middle 2.",
    ]
    assert words(ask(view, "West", "Harbour"), "ko")[1] == "08:00 출발 08:30 도착, 30분, 1번 갈아탑니다."


def test_a_tight_change_is_said(view: View) -> None:
    lines = [line.replace("BUS,08:10:00,08:10:00", "BUS,08:08:00,08:08:00") for line in _lines("stop_times.txt")]
    told = words(ask(open_view(stop_times=lines), "West", "Harbour"))
    assert "08:08 Bus 7 from Middle 2, at Harbour at 08:30. The change is tight: 1 min to spare. Not step-free." in told


def _lines(name: str) -> list[str]:
    return msgspec.json.decode((FOLDER / "example/feed.json").read_bytes(), type=dict[str, list[str]])[name]


def test_where_nothing_departs_so_soon_the_next_are_told(view: View) -> None:
    found = ask(view, at="2026-11-30T20:00", within_min=5)
    assert words(found)[1].startswith("23:55 to 00:09")


def test_where_nothing_goes_it_says_so(view: View) -> None:
    assert words(ask(view, "Harbour", "West")) == ["From Harbour to West nothing goes within 12 hours."]


def test_on_foot_and_here(view: View) -> None:
    assert words(ask(view, "Middle 1", "Middle 2"))[1] == "On foot: 2 min from Middle 1 to Middle 2."
    assert words(ask(view, "West", "West"))[1] == "You are there."


def test_wrong_questions_name_the_field(view: View) -> None:
    with pytest.raises(NotFound, match="did you mean Harbour"):
        ask(view, "West", "Harbor")
    for wrong, says in (
        ({"within_min": 999}, "0..240"),
        ({"most_transfers": 9}, "0..7"),
        ({"from_stop": ""}, "from_stop"),
        ({"at": "x"}, "2026-11-30T08:00"),
    ):
        with pytest.raises(BadInput, match=says):
            ANSWER.answer(Travel(**{"from_stop": "West", "to_stop": "East", **wrong}), view, NOW)


def test_the_folder_is_an_answer() -> None:
    assert isinstance(load("journeys"), LoadedAnswer)
