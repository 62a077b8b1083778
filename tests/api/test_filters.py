"""SQL against the naive meaning of the same filter, on a small city with values of every sort."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from tests.api.conftest import CITY, NOW, Client, StandingClock
from tests.api.naive import matches

from dongne.model.errors import BadInput
from dongne.model.times import to_us
from dongne.runtime.intake import Intake
from dongne.standards.sensorthings import matching
from dongne.standards.sensorthings.query import (
    Among,
    Arithmetic,
    Call,
    Compare,
    Duration,
    Expression,
    Instant,
    Interval,
    Literal,
    Logic,
    Negative,
    Not,
    Order,
    Path,
    Query,
    ResourcePath,
    Step,
)
from dongne.standards.sensorthings.schema import OBSERVATIONS
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, create_api

PLACE = {"name": "p", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [1, 2]}}
SELECT_ALL = "Datastream($expand=Thing)"


class City:
    """The small city: its selector, and its Observations and Things as documents with what they hang on."""

    def __init__(self, folder: FilePath) -> None:
        self.clock = StandingClock()
        self.store = EmbeddedStore.open(folder, self.clock)
        self.selector = Selector(self.store, self.store.history)
        self.client = Client(create_api(ApiContext(self.store, CITY, Intake(self.store), self.selector)))
        self._build()
        self.observations = self._all("Observations", SELECT_ALL)
        self.things = self._all("Things", None)

    def _build(self) -> None:
        results: list[Any] = [0, 1, -1, 2.5, 80.25, 1e9, "a", "Ab ", "", "한강", True, None, {"x": 1}, 3]
        times = [
            "2026-04-30T20:00:00Z",
            "2026-04-30T20:00:00.250Z",
            "2026-04-30T20:00:00Z/2026-04-30T21:00:00Z",
            "2026-04-30T22:30:00Z",
        ]
        parameters: list[Any] = [None, {"n": 1, "s": "a"}, {"n": "1", "s": None}, {"n": True}, {"n": 2.5, "s": "Ab "}]
        streams = [
            {
                "name": name,
                "unitOfMeasurement": {"name": None, "symbol": None, "definition": None},
                "Sensor": {"name": "s", "encodingType": "text/plain", "metadata": "m"},
                "ObservedProperty": {"name": f"any {name}", "definition": "https://example.org/any"},
                "Thing": {"name": f"Thing {name}", "properties": properties, "Locations": [PLACE]},
            }
            for name, properties in [("a", {"n": 1}), ("Ab ", {"n": 2.5, "s": "a"}), ("한강", {})]
        ]
        ids = [self.client.create("Datastreams", stream) for stream in streams]
        for row, result in enumerate(itertools.islice(itertools.cycle(results), 42)):
            sent = {
                "result": result,
                "phenomenonTime": times[row % len(times)],
                "resultTime": None if row % 3 else times[0],
                "parameters": parameters[row % len(parameters)],
                "validTime": None if row % 4 else times[2],
            }
            self.client.create(f"Datastreams({ids[row % 3]})/Observations", sent)

    def _all(self, name: str, expand: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.json(name, top="1000", **({"expand": expand} if expand else {}))[
            "value"
        ]
        return found

    def ids(self, name: str, query: Query) -> list[int]:
        """The ids that the SQL finds, in order."""
        page = self.selector.select(ResourcePath((Step(name),)), query)
        return [row.id for row in page.rows]  # type: ignore[union-attr]

    def close(self) -> None:
        self.client.close()
        self.selector.close()
        self.store.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    found = City(tmp_path_factory.mktemp("city"))
    yield found
    found.close()


# --- well-formed conditions on an Observation

NUMBERS: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        st.sampled_from([0, 1, -1, 2.5, 3, 80.25]).map(Literal),
        st.sampled_from([Path((), "id"), Path(("Datastream",), "id")]),
        st.sampled_from(["year", "month", "day", "hour", "minute", "second", "fractionalseconds"]).map(
            lambda name: Call(name, (Path((), "phenomenonTime"),))
        ),
        st.just(Call("length", (Path(("Datastream",), "name"),))),
    ),
    lambda inner: st.one_of(
        st.builds(Arithmetic, st.sampled_from(["add", "sub", "mul", "div", "mod"]), inner, inner),
        st.builds(Negative, inner),
        st.builds(lambda name, value: Call(name, (value,)), st.sampled_from(["round", "floor", "ceiling"]), inner),
    ),
    max_leaves=3,
)
JSON_NUMBERS = st.sampled_from(
    [Path((), "result"), Path((), "parameters", ("n",)), Path(("Datastream", "Thing"), "properties", ("n",))]
)
TEXTS: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        st.sampled_from(["", "a", "Ab ", "b", "한", "' or 1=1 --"]).map(Literal), st.just(Path(("Datastream",), "name"))
    ),
    lambda inner: st.one_of(
        st.builds(lambda name, value: Call(name, (value,)), st.sampled_from(["tolower", "toupper", "trim"]), inner),
        st.builds(lambda a, b: Call("concat", (a, b)), inner, inner),
        st.builds(
            lambda a, n, m: Call("substring", (a, Literal(n), Literal(m))), inner, st.integers(0, 3), st.integers(0, 3)
        ),
        st.builds(lambda a, n: Call("substring", (a, Literal(n))), inner, st.integers(0, 3)),
    ),
    max_leaves=3,
)
JSON_TEXTS = st.sampled_from([Path((), "parameters", ("s",)), Path(("Datastream", "Thing"), "properties", ("s",))])
INSTANTS = st.sampled_from([-16.0, -15.5, -15.0, -13.5, 0.0]).map(lambda h: to_us(NOW + timedelta(hours=h)))
INTERVALS: st.SearchStrategy[Expression] = st.one_of(
    st.tuples(INSTANTS, INSTANTS).map(lambda pair: Literal(Interval(*sorted(pair)))),
    st.sampled_from([Path((), "phenomenonTime"), Path((), "validTime")]),
)
TIMES: st.SearchStrategy[Expression] = st.one_of(
    INSTANTS.map(lambda us: Literal(Instant(us))),
    INTERVALS,
    st.just(Path((), "resultTime")),
    st.builds(
        lambda time, hours: Arithmetic("sub", time, Literal(Duration(hours * 3_600_000_000))),
        st.sampled_from([Call("now", ()), Path((), "resultTime")]),
        st.sampled_from([1, 15, 16]),
    ),
)
OPS = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
EQUAL = st.sampled_from(["eq", "ne"])
NULL = st.just(Literal(None))
SIMPLE: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Compare, OPS, NUMBERS, NUMBERS),
    st.builds(Compare, OPS, JSON_NUMBERS, NUMBERS),
    st.builds(Compare, OPS, NUMBERS, JSON_NUMBERS),
    st.builds(Compare, OPS, TEXTS, TEXTS),
    st.builds(Compare, OPS, JSON_TEXTS, TEXTS),
    st.builds(Compare, OPS, TIMES, TIMES),
    st.builds(Compare, EQUAL, st.one_of(JSON_NUMBERS, JSON_TEXTS, st.just(Path((), "resultTime"))), NULL),
    st.builds(
        Compare,
        EQUAL,
        st.sampled_from([Path((), "parameters", ("n",)), Path((), "result")]),
        st.booleans().map(Literal),
    ),
    st.builds(Among, JSON_NUMBERS, st.lists(NUMBERS, min_size=1, max_size=3).map(tuple)),
    st.builds(
        lambda name, a, b: Call(name, (a, b)),
        st.sampled_from(["substringof", "contains", "startswith", "endswith"]),
        TEXTS,
        TEXTS,
    ),
    st.builds(
        lambda name, a, b: Call(name, (a, b)),
        st.sampled_from(["before", "after", "meets", "overlaps", "starts", "finishes"]),
        TIMES,
        TIMES,
    ),
    st.builds(lambda a, b: Call("during", (a, b)), TIMES, INTERVALS),
)
CONDITIONS: st.SearchStrategy[Expression] = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(Logic, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(condition=CONDITIONS)
def test_sql_finds_what_the_filter_means(city: City, condition: Expression) -> None:
    expected = [one["@iot.id"] for one in city.observations if matches(condition, one, NOW)]
    assert city.ids("Observations", Query(filter=condition, top=1000)) == expected


def _value_at(path: Path, one: dict[str, Any]) -> Any:
    found: Any = one
    for step in (*path.navigations, {"id": "@iot.id"}.get(path.name, path.name), *path.steps):
        found = found.get(step) if isinstance(found, dict) else None
    return found


@settings(max_examples=250, deadline=None)
@given(condition=CONDITIONS)
def test_what_is_told_as_it_happens_is_what_sql_finds_later(city: City, condition: Expression) -> None:
    try:
        matching.check_matching(condition, OBSERVATIONS)
    except BadInput:
        reject()
    told = [
        one["@iot.id"]
        for one in city.observations
        if matching.matches(condition, OBSERVATIONS, lambda path, one=one: _value_at(path, one))
    ]
    assert told == city.ids("Observations", Query(filter=condition, top=1000))


KEYS = st.sampled_from(
    [
        Path((), "phenomenonTime"),
        Path((), "resultTime"),
        Path((), "id"),
        Path(("Datastream",), "name"),
        Path(("Datastream", "Thing"), "id"),
    ]
)


def _key(path: Path, one: dict[str, Any]) -> Any:
    found: Any = one
    for step in (*path.navigations, {"id": "@iot.id"}.get(path.name, path.name)):
        found = found[step]
    if path.name == "phenomenonTime":
        start = found.partition("/")[0]
        return start.replace("00Z", "00.000Z") if "." not in start else start
    return found


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.builds(Order, KEYS, st.booleans()), max_size=2, unique_by=lambda order: order.expression),
    top=st.integers(0, 12),
    skip=st.integers(0, 45),
)
def test_pages_come_in_order_with_what_is_missing_below_all_and_ties_by_id(
    city: City, keys: list[Order], top: int, skip: int
) -> None:
    ordered = sorted(city.observations, key=lambda one: one["@iot.id"])
    for order in reversed(keys):
        path = order.expression
        assert isinstance(path, Path)
        there = [one for one in ordered if _key(path, one) is not None]
        missing = [one for one in ordered if _key(path, one) is None]
        there.sort(key=lambda one, path=path: _key(path, one), reverse=order.descending)
        ordered = there + missing if order.descending else missing + there
    expected = [one["@iot.id"] for one in ordered][skip : skip + top]
    assert city.ids("Observations", Query(orderby=tuple(keys), top=top, skip=skip)) == expected


def test_a_filter_over_many_means_that_one_of_them_fits(city: City) -> None:
    def found(text: str) -> list[str]:
        return [one["name"] for one in city.client.json("Things", filter=text)["value"]]

    assert found("Datastreams/name eq 'a'") == ["Thing a"]
    assert found("Datastreams/Observations/result gt 1e8") == [
        f"Thing {name}"
        for name in ("a", "Ab ", "한강")
        if any(
            one["Datastream"]["name"] == name and isinstance(one["result"], int | float) and one["result"] > 1e8
            for one in city.observations
        )
    ]
    assert found("Datastreams/Observations/id gt 0 or properties/n eq 99") == ["Thing a", "Thing Ab ", "Thing 한강"]
    assert found("Datastreams/ObservedProperty/name eq 'any 한강' and properties/n eq null") == ["Thing 한강"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("result", None),
        ("result add 1", "not a condition"),
        ("Datastream/name gt 3", "compares a text with a number"),
        ("phenomenonTime gt 'yesterday'", "with the text 'yesterday'"),
        ("result gt null", "only be compared with eq and ne"),
        ("startswith(phenomenonTime,'a')", "is a time where a text is needed"),
        ("geo.distance(FeatureOfInterest/name,geography'POINT(1 1)') lt 5", "no place"),
        ("phenomenonTime gt now() add duration'P36525000D'", "years 1 to 9999"),
        ("date(phenomenonTime) eq 2026-02-30", "no day 2026-02-30"),
    ],
)
def test_a_filter_that_mixes_sorts_is_refused(city: City, text: str, says: str | None) -> None:
    response = city.client.get("/v1.1/Observations", params={"$filter": text})
    if says is None:
        assert response.status_code == 200
    else:
        assert response.status_code == 400
        assert says in response.json()["message"]


def test_quoted_numbers_and_times_are_taken_as_such(city: City) -> None:
    for plain, quoted in [
        ("result eq 2", "result eq '2'"),
        ("result ne 2", "result ne '2.0'"),
        ("phenomenonTime ge 2026-04-30T21:00:00Z", "phenomenonTime ge '2026-04-30T21:00:00Z'"),
    ]:
        numbers = [one["@iot.id"] for one in city.client.json("Observations", filter=plain, top="1000")["value"]]
        found = city.client.json("Observations", filter=quoted, top="1000")["value"]
        assert [
            one["@iot.id"] for one in found if type(one["result"]) in (int, float) or "phenomenonTime" in plain
        ] == numbers
