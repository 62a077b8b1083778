"""What stop_board promises to whoever waits."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from dongne.model.entities import Datastream, Property, Thing, put
from dongne.model.errors import BadInput, NotFound
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, ObservationExtra
from dongne.model.times import to_us
from dongne.runtime.registry import LoadedAnswer, load
from dongne.runtime.words import read_words
from dongne.services.stop_board.board import Board, Departure, StopBoard
from dongne.services.stop_board.service import StopBoards, View
from dongne.standards.gtfs.planning import plan_in
from dongne.standards.gtfs.read import read
from dongne.web.texts import OWN

FOLDER = Path(__file__).parent
ANSWER = StopBoards()
ZONE = ZoneInfo("Europe/Helsinki")
NOW = datetime(2026, 11, 30, 7, 58, tzinfo=ZONE)
STREAMS = {"departure_delay": 1, "call_cancelled": 2, "disruption": 3}


def open_view(**files: str) -> View:
    """The example's timetable, with these files in place of its own, and a graph with Datastreams at stop M2."""
    tables = {**msgspec.json.decode((FOLDER / "example/feed.json").read_bytes(), type=dict[str, list[str]])}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as out:
        for name, lines in tables.items():
            out.writestr(name, files.get(name.removesuffix(".txt"), "\n".join(lines)))
    feed, report = read(held.getvalue())
    assert feed is not None and report.faults == []
    graph = ThingGraph()
    graph.apply([put(Thing(id=1, name="Middle 2", properties={"stop_id": "M2"}))])
    graph.apply([put(Property(id=n, name=name)) for name, n in STREAMS.items()])
    graph.apply(
        [
            put(Datastream(id=n, name=name, thing_id=1, sensor_id=1, observed_property_id=n))
            for name, n in STREAMS.items()
        ]
    )
    return ANSWER.start(graph, {"transit": SimpleNamespace(feed=feed, timetable=plan_in(feed), moved_weeks=0)})


@pytest.fixture
def view() -> View:
    return open_view()


def say(view: View, key: str, result: float, at: datetime = NOW, **parameters: Any) -> None:
    """An operator's word."""
    extra = ObservationExtra(parameters=parameters)
    batch = ObservationBatch(np.array([STREAMS[key]], np.int32), np.array([to_us(at)]), np.array([result]), {0: extra})
    ANSWER.update(view, batch)


def late(view: View, trip: str, sequence: int, delay_s: float, at: datetime = NOW, day: str = "20261130") -> None:
    say(view, "departure_delay", delay_s, at, trip_id=trip, start_date=day, stop_sequence=sequence)


def ask(view: View, stop: str = "W", now: datetime = NOW, **more: Any) -> StopBoard:
    return ANSWER.answer(Board(stop, **more), view, to_us(now))


def told(board: StopBoard) -> list[tuple[str, str, str]]:
    """(local time expected, route, certainty)."""
    return [
        (f"{datetime.fromisoformat(one.expected).astimezone(ZONE):%H:%M}", one.route, one.certainty)
        for one in board.departures
    ]


def words(board: StopBoard, language: str = "en", spoken: bool = False) -> list[str]:
    texts = {**read_words(FOLDER / f"texts/{language}.po"), **read_words(OWN / f"{language}.po")}
    fill: Callable[[Any], str] = lambda said: texts[said.key].format(  # noqa: E731
        **{k.removesuffix("_key"): texts[v] if k.endswith("_key") else v for k, v in said.values.items()}
    )
    return [fill(said) for said in (board.spoken if spoken else board.sentences)]


def test_the_example_is_answered_as_recorded(view: View) -> None:
    late(view, "BUS", 1, 180)
    given = msgspec.json.decode(msgspec.json.encode(ask(view, "Middle", count=3, arriving="E1")))
    assert given == msgspec.json.decode((FOLDER / "example/expected.json").read_bytes())


def test_departures_come_in_order_and_say_that_nothing_is_known(view: View) -> None:
    board = ask(view, count=2)
    assert told(board) == [("08:00", "1", "timetable")]
    assert words(board)[1] == "08:00 Metro 1 to East: by the timetable; nothing is known of delays. Step-free."
    assert told(ask(view, count=1, at="2026-11-30T20:00")) == [("23:55", "1", "timetable")]


def test_a_station_has_all_its_platforms(view: View) -> None:
    assert [one.stop_id for one in ask(view, "MID").departures] == ["M1", "M2", "M2"]
    assert [one.stop_id for one in ask(view, "middle").departures] == ["M1", "M2", "M2"]


def test_what_an_operator_says_moves_the_departure_until_it_is_old(view: View) -> None:
    late(view, "E1", 1, 240)
    [first] = ask(view, count=1).departures
    assert (first.certainty, first.delay_s, first.minutes) == ("real_time", 240, 6)
    assert words(ask(view))[1] == "08:00 Metro 1 to East: 4 min late, expected 08:04. Step-free."
    assert ask(view).real_time_age_s == 0
    assert (
        told(ask(view, now=NOW + timedelta(minutes=6)))[:1] == []
    )  # six minutes old: it should have left by the timetable
    assert ask(view, now=NOW + timedelta(minutes=6)).real_time_age_s == 360


def test_a_late_vehicle_is_still_on_the_board(view: View) -> None:
    late(view, "E1", 1, 600, NOW + timedelta(minutes=7))
    assert told(ask(view, now=NOW + timedelta(minutes=8), count=1)) == [("08:10", "1", "real_time")]


def test_an_older_word_does_not_undo_a_newer_one(view: View) -> None:
    late(view, "E1", 1, 240)
    late(view, "E1", 1, 0, NOW - timedelta(seconds=30))
    assert ask(view).departures[0].delay_s == 240


def test_a_cancelled_call_is_said_and_stays_on_the_board(view: View) -> None:
    say(view, "call_cancelled", 1, trip_id="E1", start_date="20261130", stop_sequence=1)
    board = ask(view)
    assert board.departures[0].cancelled
    assert words(board)[1] == "08:00 Metro 1 to East: cancelled at this stop."
    assert words(board, "en", spoken=True)[1] == "Metro 1 to East, due at 8 hours 0, does not come."
    say(view, "call_cancelled", 0, NOW + timedelta(seconds=5), trip_id="E1", start_date="20261130", stop_sequence=1)
    assert not ask(view).departures[0].cancelled


def learn(view: View, trip: str, sequence: int, delays: list[float], hour: int) -> None:
    """Delays of as many days, each settled by a later word."""
    for number, delay in enumerate(delays):
        day = datetime(2026, 10, 1, tzinfo=ZONE) + timedelta(days=number)
        late(view, trip, sequence, delay, day + timedelta(hours=hour), f"{day:%Y%m%d}")
        late(view, trip, sequence, delay, day + timedelta(hours=23), f"{day:%Y%m%d}")


def test_delays_are_learned_by_route_and_hour_once_each(view: View) -> None:
    learn(view, "E1", 1, [60.0 * n for n in range(21)], hour=8)
    [first] = ask(view, count=1).departures
    assert (first.certainty, first.low_s, first.high_s, first.seen, first.hour_alone) == (
        "learned",
        120,
        1080,
        21,
        True,
    )
    assert "8 of 10 were 2 to 18 min late (21 seen)" in words(ask(view))[1]
    [night] = ask(view, count=1, at="2026-11-30T20:00").departures
    assert (night.certainty, night.hour_alone) == ("learned", False)  # the same route at another hour


def test_a_cancelled_call_teaches_nothing(view: View) -> None:
    for number in range(25):
        day = datetime(2026, 10, 1, tzinfo=ZONE) + timedelta(days=number)
        say(
            view,
            "call_cancelled",
            1,
            day + timedelta(hours=8),
            trip_id="E1",
            start_date=f"{day:%Y%m%d}",
            stop_sequence=1,
        )
        late(view, "W1", 1, 0, day + timedelta(hours=8), f"{day:%Y%m%d}")
    assert ask(view, count=1).departures[0].certainty == "learned"  # of W1, the same route, alone
    assert ask(view, count=1).departures[0].seen == 24  # the newest is not over yet


def test_whether_a_change_holds_follows_from_both_delays(view: View) -> None:
    """08:05 at platform 1, two minutes on foot, 08:10 from platform 2: three minutes are left."""
    bus = lambda: next(one for one in ask(view, "M2", arriving="E1").departures if one.trip_id == "BUS")  # noqa: E731
    change = bus().change
    assert change is not None and (change.slack_s, change.holds_percent) == (180, None)
    assert "is not known; the timetable leaves 3 min" in "".join(words(ask(view, "M2", arriving="E1")))
    late(view, "E1", 2, 170)
    late(view, "BUS", 1, 0)
    assert (found := bus().change) is not None and found.holds_percent == 100
    late(view, "E1", 2, 190, NOW + timedelta(seconds=1))
    assert (found := bus().change) is not None and found.holds_percent == 0
    assert "You will most likely miss 7 at 08:10" in "".join(words(ask(view, "M2", arriving="E1")))


def test_a_learned_delay_makes_a_change_likely_or_not(view: View) -> None:
    learn(view, "E1", 2, [0.0] * 15 + [400.0] * 5, hour=8)
    late(view, "BUS", 1, 0)
    [bus] = [one for one in ask(view, "M2", arriving="E1").departures if one.trip_id == "BUS"]
    assert bus.change is not None and bus.change.holds_percent == 75


@pytest.mark.parametrize("at", ["soon", "0001-01-01T00:00", "9999-12-31T23:59"])
def test_a_time_of_no_timetable_is_refused(view: View, at: str) -> None:
    with pytest.raises(BadInput, match=at):
        ask(view, at=at)


def test_step_free_needs_stop_and_vehicle(view: View) -> None:
    assert {one.trip_id: one.step_free for one in ask(view, "MID").departures} == {"E1": "yes", "W1": "no", "BUS": "no"}
    assert ask(view, at="2026-11-30T20:00").departures[0].step_free == "unknown"  # nobody says it of the night train


def test_disruptions_are_told_until_they_are_over(view: View) -> None:
    say(view, "disruption", 1, alert_id="a", texts={"en": "The lift is broken.", "ko": "승강기가 고장 났습니다."})
    assert ask(view, "MID").disruptions == ({"en": "The lift is broken.", "ko": "승강기가 고장 났습니다."},)
    assert ask(view, "W").disruptions == ()
    say(view, "disruption", 0, NOW + timedelta(seconds=1), alert_id="a")
    assert ask(view, "MID").disruptions == ()


def test_it_is_said_in_korean_and_to_be_heard(view: View) -> None:
    late(view, "E1", 1, 240)
    assert (
        words(ask(view), "ko")[1]
        == "08:00 지하철 1, East 방면: 4분 늦어 08:04에 떠날 예정입니다. 휠체어로 타실 수 있습니다."
    )
    assert words(ask(view), "ko", spoken=True) == [
        "West 정류장입니다. 다음 출발편을 알려 드립니다.",
        "East 방면 지하철 1, 6분 뒤에 떠납니다.",
    ]


@pytest.mark.parametrize(
    ("parameters", "result"),
    [
        ({"trip_id": "NONE", "start_date": "20261130", "stop_sequence": 1}, 60),
        ({"trip_id": "E1", "start_date": "2026", "stop_sequence": 1}, 60),
        ({"trip_id": "E1", "start_date": "20261130", "stop_sequence": 99}, 60),
        ({"trip_id": "E1"}, 60),
        ({"trip_id": "E1", "start_date": "20261130", "stop_sequence": 1}, float("nan")),
    ],
)
def test_words_that_name_no_call_do_no_harm(view: View, parameters: dict[str, Any], result: float) -> None:
    say(view, "departure_delay", result, **parameters)
    assert told(ask(view, count=1)) == [("08:00", "1", "timetable")]


def test_a_stop_that_there_is_not_is_answered_with_names_like_it(view: View) -> None:
    with pytest.raises(NotFound, match="did you mean Middle"):
        ask(view, "Midle")
    with pytest.raises(NotFound, match="there is no trip 'X'"):
        ask(view, "M2", arriving="X")
    with pytest.raises(NotFound, match="does not arrive here"):
        ask(view, "W", arriving="BUS")
    for wrong, says in (
        ({"count": 0}, "1..40"),
        ({"stop": " "}, "give its stop_id"),
        ({"at": "soon"}, "2026-11-30T08:00"),
    ):
        with pytest.raises(BadInput, match=says):
            ask(view, **{"stop": "W", **wrong})


def test_one_name_of_several_stops_is_asked_by_id() -> None:
    stops = "stop_id,stop_name,stop_lat,stop_lon\nW,Twin,60.17,24.93\nM1,Twin,60.1701,24.94\nM2,Middle 2,60.1699,24.94\nE,East,60.17,24.95\n"
    with pytest.raises(NotFound, match="2 stops are called 'twin'; ask by stop_id: W, M1"):
        ask(open_view(stops=stops), "twin")


def test_a_moved_timetable_says_so(view: View) -> None:
    view.moved_weeks = 522
    assert words(ask(view))[-1] == "This timetable is one of the past, moved by 522 weeks for this demonstration."


def test_the_folder_is_an_answer() -> None:
    assert isinstance(load("stop_board"), LoadedAnswer)
    assert Departure.__doc__
