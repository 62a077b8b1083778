"""link_outage: many homes of an area that fall silent together are one incident."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dongne.model.home import HOME_SILENT, LINK_OUTAGE
from dongne.model.observed import Observation, ObservedProperty
from dongne.runtime.service import (
    City,
    Emission,
    Latest,
    Neighbours,
    Notify,
    Open,
    Result,
    Service,
    Step,
    Wake,
    on,
    wake,
)

HOMES_SILENT = ObservedProperty("homes_silent", "1", 0.0, 1e7)
SERVES = Neighbours("serves")
SILENT = Latest(HOME_SILENT, of=SERVES)


@dataclass(frozen=True)
class Settings:
    """What a city may tune."""

    least_homes: int = 5  # fewer are no outage
    share_percent: float = 2.0  # of the area's homes
    count_again_s: float = 900.0  # while the link is out
    care_unit: str = "care_desk"


@dataclass(slots=True)
class Area:
    """What we remember of one area. `silent` homes now; `round` counts its outages."""

    silent: int = 0
    is_out: bool = False
    round: int = 0


class LinkOutage(Service[Settings, Area]):
    """Counts the silent homes of an area; opens one incident when they are many, and closes it when they are heard again."""

    kinds = ("link_area",)
    needs = (SERVES, SILENT)
    emits = (LINK_OUTAGE, HOMES_SILENT, Open, Notify)

    @on(HOME_SILENT, of=SERVES)
    def changed(self, obs: Observation, area: Area, city: City) -> Iterator[Emission]:
        """One more home is silent, or one less: a home says so only when it changes."""
        area.silent = max(area.silent + (1 if obs.result else -1), 0)
        yield Result(HOMES_SILENT, float(area.silent))
        if not area.is_out and self._is_outage(area, city):
            self._count(area, city)
            if self._is_outage(area, city):
                yield from self._begin(area, city)
        elif area.is_out and area.silent < self.settings.least_homes:
            yield from self._end(area)

    @wake("count")
    def count_again(self, now: datetime, area: Area, city: City) -> Iterator[Emission]:
        """Homes that left while they were silent never say that they are heard again."""
        if not area.is_out:
            return
        self._count(area, city)
        if area.silent < self.settings.least_homes:
            yield Result(HOMES_SILENT, float(area.silent), now)
            yield from self._end(area)
        else:
            yield Wake(now + timedelta(seconds=self.settings.count_again_s), "count")

    @staticmethod
    def _count(area: Area, city: City) -> None:
        """By what the homes that are served now said last."""
        area.silent = sum(bool(reading.value) for reading in city.readings(SILENT))

    @staticmethod
    def _end(area: Area) -> Iterator[Emission]:
        area.is_out = False
        yield Result(LINK_OUTAGE, 0.0)
        yield Step("incident", "link_outage", str(area.round), "resolve", cause="over")
        yield Wake(None, "count")

    def _is_outage(self, area: Area, city: City) -> bool:
        if area.silent < self.settings.least_homes:
            return False
        return area.silent >= len(city.neighbours(SERVES)) * self.settings.share_percent / 100

    def _begin(self, area: Area, city: City) -> Iterator[Emission]:
        area.is_out = True
        area.round += 1
        once = str(area.round)
        values = {"silent": area.silent, "homes": len(city.neighbours(SERVES))}
        yield Result(LINK_OUTAGE, 1.0)
        yield Open(
            "incident", "link_outage", once, values, severity="severe", priority=1, unit=self.settings.care_unit,
            access="internal",
        )  # fmt: skip
        yield Wake(city.now + timedelta(seconds=self.settings.count_again_s), "count")
        to = f"unit:{self.settings.care_unit}"
        yield Notify("link_outage", once, to, values, case=("incident", "link_outage", once), urgent=True)
