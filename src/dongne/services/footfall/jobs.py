"""The forecast of a place, fitted on its own history and judged on weeks it has not seen."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.methods.forecasts import Errors, HourForecast, evaluate, fit_hours
from dongne.methods.rhythm import hours_of_week
from dongne.methods.windows import HOUR_US, hourly_means
from dongne.model.errors import BadInput
from dongne.model.properties import PEDESTRIANS
from dongne.model.times import from_us
from dongne.runtime.job import Job, JobInput

HISTORY_DAYS = 120
HELD_BACK_WEEKS = 4


class Fitted(msgspec.Struct, frozen=True):
    """A forecast model with its errors on held-back weeks; `n` hours were known, the last before `trained_until`."""

    model: HourForecast
    errors: Errors
    trained_until: datetime
    n: int


class FitForecast(Job[Fitted]):
    """Judges the method on the last weeks of a place, then fits it on all of its history."""

    name = "fit"
    reads = (PEDESTRIANS,)
    days = HISTORY_DAYS
    outcome = Fitted

    def run(self, given: JobInput) -> Fitted:
        """Raises BadInput where the history does not suffice."""
        series = given.series[PEDESTRIANS.key]
        first, counts = hourly_means(series.time_us, series.value)
        slots = hours_of_week(first, len(counts), ZoneInfo(given.zone))
        try:
            errors = evaluate(counts, slots, HELD_BACK_WEEKS)
        except ValueError as error:
            raise BadInput(f"Thing {given.thing} has too little history for a forecast: {error}") from None
        until = from_us((first + len(counts)) * HOUR_US)
        return Fitted(fit_hours(counts, slots), errors, until, int(np.count_nonzero(~np.isnan(counts))))
