"""What calm_walk promises to whoever walks."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
import shapely

from dongne.adapters.osm_places import read_places
from dongne.adapters.osm_walking import read_walk_network
from dongne.methods.place_search import PlaceSearch
from dongne.methods.walk_directions import Step, Way
from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, Property, Unit, put
from dongne.model.errors import BadInput, NotFound, RetryLater
from dongne.model.geometry import distance_m
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, RecordKind, decode_batch
from dongne.model.times import to_us
from dongne.runtime.answer import Layers
from dongne.runtime.engine import decode_changes
from dongne.runtime.examples import read_example
from dongne.runtime.manifest import define_case_kinds
from dongne.runtime.registry import LoadedAnswer, load
from dongne.services.calm_walk.said import say_step
from dongne.services.calm_walk.service import CalmWalk, View
from dongne.services.calm_walk.walk import Routes, Walk
from dongne.web.names import Names
from dongne.web.telling import tell
from dongne.web.texts import Texts

FOLDER = Path(__file__).parent
ANSWER = CalmWalk()
NOON = datetime.fromisoformat("2026-05-04T11:30:00+00:00")  # by day; the counter's last hour began at 10
NIGHT = datetime.fromisoformat("2026-05-04T22:30:00+00:00")
WEST, EAST = "25.0000,60.0000", "25.0060,60.0000"
TEXTS = Texts.load(ZoneInfo("Europe/Helsinki"), strict=True)


@pytest.fixture(scope="session")
def layers() -> Layers:
    town = FOLDER / "example/town.osm"
    return {"walk_network": read_walk_network(town), "places": PlaceSearch(read_places(town))}


@pytest.fixture
def empty(layers: Layers) -> View:
    """The example's town before anything is counted."""
    define_case_kinds()
    graph = ThingGraph()
    for record in read_example(FOLDER / "example/records.jsonl", "calm_walk", ()):
        if record.kind is RecordKind.ENTITIES:
            graph.apply(decode_changes(record.body))
    return ANSWER.start(graph, layers)


@pytest.fixture
def view(empty: View) -> View:
    """The same with a full main street, as the example has it."""
    for record in read_example(FOLDER / "example/records.jsonl", "calm_walk", ()):
        if record.kind is RecordKind.OBSERVATIONS:
            ANSWER.update(empty, decode_batch(record.body, record.count))
    return empty


def ask(
    view: View, start: str = WEST, end: str = EAST, profile: str = "calm", now: datetime = NOON, **more: Any
) -> Routes:
    asked = Walk(start, end, profile, **more)
    for work in (ANSWER.refresh(view, to_us(now)), ANSWER.prepare(asked, view, to_us(now))):
        if work is not None:
            work()
    return ANSWER.answer(asked, view, to_us(now))


def streets(found: Routes, number: int = 0) -> list[str]:
    return [one.name for one in found.routes[number].directions[:-1]]


def said(found: Routes, language: str = "en", number: int = 0) -> list[str]:
    """What the first route spares, and what there is to say of all."""
    words = TEXTS.words(language)
    return tell(words, Names(ThingGraph(), words), [*found.routes[number].spares, *found.sentences], {})


def closure(action: str, state: str, thing: int | None = 1) -> CaseEvent:
    return CaseEvent(
        key="calm_walk/1/closure/closure/1", kind="closure", action=action, name="closure", time=NOON, thing=thing, service="calm_walk", state=state,
    )  # fmt: skip


# --- crowds


def test_a_calm_walk_leaves_a_full_street_and_says_what_that_costs_and_spares(view: View) -> None:
    found = ask(view)
    assert streets(found) == ["", "Back Lane", ""]
    assert [(route.role, route.length_m) for route in found.routes] == [("advised", 511), ("fastest", 334)]
    assert found.routes[0].crowd_percent < found.routes[1].crowd_percent / 2
    assert said(found)[:2] == ["2 min longer than the fastest", "hardly anybody about"]


def test_a_fast_walk_takes_the_full_street(view: View) -> None:
    assert streets(ask(view, profile="fast")) == ["Main Street"]


def test_without_counts_nothing_is_said_of_crowds(empty: View) -> None:
    found = ask(empty)
    assert streets(found) == ["Main Street"] and found.crowd_from == ()
    assert said(found) == [
        "the fastest way",
        "Nobody counts people here now, so these ways were chosen without knowing the crowd.",
    ]


def test_a_count_is_taken_for_what_is_until_three_hours_after_its_hour_began(view: View) -> None:
    assert ask(view, now=NOON + timedelta(minutes=89)).crowd_from == ("here",)
    assert ask(view, now=NOON + timedelta(minutes=91)).crowd_from == ()


def with_streams(view: View, counting: dict[str, Any]) -> None:
    """A forecast beside the counter, whose Datastream says more of itself."""
    stream = next(iter(view.live.graph.datastreams.values()))
    forecast = Datastream(
        id=77, name="forecast", unit_of_measurement=Unit(symbol="{person}/h"), thing_id=1, sensor_id=stream.sensor_id, observed_property_id=77,
    )  # fmt: skip
    changed = msgspec.structs.replace(stream, properties={**stream.properties, **counting})
    view.live.graph.apply([put(Property(id=77, name="pedestrians_forecast")), put(forecast), put(changed)])
    ANSWER.update(view, view.live.graph)


def test_the_crowd_is_that_of_when_one_gets_there(view: View) -> None:
    """Counted full until eleven; the forecast is that it is empty by two."""
    with_streams(view, {})
    hours = [to_us(NOON) // 3_600_000_000 * 3_600_000_000 + number * 3_600_000_000 for number in range(4)]
    ANSWER.update(
        view, ObservationBatch(np.full(4, 77, np.int32), np.array(hours), np.array([7200.0, 3000.0, 10.0, 10.0]))
    )
    assert streets(ask(view)) == ["", "Back Lane", ""]
    later = ask(view, when=NOON + timedelta(hours=2, minutes=30))
    assert streets(later) == ["Main Street"]
    assert said(later)[-1] == "What you will meet on the way is taken from the forecast of the next hours."


def test_prices_of_a_later_time_are_made_beside_and_kept_for_the_next_who_asks(view: View) -> None:
    def prepare(minutes: int) -> bool:
        work = ANSWER.prepare(Walk(WEST, EAST, when=NOON + timedelta(minutes=minutes)), view, to_us(NOON))
        if work is not None:
            work()
        return work is not None

    assert not prepare(0)
    assert not prepare(29)  # kept up anyhow
    assert prepare(120)
    assert not prepare(134)
    assert prepare(300)
    assert not prepare(120)  # both are kept
    ask(view, when=NOON + timedelta(hours=2))
    ANSWER.update(view, closure("open", "closed_off"))
    assert prepare(120)
    for hours in (1, 2, 3, 4, 5):
        assert prepare(60 * hours) is (hours != 2)
    assert prepare(60)  # asked for longest ago


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        (
            {"origin": {"where": "Auckland"}},
            "How crowded it is was measured in Auckland and is replayed here; it was not measured on these streets.",
        ),
        ({"simulated": True}, "How crowded it is was simulated and not measured."),
        ({}, "How crowded it is comes from counters here; between them it is estimated."),
    ],
)
def test_from_where_the_crowd_is_known_is_said(view: View, properties: dict[str, Any], sentence: str) -> None:
    with_streams(view, properties)
    assert sentence in said(ask(view))


def test_advice_is_spread_over_ways_that_are_as_good(empty: View) -> None:
    """A hundred people who ask at once are not all sent along one way where another is nearly as good; each still gets a good one."""
    first = {tuple(streets(ask(empty, "25.0000,60.0004", "25.0060,60.0004"))) for _ in range(3000)}
    assert len(first) == 2


# --- darkness, steps, closures


def test_a_lit_walk_leaves_the_dark_lane_by_night_and_not_by_day(view: View) -> None:
    assert streets(ask(view, profile="lit", now=NIGHT)) == ["Main Street"]
    found = ask(view, "25.0000,60.0008", "25.0060,60.0008", "lit", now=NIGHT)
    assert streets(found) == ["", "Main Street", ""] and found.routes[0].dark_m == 0
    assert "no dark stretch" in said(found)
    assert streets(ask(view, "25.0000,60.0008", "25.0060,60.0008", "lit")) == ["Back Lane"]


@pytest.mark.parametrize(("profile", "steps"), [("fast", 60), ("step_free", 0), ("pram", 0)])
def test_steps_are_for_those_who_take_them(empty: View, profile: str, steps: int) -> None:
    route = ask(empty, WEST, "Terrace Café", profile).routes[0]
    assert route.steps == steps
    assert any(one.way == "steps" for one in route.directions) == bool(steps)


def test_no_walk_leads_over_what_is_closed_until_it_is_open_again(empty: View) -> None:
    ANSWER.update(empty, closure("open", "closed_off"))
    found = ask(empty, profile="fast")
    assert streets(found) == ["", "Back Lane", ""] and found.closures == (1,)
    assert said(found)[-1] == "One closed way is kept out."
    ANSWER.update(empty, closure("open_again", "reopened", thing=None))
    assert streets(ask(empty, profile="fast")) == ["Main Street"]


def test_a_question_between_a_closure_and_its_prices_is_not_sent_over_it(empty: View) -> None:
    ask(empty)
    ANSWER.update(empty, closure("open", "closed_off"))
    with pytest.raises(RetryLater, match="just been closed"):
        ANSWER.answer(Walk("25.0010,60.0000", "25.0020,60.0000", "fast"), empty, to_us(NOON))


def test_another_sort_of_case_closes_nothing(empty: View) -> None:
    ANSWER.update(empty, msgspec.structs.replace(closure("open", "new"), kind="work_order"))
    assert ask(empty).closures == ()


# --- places and errors


@pytest.mark.parametrize("text", ["West Station", "west", "서역", "25.0000,60.0000", " 25.0 , 60.0 "])
def test_a_place_is_a_name_in_any_language_or_a_pair_of_degrees(empty: View, text: str) -> None:
    found = ask(empty, text, "Main Street 7")
    assert (found.start.lon, found.start.lat) == pytest.approx((25.0, 60.0), abs=1e-5)
    assert found.end.name == "Main Street 7" and found.start.asked == text


@pytest.mark.parametrize(
    ("start", "end", "reason", "says"),
    [
        ("West Statoin", EAST, "unknown_place", "alike: West Station"),
        (WEST, "Zzyzx", "unknown_place", "give another name"),
        (WEST, "126.9,37.5", "no_way_near", r"lon 25\.0000\.\.25\.0060 and lat 59\.9996\.\.60\.0100"),
        (
            WEST,
            "Island Museum",
            "not_connected",
            r"the nearest place that is: lon = 25\.00200, lat = 60\.00080, .* near Back Lane",
        ),
    ],
)
def test_a_place_one_cannot_walk_to_is_told_why_and_what_is_nearest(
    empty: View, start: str, end: str, reason: str, says: str
) -> None:
    with pytest.raises(NotFound, match=says) as caught:
        ask(empty, start, end)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"start": " "}, "start is empty"), ({"end": "x" * 121}, "end is longer"), ({"start": "25.0,160.0"}, "lon first"),
        ({"start": EAST}, "same place"), ({"when": NOON + timedelta(hours=7)}, r"out of 2026-05-04T10:30.*\.\.2026-05-04T17:30"),
        ({"when": datetime.fromisoformat("2026-05-04T12:00")}, "does not say its zone"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_told_what_to_mend(empty: View, question: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        ask(empty, **question)


def test_an_unknown_profile_is_told_those_there_are(empty: View) -> None:
    with pytest.raises(NotFound, match="profiles: fast, calm, step_free, lit, pram"):
        ask(empty, profile="scenic")


# --- what is handed out


def test_the_line_leads_from_start_to_end_and_is_as_long_as_said(view: View) -> None:
    found = ask(view, "25.0012,60.0001", "25.0047,60.0009")
    for route in found.routes:
        line = [tuple(point) for point in msgspec.json.decode(route.geometry.coordinates)]
        assert line[0] == (found.start.lon, found.start.lat) and line[-1] == (found.end.lon, found.end.lat)
        assert sum(distance_m(a, b) for a, b in pairwise(line)) == pytest.approx(route.length_m, abs=2)
        assert sum(one.length_m for one in route.directions) == pytest.approx(route.length_m, abs=len(route.directions))
        assert sum(one.duration_s for one in route.directions) == pytest.approx(
            route.duration_s, abs=len(route.directions)
        )
    assert found.start.away_m == 11


def test_each_turn_lies_on_the_line_to_the_last_digit(layers: Layers) -> None:
    """Also where a coordinate lies just between two that are written."""
    network = layers["walk_network"]
    odd = replace(network, node_lon=network.node_lon + 5e-7, shape_lon=network.shape_lon + 5e-7)
    view = ANSWER.start(ThingGraph(), {**layers, "walk_network": odd})
    for end in (EAST, "Terrace Café"):
        for route in ask(view, end=end).routes:
            line = msgspec.json.decode(route.geometry.coordinates)
            assert all([one.lon, one.lat] in line for one in route.directions)


@pytest.mark.parametrize(
    ("language", "crossings", "text"),
    [
        ("en", 1, "Turn left and follow Kaivokatu for about 150 m. You cross one street on the way."),
        ("en", 3, "Turn left and follow Kaivokatu for about 150 m. You cross 3 streets on the way."),
        ("ko", 1, "왼쪽으로 돌아 Kaivokatu를 따라 약 150 m 걸으세요. 가는 동안 길을 한 번 건넙니다."),
    ],
)
def test_streets_crossed_on_the_way_are_told_with_it(language: str, crossings: int, text: str) -> None:
    step = Step("left", Way.STREET, "Kaivokatu", 142.0, 110.0, 0.0, 0.0, 1, crossings=crossings)
    words = TEXTS.words(language)
    assert tell(words, Names(ThingGraph(), words), [say_step(step)], {}) == [text]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_all_it_says_has_words(view: View, language: str) -> None:
    ANSWER.update(view, closure("open", "closed_off", thing=2))
    for profile in ("fast", "calm", "step_free", "lit", "pram"):
        for end in (EAST, "Terrace Café"):
            found = ask(view, end=end, profile=profile)
            words = TEXTS.words(language)
            for route in found.routes:
                told = tell(words, Names(ThingGraph(), words), [d.said for d in route.directions], {})
                assert len(told) == len(route.directions) and "{" not in " ".join(told)
            assert "{" not in " ".join(said(found, language))


def test_korean_particles_fit_the_names(view: View) -> None:
    words = TEXTS.words("ko")
    told = tell(
        words, Names(ThingGraph(), words), [one.said for one in ask(view, profile="fast").routes[0].directions], {}
    )
    assert told == ["Main Street를 따라 동쪽으로 약 350 m 걸으세요.", f"{EAST}에 도착했습니다."]


def test_the_question_is_a_dataclass_the_pages_can_read() -> None:
    loaded = load("calm_walk")
    assert isinstance(loaded, LoadedAnswer) and loaded.question is Walk and loaded.reply is Routes
    asked = {"start": "a", "end": "b", "when": "2026-05-04T12:00:00+02:00"}
    assert msgspec.convert(asked, Walk, strict=False) == Walk(
        "a", "b", when=datetime.fromisoformat("2026-05-04T10:00:00+00:00")
    )


def test_the_example_gives_its_recorded_answer(view: View) -> None:
    wanted = msgspec.json.decode((FOLDER / "example/expected.json").read_bytes())
    assert msgspec.json.decode(msgspec.json.encode(ask(view))) == wanted


# --- calm places


def near(view: View, minutes: int, profile: str = "calm", start: str = WEST) -> dict[str, int]:
    """Names of the calm places and the seconds to them."""
    work = ANSWER.refresh(view, to_us(NOON))
    if work is not None:
        work()
    found = ANSWER.answer(Walk(start, profile=profile, within_min=minutes), view, to_us(NOON))
    assert found.reach is not None and found.routes == () and found.end is None
    return {one.name: one.duration_s for one in found.reach.places}


def test_calm_places_are_those_one_reaches_in_time_for_whom_one_asks(empty: View) -> None:
    """167 m along the street and 44 m of steps; without steps 334 m and 173 m of ramp, at 1 m/s."""
    assert near(empty, 2) == {}
    assert near(empty, 5) == {"Terrace Café": pytest.approx(192, abs=3)}
    assert near(empty, 8, "step_free") == {}
    assert near(empty, 9, "step_free") == {"Terrace Café": pytest.approx(507, abs=3)}


def test_times_to_places_are_those_of_the_walks_there(empty: View) -> None:
    for profile in ("fast", "step_free"):
        walk = ask(empty, WEST, "Terrace Café", profile)
        assert near(empty, 30, profile)["Terrace Café"] == pytest.approx(walk.routes[0].duration_s, abs=2)


def test_the_area_holds_where_one_stands_and_grows_with_the_minutes(empty: View) -> None:
    ask(empty)
    areas = []
    for minutes in (1, 3, 6):
        reach = ANSWER.answer(Walk(WEST, within_min=minutes), empty, to_us(NOON)).reach
        assert reach is not None
        areas.append(shapely.from_geojson(bytes(reach.area)))
    assert all(area.is_valid and area.covers(shapely.Point(25.0, 60.0)) for area in areas)
    assert areas[0].area < areas[1].area < areas[2].area


@pytest.mark.parametrize("minutes", [0, 31, -1])
def test_minutes_out_of_range_are_told_the_range(minutes: int) -> None:
    with pytest.raises(BadInput, match=r"1\.\.30"):
        Walk(WEST, within_min=minutes)
