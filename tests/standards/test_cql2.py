"""CQL2: what is read, what is refused, and what a condition means, against DuckDB, a regular expression and Allen's relations."""

import contextlib
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from dongne.model.errors import BadInput
from dongne.standards.cql2.document import parse_document
from dongne.standards.cql2.evaluate import Sort, is_like, make_condition, names_in
from dongne.standards.cql2.text import parse_text
from dongne.standards.cql2.words import TEMPORAL

SORTS = {
    "name": Sort.TEXT, "level": Sort.NUMBER, "lit": Sort.BOOL, "at": Sort.TIME, "until": Sort.TIME, "geometry": Sort.GEOMETRY,
    "mixed": Sort.ANY,
}  # fmt: skip


@dataclass
class Thing:
    values: dict[str, Any]
    shape: Any = None


ROWS = [
    {"name": name, "level": level, "lit": lit}
    for name, level, lit in itertools.product(
        (None, "Lamp 1", "lamp 2", "O'Hara", "100%", "a_b"), (None, -1.5, 0, 3, 80), (None, True, False)
    )
]


def holds(text: str, values: dict[str, Any], shape: Any = None) -> bool | None:
    return make_condition(parse_text(text), SORTS)(Thing(values, shape))


@pytest.mark.parametrize(
    "text",
    [
        "level > 3", "level = 3", "level <> 3", "level <= -1.5", "0 < level", "name = 'O''Hara'", "lit = TRUE", "lit",
        "NOT lit", "level BETWEEN 0 AND 3", "level not between 0 and 3", "level IN (0, 80)", "name NOT IN ('Lamp 1','a_b')",
        "name LIKE 'Lamp%'", "name like '_amp _'", "name NOT LIKE '%a%'", "level IS NULL", "name IS NOT NULL",
        "level > 1 AND name LIKE 'L%' OR lit", "level > 1 and (name like 'L%' or lit)", "not (level > 1 and lit)",
        "NOT level > 1 OR lit = false", "level IS NULL OR level >= 80 AND NOT lit IS NULL", "\"level\" >= 8e1",
    ],
)  # fmt: skip
def test_conditions_mean_what_sql_means_by_them(text: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t (n integer, name varchar, level double, lit boolean)")
        connection.executemany("insert into t values (?, ?, ?, ?)", [[n, *row.values()] for n, row in enumerate(ROWS)])
        expected = [found for (found,) in connection.execute(f"select ({text}) from t order by n").fetchall()]
    assert [holds(text, row) for row in ROWS] == expected
    assert True in expected and False in expected


PLACE = {"type": "Point", "coordinates": [24.94, 60.17]}
SAME = [
    ("level > 3", {"op": ">", "args": [{"property": "level"}, 3]}),
    ("name LIKE 'La%'", {"op": "like", "args": [{"property": "name"}, "La%"]}),
    ("CASEI(name) = 'x'", {"op": "=", "args": [{"op": "casei", "args": [{"property": "name"}]}, "x"]}),
    ("level BETWEEN 1 AND 2.5", {"op": "between", "args": [{"property": "level"}, 1, 2.5]}),
    ("level IN (1,2)", {"op": "in", "args": [{"property": "level"}, [1, 2]]}),
    ("name IS NULL", {"op": "isNull", "args": [{"property": "name"}]}),
    (
        "NOT lit = true AND level < 1",
        {"op": "and", "args": [
            {"op": "not", "args": [{"op": "=", "args": [{"property": "lit"}, True]}]},
            {"op": "<", "args": [{"property": "level"}, 1]},
        ]},
    ),
    ("S_INTERSECTS(geometry, POINT(24.94 60.17))", {"op": "s_intersects", "args": [{"property": "geometry"}, PLACE]}),
    ("S_WITHIN(geometry, BBOX(24,60,25,61))", {"op": "s_within", "args": [{"property": "geometry"}, {"bbox": [24, 60, 25, 61]}]}),
    ("at > TIMESTAMP('2026-05-01T08:30:00Z')", {"op": ">", "args": [{"property": "at"}, {"timestamp": "2026-05-01T08:30:00Z"}]}),
    ("T_DURING(at, INTERVAL('2026-05-01','..'))", {"op": "t_during", "args": [{"property": "at"}, {"interval": ["2026-05-01", ".."]}]}),
    (
        "T_INTERSECTS(INTERVAL(at, until), DATE('2026-05-01'))",
        {"op": "t_intersects", "args": [{"interval": [{"property": "at"}, {"property": "until"}]}, {"date": "2026-05-01"}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "document"), SAME)
def test_text_and_json_say_the_same(text: str, document: Any) -> None:
    assert parse_text(text) == parse_document(json.dumps(document))
    make_condition(parse_text(text), SORTS)


@given(st.text("ab%_\\", max_size=8), st.text("ab%_\\", max_size=10))
def test_patterns_fit_as_a_regular_expression_says(pattern: str, text: str) -> None:
    parts = re.findall(r"\\.|\\$|[^\\]", pattern)
    expected = "".join(
        ""
        if p == "\\"
        else re.escape(p[1])
        if p[0] == "\\"
        else ".*"
        if p == "%"
        else "."
        if p == "_"
        else re.escape(p)
        for p in parts
    )
    assert is_like(text, pattern) == bool(re.fullmatch(expected, text, re.DOTALL))


def test_a_pattern_with_many_gaps_takes_no_longer_than_its_letters_times_those_of_the_text() -> None:
    assert not is_like("a" * 2_000, "%a" * 500 + "b")  # would outlast any patience if each gap were tried for itself


ALLEN = TEMPORAL - {"t_intersects", "t_disjoint"}
INSTANTS = [f"2026-05-0{day}T00:00:00Z" for day in range(1, 7)]
INTERVALS = list(itertools.combinations(INSTANTS, 2))


def test_two_intervals_are_in_exactly_one_of_allens_relations_and_the_converse_is_its_mirror() -> None:
    mirrors = {
        "t_after": "t_before", "t_contains": "t_during", "t_finishes": "t_finishedby", "t_meets": "t_metby",
        "t_overlaps": "t_overlappedby", "t_starts": "t_startedby", "t_equals": "t_equals",
    }  # fmt: skip
    mirrors |= {other: name for name, other in mirrors.items()}
    for one, other in itertools.product(INTERVALS, INTERVALS):

        def holding(a: tuple[str, str], b: tuple[str, str]) -> list[str]:
            said = f"(INTERVAL('{a[0]}','{a[1]}'), INTERVAL('{b[0]}','{b[1]}'))"
            return [name for name in sorted(ALLEN) if holds(name + said, {})]

        (name,) = holding(one, other)
        assert holding(other, one) == [mirrors[name]]
        touching = set(INSTANTS[INSTANTS.index(one[0]) : INSTANTS.index(one[1]) + 1]) & set(
            INSTANTS[INSTANTS.index(other[0]) : INSTANTS.index(other[1]) + 1]
        )
        said = f"(INTERVAL('{one[0]}','{one[1]}'), INTERVAL('{other[0]}','{other[1]}'))"
        assert holds(f"T_INTERSECTS{said}", {}) is bool(touching)
        assert holds(f"T_DISJOINT{said}", {}) is not bool(touching)


def test_times_of_things_are_compared_with_instants_days_and_open_intervals() -> None:
    noon = {"at": "2026-05-01T12:00:00Z"}
    assert holds("at = DATE('2026-05-01')", noon) is True
    assert holds("at > DATE('2026-05-01')", noon) is False
    assert holds("at >= '2026-05-01T14:00:00+02:00'", noon) is True
    assert holds("T_DURING(at, INTERVAL('..', '2026-05-01'))", noon) is True
    assert holds("T_AFTER(at, TIMESTAMP('2026-05-01T12:00:00Z'))", noon) is False
    assert holds("T_BEFORE(at, TIMESTAMP('2026-06-01T12:00:00Z'))", {}) is None


def test_places_meet_as_shapely_says() -> None:
    square = shapely.box(0, 0, 2, 2)
    wkt = "POLYGON((1 1, 3 1, 3 3, 1 3, 1 1))"
    for name in ("intersects", "equals", "disjoint", "touches", "within", "overlaps", "crosses", "contains"):
        expected = getattr(shapely, name)(square, shapely.from_wkt(wkt))
        assert holds(f"S_{name.upper()}(geometry, {wkt})", {}, square) is bool(expected), name
    assert holds(f"S_INTERSECTS(geometry, {wkt})", {}) is None
    assert holds("S_INTERSECTS(geometry, BBOX(170,-10,-170,10))", {}, shapely.Point(-175, 0)) is True


def test_letters_of_any_case_and_accent_can_be_meant() -> None:
    assert holds("CASEI(name) = CASEI('ETELÄESPLANADI')", {"name": "Eteläesplanadi"}) is True
    assert holds("ACCENTI(name) LIKE 'Etela%'", {"name": "Eteläesplanadi"}) is True
    assert holds("CASEI(name) IN (CASEI('A'), CASEI('B'))", {"name": "b"}) is True


def test_values_of_several_sorts_are_compared_with_their_like() -> None:
    assert holds("mixed = 3", {"mixed": 3}) is True
    assert holds("mixed = 3", {"mixed": "3"}) is None
    assert holds("mixed = TRUE", {"mixed": 1}) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a property"), ("level >", "found the end"), ("level > 3 )", "expected nothing more"),
        ("level & 3", "'&' at position 6"), ("name = 'x", "position 7"), ("nobody = 3", "no property 'nobody' here; queryables: name"),
        ("level = 'x'", "compares a number with a text"), ("level", "not a condition"), ("name LIKE 3", "where a text is needed"),
        ("lit > TRUE", "only equal"), ("geometry = 3", "S_EQUALS"), ("T_AFTER(level, DATE('2026-01-01'))", "where a time is needed"),
        ("at > DATE('2026-13-01')", "not an instant"), ("T_DURING(at, INTERVAL('2026-05-02','2026-05-01'))", "ends before it starts"),
        ("S_INTERSECTS(geometry, POINT(1))", "no geometry"), ("S_INTERSECTS(geometry, POLYGON((0 0,1 1,1 0,0 1,0 0)))", "no valid geometry"),
        ("S_INTERSECTS(name, POINT(1 1))", "where a place is needed"), ("S_INTERSECTS(geometry, BBOX(1,2,3))", "four numbers"),
        ("S_WITHIN(geometry, POLYGON((0 0,1 1)", "end of the place"), ("buffer(geometry, 3) = 3", "no function 'buffer'"),
        ("level > 1e999", "too large"), ("(" * 60 + "lit" + ")" * 60, "nested deeper"), ("not " * 60 + "lit", "nested deeper"),
        ("CASEI(" * 60 + "name" + ")" * 60 + " = 'x'", "nested deeper"), ("level IN (" + ",".join(["1"] * 500) + ")", "more than 400 terms"),
        ("name = '" + "x" * 9000 + "'", "characters long"), ("name IS 3", "expected 'null'"), ("name NOT 3", "LIKE, BETWEEN or IN"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place_and_what_would_be_right(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        make_condition(parse_text(text), SORTS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"), ("[" * 5_000, "no JSON"), ("[]", "expected an operation"), ('{"op":"drop","args":[1]}', "no op 'drop'"),
        ('{"op":"and","args":[true]}', "two or more"), ('{"op":"=","args":[1]}', "2 args"), ('{"op":"in","args":[{"property":"level"},[]]}', "a list"),
        ('{"op":"s_within","args":[{"property":"geometry"},{"type":"Point"}]}', "no geometry"),
        ('{"op":"not","args":[' * 60 + "true" + "]}" * 60, "nested deeper"),
        ('{"op":"t_after","args":[{"property":"at"},{"date":"soon"}]}', "no date"),
    ],
)  # fmt: skip
def test_json_that_is_no_condition_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        make_condition(parse_document(text), SORTS)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(BadInput):
        make_condition(parse_text(text), SORTS)


def test_the_properties_of_a_condition_are_found() -> None:
    assert names_in(parse_text("a > 1 AND NOT (CASEI(b) LIKE 'x' OR c IN (d, 2)) AND S_WITHIN(g, POINT(1 1))")) == set(
        "abcdg"
    )
