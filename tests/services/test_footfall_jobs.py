"""What the job promises, on every counter of Auckland."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from dongne.adapters.places import get_city_folder
from dongne.adapters.series import auckland
from dongne.adapters.series.recording import to_instants
from dongne.adapters.sources import get_file, load_sources
from dongne.model.errors import BadInput
from dongne.model.times import to_us
from dongne.runtime.job import JobInput, Series
from dongne.services.footfall.jobs import HISTORY_DAYS, FitForecast, Fitted

ZONE = "Pacific/Auckland"
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def counters() -> dict[str, Series]:
    path = get_file(load_sources(get_city_folder("helsinki"))["ped_auckland"], None)
    found = {}
    for name, record in auckland.read(path, since_us=to_us(datetime(2023, 1, 1, tzinfo=UTC))).items():
        instants, there = to_instants(record.local_us, ZoneInfo(ZONE))
        found[name] = Series(instants[there], record.value[there])
    return found


def given(series: Series, until: datetime) -> JobInput:
    now_us = to_us(until)
    mine = (series.time_us >= now_us - HISTORY_DAYS * DAY_US) & (series.time_us < now_us)
    return JobInput(1, now_us, ZONE, None, {"pedestrians": Series(series.time_us[mine], series.value[mine])})


@pytest.mark.parametrize("until", [datetime(2023, 8, 20, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)], ids=str)
def test_the_error_of_each_counter_is_below_the_same_hour_of_last_week(
    counters: dict[str, Series], until: datetime
) -> None:
    assert len(counters) == 21
    for name, series in counters.items():
        errors = FitForecast().run(given(series, until)).errors
        assert all(ours < theirs for ours, theirs in zip(errors.mae, errors.mae_last_week, strict=True)), name


def test_the_outcome_survives_the_record_it_becomes(counters: dict[str, Series]) -> None:
    outcome = FitForecast().run(given(counters["45 Queen Street"], datetime(2024, 6, 1, tzinfo=UTC)))
    stored = msgspec.msgpack.encode(msgspec.to_builtins(outcome))
    assert msgspec.convert(msgspec.msgpack.decode(stored), Fitted, strict=False) == outcome
    assert outcome.trained_until == datetime(2024, 6, 1, tzinfo=UTC)
    assert outcome.n > 2800


def test_it_is_the_same_each_time(counters: dict[str, Series]) -> None:
    asked = given(counters["150 K Road"], datetime(2024, 6, 1, tzinfo=UTC))
    assert FitForecast().run(asked) == FitForecast().run(asked)


@pytest.mark.parametrize("days", [0, 30, 50])
def test_too_little_history_is_refused_with_what_lacks(counters: dict[str, Series], days: int) -> None:
    series = counters["150 K Road"]
    start = to_us(datetime(2024, 3, 1, tzinfo=UTC))
    mine = (series.time_us >= start) & (series.time_us < start + days * DAY_US)
    asked = JobInput(7, start, ZONE, None, {"pedestrians": Series(series.time_us[mine], series.value[mine])})
    with pytest.raises(BadInput, match="Thing 7 has too little history"):
        FitForecast().run(asked)


def test_a_counter_that_counts_nobody_does_no_harm() -> None:
    hours = np.arange(HISTORY_DAYS * 24, dtype=np.int64) * 3_600_000_000
    asked = JobInput(1, int(hours[-1]), ZONE, None, {"pedestrians": Series(hours, np.zeros(len(hours)))})
    assert FitForecast().run(asked).errors.mae == pytest.approx([0.0] * 6)
