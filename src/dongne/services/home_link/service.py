"""home_link: a home that is no longer heard from is noticed, and somebody is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dongne.model.home import HEARTBEAT, HOME, HOME_SILENT, LINK_OUTAGE
from dongne.model.observed import Observation
from dongne.runtime.service import (
    CaseEvent,
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
    on_case,
    wake,
)

SERVED_BY = Neighbours("served_by")
OUTAGE = Latest(LINK_OUTAGE, of=SERVED_BY)


@dataclass(frozen=True)
class Settings:
    """What a city may tune."""

    heartbeat_s: float = 300.0  # gateways are told to be heard so often
    missed: int = 2  # heartbeats that may be missing
    grace_s: float = 10.0  # and so much longer
    hold_s: float = 60.0  # before somebody is told: is it this home alone?
    ask_again_s: float = 900.0  # while the link of the whole area is out
    care_unit: str = "care_desk"


@dataclass(slots=True)
class Link:
    """What we remember of one home's link. `round` counts its silences; `told`: a Case is open."""

    heard: datetime | None = None
    silent: bool = False
    told: bool = False
    round: int = 0


class HomeLink(Service[Settings, Link]):
    """Finds silence by one Wake for each home, put off by each message; says nothing of a home while its whole area is out."""

    kinds = (HOME,)
    needs = (SERVED_BY, OUTAGE)
    emits = (HOME_SILENT, Open, Notify)

    @on(HEARTBEAT)
    def came(self, obs: Observation, link: Link, city: City) -> Iterator[Emission]:
        """Heard: by when it arrived, as what was kept during an outage is older."""
        if link.heard is not None and obs.arrived < link.heard:
            return
        link.heard = obs.arrived
        if link.silent:
            link.silent = False
            yield Result(HOME_SILENT, 0.0)
            if link.told:
                link.told = False
                yield Step("alert", "home_silent", str(link.round), "clear")
            yield Wake(None, "tell")
        yield Wake(obs.arrived + self._patience(), "silent")

    def _patience(self) -> timedelta:
        return timedelta(seconds=self.settings.heartbeat_s * self.settings.missed + self.settings.grace_s)

    @wake("silent")
    def fell_silent(self, now: datetime, link: Link, city: City) -> Iterator[Emission]:
        """Too long without a word."""
        if link.heard is None or now < link.heard + self._patience():
            return
        link.silent = True
        link.round += 1
        yield Result(HOME_SILENT, 1.0, now)
        yield Wake(now + timedelta(seconds=self.settings.hold_s), "tell")

    @wake("tell")
    def tell(self, now: datetime, link: Link, city: City) -> Iterator[Emission]:
        """Still silent: somebody looks after this home, unless its whole area is out and already looked after."""
        if not link.silent or link.told or link.heard is None:
            return
        if any(reading.value for reading in city.readings(OUTAGE)):
            yield Wake(now + timedelta(seconds=self.settings.ask_again_s), "tell")
            return
        link.told = True
        once = str(link.round)
        values = {"heard": link.heard.isoformat(), "silent_min": round((now - link.heard).total_seconds() / 60)}
        yield Open(
            "alert", "home_silent", once, values, severity="moderate", priority=3, unit=self.settings.care_unit,
            access="personal",
        )  # fmt: skip
        to = f"unit:{self.settings.care_unit}"
        yield Notify("home_silent", once, to, values, case=("alert", "home_silent", once))

    @on_case("alert", "cleared")
    def cleared(self, event: CaseEvent, link: Link, city: City) -> Iterator[Emission]:
        """Somebody looked after it; it is told again when it falls silent again."""
        yield from self._closed(event, link)

    @on_case("alert", "dismissed")
    def dismissed(self, event: CaseEvent, link: Link, city: City) -> Iterator[Emission]:
        """The same."""
        yield from self._closed(event, link)

    def _closed(self, event: CaseEvent, link: Link) -> Iterator[Emission]:
        if event.key.endswith(f"/{link.round}"):
            link.told = False
        yield from ()
