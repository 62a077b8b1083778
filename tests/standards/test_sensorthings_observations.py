"""Observations on the wire: what is decoded is what was sent, alone, in arrays and back."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dongne.model.errors import BadInput
from dongne.model.times import format_instant, from_us, to_us
from dongne.standards.sensorthings.observations import (
    decode_data_array,
    decode_observation,
    observation_values,
    row_of,
)
from dongne.standards.sensorthings.times import (
    format_column,
    format_duration_us,
    format_us,
    parse_duration_us,
    parse_time_us,
)

INSTANTS = st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000)
ROUND = INSTANTS | INSTANTS.map(lambda us: us // 1000 * 1000) | INSTANTS.map(lambda us: us // 1_000_000 * 1_000_000)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROUND, max_size=20))
def test_a_column_of_times_is_written_as_each_alone(times: list[int]) -> None:
    assert format_column(times) == [format_us(us) for us in times] == [format_instant(from_us(us)) for us in times]


@settings(max_examples=200, deadline=None)
@given(ROUND)
def test_a_written_time_is_read_back(us: int) -> None:
    assert parse_time_us(format_us(us)) == (us, None)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**17), 10**17))
def test_a_written_duration_is_read_back(us: int) -> None:
    assert parse_duration_us(format_duration_us(us)) == us


@pytest.mark.parametrize(
    ("text", "seconds"), [("P1D", 86_400), ("P1W", 604_800), ("PT1H30M", 5_400), ("-PT0.25S", -0.25)]
)
def test_durations_are_those_of_iso_8601(text: str, seconds: float) -> None:
    assert parse_duration_us(text) == seconds * 1e6


@pytest.mark.parametrize("text", ["", "P", "PT", "1D", "P1Y", "P1M", "P1DT", "P-1D", "P99999999W"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_duration_us(text)


RESULTS = st.one_of(
    st.floats(-1e12, 1e12).map(lambda x: round(x, 4)), st.integers(-(2**53), 2**53), st.text(max_size=8), st.booleans(), st.none(),
    st.lists(st.integers(0, 9), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)  # fmt: skip
MOMENTS = st.integers(0, 7_000_000_000_000_000).map(from_us)
OBSERVATIONS = st.fixed_dictionaries(
    {"result": RESULTS, "phenomenonTime": MOMENTS.map(format_instant)},
    optional={
        "resultTime": MOMENTS.map(format_instant),
        "parameters": st.dictionaries(st.text(min_size=1, max_size=3), st.integers(), min_size=1, max_size=2),
        "validTime": MOMENTS.map(lambda start: f"{format_instant(start)}/{format_instant(start + timedelta(hours=1))}"),
        "resultQuality": st.text(min_size=1, max_size=5),
    },
)


def shown(row: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in observation_values(row.time_us, row.result, row.extra).items()
        if value is not None
    }


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return json.dumps({k: v for k, v in a.items() if v is not None}, sort_keys=True) == json.dumps(b, sort_keys=True)


@settings(max_examples=200, deadline=None)
@given(OBSERVATIONS)
def test_an_observation_comes_back_as_it_was_sent(sent: dict[str, Any]) -> None:
    row = row_of(decode_observation(json.dumps(sent).encode()), 7, 0)
    whole = {
        **sent,
        "result": int(sent["result"])
        if type(sent["result"]) is float and sent["result"].is_integer()
        else sent["result"],
    }
    assert same(whole, shown(row))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), OBSERVATIONS), max_size=8))
def test_an_array_is_decoded_as_each_row_alone(sent: list[tuple[int, dict[str, Any]]]) -> None:
    names = ["resultTime", "result", "parameters", "phenomenonTime", "validTime", "resultQuality"]
    groups = [
        {"Datastream": {"@iot.id": stream}, "components": names, "dataArray": [[one.get(name) for name in names]]}
        for stream, one in sent
    ]
    rows = decode_data_array(json.dumps(groups).encode(), 0)
    assert not rows.errors
    for at, (stream, one) in enumerate(sent):
        alone = row_of(decode_observation(json.dumps(one).encode()), stream, 0)
        assert (rows.datastream[at], rows.time_us[at], rows.extras.get(at)) == (stream, alone.time_us, alone.extra)
        assert np.array_equal(rows.result[at], alone.result, equal_nan=True)


@pytest.mark.parametrize("components", [["phenomenonTime", "result"], ["result", "phenomenonTime"]])
def test_the_plain_array_says_the_same_as_any_other(components: list[str]) -> None:
    times = [
        "2026-05-01T00:00:00Z",
        "2026-05-01T02:00:00.123456+02:00",
        "2026-05-01T00:00:00Z/2026-05-01T01:00:00Z",
        "no",
    ]
    values = [{"phenomenonTime": time, "result": at + 0.5} for at, time in enumerate(times)]

    def body(names: list[str]) -> bytes:
        rows = [[one.get(name) for name in names] for one in values]
        return json.dumps([{"Datastream": {"@iot.id": 3}, "components": names, "dataArray": rows}]).encode()

    plain, any_form = decode_data_array(body(components), 0), decode_data_array(body([*components, "resultTime"]), 0)
    assert plain.datastream.tolist() == any_form.datastream.tolist() == [3] * 4
    assert plain.time_us[:3].tolist() == any_form.time_us[:3].tolist()
    assert plain.result[:3].tolist() == any_form.result[:3].tolist() == [0.5, 1.5, 2.5]
    assert plain.extras == any_form.extras
    assert set(plain.errors) == set(any_form.errors) == {3}
    assert plain.time_us[1] == to_us(datetime(2026, 5, 1, 0, 0, 0, 123456, UTC))


def test_each_row_belongs_to_the_datastream_of_its_group_however_many_it_has() -> None:
    groups = [
        {
            "Datastream": {"@iot.id": stream},
            "components": ["phenomenonTime", "result"],
            "dataArray": [["2026-05-01T00:00:00Z", 1]] * many,
        }
        for stream, many in [(5, 0), (6, 2), (7, 1), (8, 0), (9, 3)]
    ]
    assert decode_data_array(json.dumps(groups).encode(), 0).datastream.tolist() == [6, 6, 7, 9, 9, 9]
    assert len(decode_data_array(b"[]", 0)) == 0
