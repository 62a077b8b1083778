"""Query options and paths: what is read is what was meant, and what cannot be meant is refused with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dongne.model.errors import BadInput, NotFound
from dongne.standards.sensorthings.expressions import parse_filter
from dongne.standards.sensorthings.functions import FUNCTIONS
from dongne.standards.sensorthings.options import is_single, parse_path, parse_query, set_of
from dongne.standards.sensorthings.query import (
    Among,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Date,
    Duration,
    Expand,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Logic,
    Negative,
    Not,
    Order,
    Path,
    Query,
    Want,
    Within,
)
from dongne.standards.sensorthings.schema import DATASTREAMS, OBSERVATIONS, SETS, THINGS
from dongne.standards.sensorthings.text import expression_text, path_text, query_options

MOMENTS = st.integers(-10_000_000_000_000_000, 10_000_000_000_000_000)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    MOMENTS.map(Instant),
    st.tuples(MOMENTS, MOMENTS).map(lambda pair: Interval(*sorted(pair))),
    st.integers(-(10**15), 10**15).map(Duration),
    st.dates().map(lambda day: Date(day.isoformat())),
    st.sampled_from(["POINT (24.9 60.1)", "LINESTRING (0 0, 1 1)"]).map(Geometry),
)
PATHS = st.sampled_from(
    [
        Path((), "id"),
        Path((), "result"),
        Path((), "phenomenonTime"),
        Path((), "parameters", ("a", "b")),
        Path((), "parameters", ("list", "0")),
        Path(("Datastream",), "name"),
        Path(("Datastream", "Thing"), "properties", ("층", "floor")),
        Path(("Datastream", "Thing", "Locations"), "id"),
        Path(("FeatureOfInterest",), "feature"),
    ]
)


def _calls(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.sampled_from(sorted(FUNCTIONS)).flatmap(
        lambda name: st.tuples(*[inner] * len(FUNCTIONS[name][0][0])).map(lambda args: Call(name, args))
    )


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(VALUES.map(Literal), PATHS),
    lambda inner: st.one_of(
        st.builds(Compare, st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]), inner, inner),
        st.builds(Arithmetic, st.sampled_from(["add", "sub", "mul", "div", "mod"]), inner, inner),
        st.builds(Logic, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Among, inner, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Within, inner, st.just(Path((), "parameters", ("list",)))),
        st.builds(
            lambda op, value: AnyOf(("Datastream", "Thing", "Locations"), "l", Compare(op, *value)),
            st.sampled_from(["eq", "lt"]),
            st.tuples(st.just(Path((), "name", (), "l")), inner),
        ),
        st.builds(Not, inner),
        st.builds(Negative, inner),
        _calls(inner),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_a_filter_written_out_is_read_back_the_same(expression: Expression) -> None:
    assert parse_filter(expression_text(expression), OBSERVATIONS) == expression


def _queries(set_name: str, depth: int) -> st.SearchStrategy[Query]:
    here = SETS[set_name]
    conditions = st.builds(Compare, st.just("eq"), st.just(Path((), "id")), st.integers(0, 99).map(Literal))
    expands = (
        st.just(())
        if depth == 0
        else st.lists(
            st.sampled_from(sorted(here.navigations)).flatmap(
                lambda name: st.builds(Expand, st.just(name), _queries(here.navigations[name].target, depth - 1))
            ),
            max_size=2,
            unique_by=lambda expand: expand.navigation,
        ).map(tuple)
    )
    return st.builds(
        Query,
        filter=st.none() | conditions,
        orderby=st.lists(st.builds(Order, st.just(Path((), "id")), st.booleans()), max_size=2).map(tuple),
        top=st.none() | st.integers(0, 1000),
        skip=st.integers(0, 1000),
        count=st.booleans(),
        select=st.lists(st.sampled_from(["id", *here.properties]), max_size=3, unique=True).map(tuple),
        expand=expands,
    )


@settings(max_examples=150, deadline=None)
@given(_queries("Things", 2))
def test_a_query_written_out_is_read_back_the_same(query: Query) -> None:
    assert parse_query(query_options(query), THINGS) == query


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "result",
                "eq",
                "(",
                ")",
                "'",
                "not",
                "and",
                "5",
                "-",
                "/",
                "Datastream",
                ",",
                "now()",
                "in",
                "2026-01-01",
                " ",
                "é",
            ]
        ),
        max_size=25,
    ).map(" ".join)
)
def test_no_text_makes_the_parser_do_more_than_refuse(text: str) -> None:
    for option in ("$filter", "$orderby", "$expand", "$select", "$top", "$count"):
        try:
            parse_query([(option, text)], OBSERVATIONS)
        except BadInput as error:
            assert error.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("result eq 'x", "position 10"),
        ("result gt", "position 9"),
        ("nope eq 3", "'nope'; it has: id, phenomenonTime"),
        ("foo(3)", "no function 'foo'"),
        ("result eq 1 2", "position 12"),
        ("startswith(Datastream/name)", "takes 2 arguments, not 1"),
        ("phenomenonTime gt 2026-01-01T00:00:00", "has no time zone; add Z"),
        ("Datastream eq 4", "such as Datastream/id"),
        ("result eq 1e999", "too large"),
        ("(" * 100 + "1" + ")" * 100, "deeper than"),
        ("not " * 100 + "true", "deeper than"),
        (" or ".join(["result eq 1"] * 500), "400 terms"),
        ("a" * 9000, "9000 characters"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_place_and_what_helps(text: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_filter(text, OBSERVATIONS)
    assert says in refused.value.message


def test_and_binds_closer_than_or_and_a_product_closer_than_a_sum() -> None:
    one, two, three = (Compare("eq", Path((), "result"), Literal(n)) for n in (1, 2, 3))
    assert parse_filter("result eq 1 or result eq 2 and result eq 3", OBSERVATIONS) == Logic(
        "or", (one, Logic("and", (two, three)))
    )
    assert parse_filter("1 add 2 mul 3 sub 4 eq 3", OBSERVATIONS) == Compare(
        "eq",
        Arithmetic("sub", Arithmetic("add", Literal(1), Arithmetic("mul", Literal(2), Literal(3))), Literal(4)),
        Literal(3),
    )


def test_times_are_instants_whatever_their_zone() -> None:
    spelled = [
        "2026-05-01T10:30:00Z",
        "2026-05-01T12:30:00+02:00",
        "2026-05-01T12:30:00 02:00",
        "2026-05-01T10:30:00.000000Z",
    ]
    assert len({expression_text(parse_filter(f"phenomenonTime eq {text}", OBSERVATIONS)) for text in spelled}) == 1


def test_expansions_of_one_navigation_become_one() -> None:
    text = "Thing/Locations,Observations($top=1),Thing($select=name),Thing/Datastreams/Sensor"
    (thing, observations) = parse_query([("$expand", text)], DATASTREAMS).expand
    assert thing.query.select == ("name",)
    assert [inner.navigation for inner in thing.query.expand] == ["Locations", "Datastreams"]
    assert observations == Expand("Observations", Query(top=1))
    with pytest.raises(BadInput, match="given twice"):
        parse_query([("$expand", "Thing($select=name),Thing($select=id)")], DATASTREAMS)


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("$top", "-1", "whole number"),
        ("$top", "9999999999", "whole number"),
        ("$top", "٣", "whole number"),
        ("$skip", "1.5", "whole number"),
        ("$count", "yes", "neither true nor false"),
        ("$select", "result,nope", "'nope'"),
        ("$expand", "Things", "'Things'"),
        ("$expand", "Datastream($filter=name eq 'a'", "')'"),
        ("$expand", "Datastream($nope=1)", "'$nope'"),
        ("$expand", "Datastream/" + "/".join(["Thing", "Datastreams"] * 4), "deeper than 6"),
        ("top", "3", "no option 'top'"),
    ],
)
def test_a_wrong_option_is_refused(option: str, text: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_query([(option, text)], OBSERVATIONS)
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("text", "leads_to", "single"),
    [
        ("Things", "Things", False),
        ("Things(1)/Datastreams(2)/Observations", "Observations", False),
        ("Observations(1)/Datastream/Thing/Locations(3)", "Locations", True),
        ("Things(1)/Datastreams/$ref", "Datastreams", False),
        ("Things(1)/properties/a/b/$value", "Things", True),
        ("Datastreams(1)/unitOfMeasurement/name", "Datastreams", True),
    ],
)
def test_a_path_is_read_and_written_back(text: str, leads_to: str, single: bool) -> None:
    path = parse_path(text)
    assert (set_of(path).name, is_single(path), path_text(path)) == (leads_to, single, text)


def test_a_path_says_what_is_wanted_at_its_end() -> None:
    assert parse_path("Things(1)/name").want is Want.PROPERTY
    assert parse_path("Things(1)/name/$value").want is Want.VALUE
    assert parse_path("Things/$ref").want is Want.REFERENCES


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Things/Datastreams", BadInput),
        ("Things(x)", BadInput),
        ("Things('1')", BadInput),
        ("Things(1 or 1=1)", BadInput),
        ("Datastreams(1)/Thing(3)", BadInput),
        ("Things(1)/$value", BadInput),
        ("Things(1)/name/$ref", BadInput),
        ("Things" + "(1)/Datastreams(1)/Thing" * 8, BadInput),
        ("Nothing", NotFound),
        ("Things(1)/Nothing", NotFound),
        ("Things(1)/name/inside", NotFound),
        ("Things(99999999999999999999)", NotFound),
        ("Things(1);drop table things", NotFound),
        ("", NotFound),
    ],
)
def test_a_wrong_path_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_path(text)
