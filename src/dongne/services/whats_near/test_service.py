"""What whats_near promises to whoever asks what is going on around them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from math import nan
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, Location, Property, Thing, Unit, put
from dongne.model.errors import BadInput, NotFound
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, ObservationExtra, RecordKind, decode_batch
from dongne.model.times import to_us
from dongne.runtime.engine import decode_changes
from dongne.runtime.examples import read_example
from dongne.runtime.host import AnswerHost
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedAnswer, load
from dongne.runtime.words import read_words
from dongne.services.whats_near.near import Near, Place
from dongne.services.whats_near.places import bearing_deg, direction
from dongne.services.whats_near.service import WhatsNear
from dongne.services.whats_near.view import View
from dongne.services.whats_near.words import tell
from dongne.stores.embedded import EmbeddedStore

replace_fields = msgspec.structs.replace
FOLDER = Path(__file__).parent
ANSWER = WhatsNear()
NOW = datetime.fromisoformat("2026-11-22T18:15:00+00:00")
CHURCH = Place(24.9400, 60.1700)
KIND_WORDS = {"kind.street_lamp": "Lamp", "property.light_level": "light", "unit.%": "%"}


@pytest.fixture
def view() -> View:
    """The example's city, taken in as a running city does."""
    graph = ThingGraph()
    view = ANSWER.start(graph, {})
    for record in read_example(FOLDER / "example/records.jsonl", "whats_near", ()):
        if record.kind is RecordKind.ENTITIES:
            graph.apply(decode_changes(record.body))
            ANSWER.update(view, graph)
        else:
            ANSWER.update(view, decode_batch(record.body, record.count))
    return view


def ask(view: View, place: Place = CHURCH, now: datetime = NOW) -> Near:
    return ANSWER.answer(place, view, to_us(now))


def text(near: Near, language: str = "en", further: dict[str, str] | None = None) -> list[str]:
    words = {**read_words(FOLDER / f"texts/{language}.po"), **(further or {})}
    fill: Callable[..., str] = lambda key, **values: words[key].format(**values)  # noqa: E731
    return tell(near.sentences, words.get, fill, language)


def alert(state: str, name: str = "lamp_silent", **values: Any) -> CaseEvent:
    return CaseEvent(
        key="lamp_ahead/2/alert/lamp_silent/1", kind="alert", action="open" if state == "new" else "clear", name=name,
        time=NOW - timedelta(hours=2), thing=2, service="lamp_ahead", state=state, values=values,
    )  # fmt: skip


def test_the_nearest_comes_first(view: View) -> None:
    near = ask(view)
    assert [item.thing for item in near.items] == [1, 2, 3, 4]
    distances = [item.distance_m for item in near.items]
    assert distances == sorted(distances)


def test_the_newest_value_is_told_with_its_age(view: View) -> None:
    [value] = ask(view).items[0].values
    assert (value.property, value.result, value.unit, value.age_s) == ("light_level", 35.0, "%", 270.0)


def test_values_nobody_has_are_not_made_up(view: View) -> None:
    near = ask(view)
    assert 5 not in {item.thing for item in near.items}
    assert near.quiet == {"bench": 1}


def test_the_answer_is_told_in_plain_words(view: View) -> None:
    said = text(ask(view), "en", KIND_WORDS)
    assert said[0] == "Within 250 m, 4 places tell how they are now. The nearest first."
    assert said[1] == "Lamp: 2 of them; the nearest is right here."
    assert "Lamp at the church: light 35 % (4 min ago)" in said
    assert "Lamp at the corner: somebody is there. (5 min ago)" in said
    assert "Basket at the tram stop: fill level 91.5 % (3 h ago)" in said  # a key without a text is told by its word
    assert "Weather station: it rains, about 0.8 mm an hour. (15 min ago)" in said


def test_korean_says_the_same_in_polite_words(view: View) -> None:
    said = text(ask(view), "ko", {"kind.street_lamp": "가로등", "property.light_level": "밝기", "unit.%": "%"})
    assert said[0] == "둘레 250 m 안에 지금 값을 알려 주는 곳이 4곳 있습니다. 가까운 곳부터 말씀드릴게요."
    assert "교회 앞 가로등: 밝기 35 % (4분 전)" in said
    assert "Lamp at the corner: 사람이 있습니다. (5분 전)" in said  # it has no Korean name


def test_an_open_case_is_told_until_it_is_closed(view: View) -> None:
    ANSWER.update(view, alert("new", orders=2))
    [case] = ask(view).items[1].cases
    assert (case.case_key, case.age_s, case.values) == ("lamp_ahead.case.lamp_silent", 7200.0, {"orders": 2})
    words = {"lamp_ahead.case.lamp_silent": "The lamp does not answer. It was asked {orders} times."}
    assert "Please note. Lamp at the corner: The lamp does not answer. It was asked 2 times. (2 h ago)" in text(
        ask(view), "en", words
    )
    acknowledged = replace_fields(alert("acknowledged"), thing=None, service="", time=NOW, by="operator")
    ANSWER.update(view, acknowledged)
    [case] = ask(view).items[1].cases
    assert (case.state, case.age_s, case.values) == ("acknowledged", 7200.0, {"orders": 2})
    ANSWER.update(view, alert("cleared"))
    assert ask(view).items[1].cases == ()


def test_where_nothing_is_near_the_nearest_is_told(view: View) -> None:
    near = ask(view, Place(24.9400, 60.1735, 50.0))
    assert near.items == ()
    assert text(near)[:2] == [
        "Within 50 m nothing tells how it is now.",
        "The nearest is Car park north, 280 m to the north.",
    ]


@pytest.mark.parametrize("place", [Place(25.2, 60.17), Place(24.94, 59.0), Place(127.0, 37.5)])
def test_a_place_outside_is_told_the_citys_bounds(view: View, place: Place) -> None:
    with pytest.raises(NotFound, match=r"lon 24\.9390\.\.24\.9410 and lat 60\.1698\.\.60\.1760"):
        ask(view, place)


@pytest.mark.parametrize(
    ("field", "value"), [("lon", 181.0), ("lat", -91.0), ("lat", nan), ("radius_m", 5.0), ("radius_m", 5000.0)]
)
def test_a_question_out_of_range_names_field_and_range(field: str, value: float) -> None:
    with pytest.raises(BadInput, match=rf"{field} = .* out of .*; give {field}"):
        replace(CHURCH, **{field: value})


def test_simulated_and_replayed_values_say_so() -> None:
    graph, view = _one_basket({"simulated": True})
    ANSWER.update(view, _batch([1], [0], [50.0]))
    near = ask(view)
    assert near.items[0].values[0].simulated
    assert text(near)[-1] == "Simulated and not measured: 1 of these values."
    graph.apply([put(_stream({"origin": {"where": "Edinburgh", "what": "bins"}}))])
    assert text(ask(view))[-1] == "Some values were measured elsewhere (Edinburgh) and are replayed here."


@pytest.mark.parametrize("privacy", ["personal", "internal"])
def test_what_is_not_public_is_not_told(privacy: str) -> None:
    _, view = _one_basket({"privacy": privacy})
    ANSWER.update(view, _batch([1], [0], [50.0]))
    assert ask(view).items == ()


def test_a_result_which_is_no_number_is_told_as_it_is() -> None:
    _, view = _one_basket({})
    batch = _batch([1], [0], [nan])
    ANSWER.update(
        view, ObservationBatch(batch.datastream, batch.time_us, batch.result, {0: ObservationExtra(result="open")})
    )
    assert ask(view).items[0].values[0].result == "open"


def test_columns_taken_in_at_once_keep_what_one_by_one_keeps() -> None:
    """Late, doubled and equal times in any batches: the newest by phenomenonTime, of equal ones the later row."""
    chance = np.random.default_rng(7)
    streams, times = chance.integers(0, 200, 5_000).astype(np.int32), chance.integers(0, 500, 5_000)
    results = chance.random(5_000)
    view, wanted = View(ThingGraph()), {}
    for start in range(0, 5_000, 617):
        rows = slice(start, start + 617)
        ANSWER.update(view, ObservationBatch(streams[rows], times[rows], results[rows]))
    for stream, time, result in zip(streams.tolist(), times.tolist(), results.tolist(), strict=True):
        if stream not in wanted or time >= wanted[stream][0]:
            wanted[stream] = (time, result)
    assert {s: (int(view.time_us[s]), float(view.result[s])) for s in wanted} == wanted


def test_directions_are_those_of_the_compass() -> None:
    """The four quarters by construction, and a degree north and east of the equator by hand."""
    here = (24.94, 60.17)
    ways = {(24.94, 60.18): "north", (24.96, 60.17): "east", (24.94, 60.16): "south", (24.92, 60.17): "west"}
    assert {direction(here, there, 1000.0) for there in ways} == set(ways.values())
    assert all(direction(here, there, 1000.0) == word for there, word in ways.items())
    assert direction(here, here, 0.0) == "here"
    assert bearing_deg((0.0, 0.0), (1.0, 1.0)) == pytest.approx(45.0, abs=0.01)


def test_the_question_is_a_dataclass_the_pages_can_read() -> None:
    loaded = load("whats_near")
    assert isinstance(loaded, LoadedAnswer)
    assert loaded.question is Place
    assert msgspec.convert({"lon": "24.94", "lat": "60.17"}, Place, strict=False) == CHURCH


def test_the_answer_is_json(view: View) -> None:
    near = ask(view)
    assert msgspec.json.decode(msgspec.json.encode(near), type=Near) == near


def test_the_example_gives_its_recorded_answer(view: View) -> None:
    wanted = msgspec.json.decode((FOLDER / "example/expected.json").read_bytes())
    assert msgspec.json.decode(msgspec.json.encode(ask(view))) == wanted


class StoppedClock:
    """A clock that stands at NOW."""

    def now_us(self) -> int:
        return to_us(NOW)


def test_a_city_started_anew_knows_values_and_open_cases_of_before(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path / "city", StoppedClock())
    for record in read_example(FOLDER / "example/records.jsonl", "whats_near", ()):
        store.submit(Transaction([Entry(record.kind, record.body, record.count)])).result()
    opened = replace_fields(alert("", orders=2), action="open")
    store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(opened))])).result()
    loaded = load("whats_near")
    assert isinstance(loaded, LoadedAnswer)
    host = AnswerHost(store, loaded)
    near = host.ask(CHURCH)
    assert [item.thing for item in near.items] == [1, 2, 3, 4]
    assert [(c.state, c.values) for c in near.items[1].cases] == [("new", {"orders": 2})]
    closed = replace_fields(alert(""), action="clear", thing=None)
    store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(closed))])).result()
    assert host.ask(CHURCH).items[1].cases == ()
    store.close()


def _stream(properties: dict[str, Any]) -> Datastream:
    return Datastream(
        id=1, name="level", unit_of_measurement=Unit(symbol="%"), thing_id=1, sensor_id=1, observed_property_id=1,
        properties=properties,
    )  # fmt: skip


def _one_basket(properties: dict[str, Any]) -> tuple[ThingGraph, View]:
    point = {"type": "Point", "coordinates": [24.94, 60.17]}
    graph = ThingGraph(
        [
            Location(id=1, name="", location=point),
            Thing(id=1, name="Basket", properties={"kind": "waste_basket"}, location_ids=(1,)),
            Property(id=1, name="fill_level"),
            _stream(properties),
        ]
    )
    return graph, ANSWER.start(graph, {})


def _batch(streams: list[int], ages_s: list[int], results: list[float]) -> ObservationBatch:
    times = [to_us(NOW) - age * 1_000_000 for age in ages_s]
    return ObservationBatch(np.array(streams, np.int32), np.array(times, np.int64), np.array(results, np.float64))
