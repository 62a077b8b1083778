"""Light runs ahead of whoever walks; full light when in doubt."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dongne.methods.photometry import power_w
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.properties import ILLUMINANCE, LIGHT_LEVEL, PRECIPITATION, PRESENCE
from dongne.model.times import format_instant, from_us, to_us
from dongne.runtime.service import (
    Alert,
    City,
    Command,
    Emission,
    Latest,
    Neighbours,
    Result,
    Service,
    Step,
    TaskUpdate,
    Wake,
    daily,
    on,
    wake,
)
from dongne.services.lamp_ahead.lamp import Lamp, Settings
from dongne.services.lamp_ahead.sky import look
from dongne.services.lamp_ahead.street import note, who_comes

AHEAD = Neighbours("next_lamp", hops=4)
BESIDE = Neighbours("next_lamp", hops=1)
LIGHT = Latest(ILLUMINANCE, within_m=300)
RAIN = Latest(PRECIPITATION, within_m=5_000)
ENERGY_SAVED = ObservedProperty("energy_saved", "W.h", 0.0, 100_000.0)
SECOND_US = 1_000_000
CLOCK_SKEW_US = 2 * SECOND_US  # a lamp's clock may be behind by this
ORDERS_BEFORE_ALERT = 2


class LampAhead(Service[Settings, Lamp]):
    """Each lamp hears presence along its street and orders its own light, so every key has one commander."""

    kinds = ("street_lamp",)
    needs = (AHEAD, BESIDE, LIGHT, RAIN)
    emits = (ENERGY_SAVED, Command, Alert)

    # --- people --------------------------------------------------------------------------------------------------

    @on(PRESENCE)
    def here(self, obs: Observation, lamp: Lamp, city: City) -> Iterator[Emission]:
        """Somebody under this lamp: full light at once, until they are gone."""
        now = obs.arrived
        if not lamp.met:
            yield from self._meet(lamp, now, city)
        time_us = min(to_us(obs.time), to_us(now))
        visit = lamp.heard.get(obs.thing)
        newest = visit is None or time_us >= visit.last_us
        present = obs.result >= 0.5
        lamp.says_clear = lamp.says_clear or not present
        if not lamp.night:
            return
        note(lamp, obs.thing, present, time_us, to_us(now))
        # A sensor that says when it is clear is believed while it does not; another's word holds for a while.
        stays = present and newest and lamp.says_clear
        until_us = time_us + _us(self.settings.stay_s if stays else self.settings.hold_s)
        lamp.here_until_us = until_us if newest else max(lamp.here_until_us, until_us)
        yield from self._settle(lamp, now)

    @on(PRESENCE, of=AHEAD)
    def along_the_street(self, obs: Observation, lamp: Lamp, city: City) -> Iterator[Emission]:
        """Somebody at a lamp near: light in time if they come this way."""
        now = obs.arrived
        if not lamp.met:
            yield from self._meet(lamp, now, city)
        if not lamp.night:
            return
        now_us = to_us(now)
        time_us = min(to_us(obs.time), now_us)
        near = city.neighbours(AHEAD)
        seen = next((n for n in near if n.thing == obs.thing), None)
        if seen is None or note(lamp, obs.thing, obs.result >= 0.5, time_us, now_us) is None:
            return
        if seen.hops == 1:
            yield from self._doubt(lamp, obs.thing, now)
        coming = who_comes(lamp, city.thing.id, near, seen, time_us, self.settings)
        if coming is None or coming.until_us <= now_us:
            return
        if coming.on_us <= now_us:
            lamp.ahead_until_us = max(lamp.ahead_until_us, coming.until_us)
            yield from self._settle(lamp, now)
        else:
            lamp.plan_us = min(lamp.plan_us or coming.on_us, coming.on_us)
            lamp.plan_until_us = max(lamp.plan_until_us, coming.until_us)
            yield Wake(from_us(lamp.plan_us), "ahead")

    @wake("ahead")
    def expected(self, now: datetime, lamp: Lamp, city: City) -> Iterator[Emission]:
        """Somebody is about to come."""
        now = city.now
        lamp.ahead_until_us = max(lamp.ahead_until_us, lamp.plan_until_us)
        lamp.plan_us = lamp.plan_until_us = 0
        yield from self._settle(lamp, now)

    @wake("dim")
    def nobody(self, now: datetime, lamp: Lamp, city: City) -> Iterator[Emission]:
        """Nobody was noticed for a while."""
        yield from self._settle(lamp, city.now)

    # --- the sky -------------------------------------------------------------------------------------------------

    @wake("sky")
    def sky(self, now: datetime, lamp: Lamp, city: City) -> Iterator[Emission]:
        """How dark and wet it is now: by the city's clock, for what a late Wake has missed is over."""
        now = city.now
        self._count(lamp, now)
        sky = look(lamp, self.settings, now, city.point, city.readings(LIGHT), city.readings(RAIN))
        if lamp.night and not sky.night:
            lamp.forget_people()
            yield Wake(None, "ahead")
        lamp.night, lamp.base_percent, lamp.wet_until_us = sky.night, sky.base_percent, sky.wet_until_us
        yield Wake(sky.look_again, "sky")
        yield from self._settle(lamp, now)

    def _meet(self, lamp: Lamp, now: datetime, city: City) -> Iterator[Emission]:
        """The first sign of a lamp: from now on it is looked after."""
        lamp.met = True
        lamp.counted_us = to_us(now)
        yield from self.sky(now, lamp, city)

    # --- the light -----------------------------------------------------------------------------------------------

    def _settle(self, lamp: Lamp, now: datetime) -> Iterator[Emission]:
        """Orders the light that the lamp should have now, where that is another than was ordered."""
        now_us = to_us(now)
        wanted, change_us = self._wanted(lamp, now_us)
        if wanted != lamp.sent_percent:
            yield from self._order(lamp, wanted, now)
        if change_us:
            yield Wake(from_us(change_us), "dim")

    def _wanted(self, lamp: Lamp, now_us: int) -> tuple[float, int]:
        """The level in % and when it changes by itself (0: not)."""
        full = self.settings.full_percent
        if not lamp.night:
            return 0.0, 0
        if lamp.silent:
            return full, 0
        base = min(full, max(lamp.base_percent, self.settings.beside_silent_percent if lamp.beside_silent else 0.0))
        if now_us < lamp.lit_until_us:
            return full, lamp.lit_until_us
        soft_until_us = lamp.lit_until_us + _us(self.settings.soft_s)
        if lamp.lit_until_us and now_us < soft_until_us:
            return (full + base) / 2, soft_until_us
        return base, 0

    def _order(self, lamp: Lamp, percent: float, now: datetime) -> Iterator[Emission]:
        self._count(lamp, now)
        if not lamp.answered:
            yield TaskUpdate(LIGHT_LEVEL, lamp.once, "expired")
        else:
            lamp.tries = 1
        lamp.orders += 1
        lamp.sent_percent, lamp.sent_us, lamp.answered = percent, to_us(now), False
        lamp.once = f"{lamp.orders} at {format_instant(now)}"  # with the time, so that a state begun anew repeats none
        yield Command(LIGHT_LEVEL, percent, lamp.once)
        if not lamp.silent:
            yield Wake(now + timedelta(seconds=self.settings.confirm_s), "confirm")

    # --- what the lamp says --------------------------------------------------------------------------------------

    @on(LIGHT_LEVEL)
    def reported(self, obs: Observation, lamp: Lamp, city: City) -> Iterator[Emission]:
        """The lamp says how bright it is: the order is carried out, or has to be given again."""
        now = obs.arrived
        if not lamp.met:
            yield from self._meet(lamp, now, city)
        if to_us(obs.time) + CLOCK_SKEW_US < lamp.sent_us:
            return  # from before the order
        if abs(obs.result - lamp.sent_percent) <= self.settings.tolerance_percent:
            yield from self._obeyed(lamp, now)
        elif lamp.answered or (lamp.silent and to_us(now) - lamp.sent_us >= _us(self.settings.confirm_s)):
            # it came back from a power cut, or somebody changed it by hand
            yield from self._order(lamp, lamp.sent_percent, now)

    def _obeyed(self, lamp: Lamp, now: datetime) -> Iterator[Emission]:
        if lamp.answered:
            return
        lamp.answered, lamp.tries = True, 0
        yield TaskUpdate(LIGHT_LEVEL, lamp.once, "done")
        yield Wake(None, "confirm")
        if lamp.silent:
            lamp.silent = False
            yield Step("alert", "lamp_silent", lamp.silence, "clear")
            yield from self._settle(lamp, now)

    @wake("confirm")
    def unconfirmed(self, now: datetime, lamp: Lamp, city: City) -> Iterator[Emission]:
        """No answer: the order once more, then an alert and full light until it answers."""
        if lamp.answered or lamp.silent:
            return
        if self._was_away(now, city):
            yield Wake(city.now + timedelta(seconds=self.settings.confirm_s), "confirm")
            return
        now = city.now
        if lamp.tries < ORDERS_BEFORE_ALERT:
            lamp.tries += 1
            yield from self._order(lamp, self._wanted(lamp, to_us(now))[0], now)
            return
        lamp.silent, lamp.silence = True, f"since {format_instant(now)}"
        values = {"level_percent": lamp.sent_percent, "orders": lamp.tries}
        yield Alert("lamp_silent", lamp.silence, values)
        yield from self._settle(lamp, now)

    def _was_away(self, due: datetime, city: City) -> bool:
        """Whether a Wake comes so late that the city was not listening: then silence proves nothing."""
        return city.now - due > timedelta(seconds=self.settings.confirm_s)

    # --- a silent lamp beside ------------------------------------------------------------------------------------

    @on(LIGHT_LEVEL, of=BESIDE)
    def beside_reported(self, obs: Observation, lamp: Lamp, city: City) -> Iterator[Emission]:
        """A lamp next to this one says how bright it is, so it is not silent."""
        lamp.beside_percent[obs.thing] = obs.result
        lamp.beside_doubt_us.pop(obs.thing, None)
        if obs.thing in lamp.beside_silent:
            lamp.beside_silent.remove(obs.thing)
            yield from self._settle(lamp, obs.arrived)

    def _doubt(self, lamp: Lamp, other: int, now: datetime) -> Iterator[Emission]:
        """Somebody is under a lamp next to this one, which last said that it is dim: it has to report full light soon.
        Found out here from what both lamps hear: reading the other lamp's alert would be a circle."""
        known = other in lamp.beside_doubt_us or other in lamp.beside_silent
        bright = lamp.beside_percent.get(other, 0.0) >= self.settings.full_percent - self.settings.tolerance_percent
        if not known and not bright:
            lamp.beside_doubt_us[other] = to_us(now)
            yield Wake(from_us(min(lamp.beside_doubt_us.values()) + self._patience_us()), "beside")

    @wake("beside")
    def beside_unheard(self, now: datetime, lamp: Lamp, city: City) -> Iterator[Emission]:
        """A lamp next to this one did not report in time: more light from this one."""
        if self._was_away(now, city):
            lamp.beside_doubt_us.clear()
            return
        now = city.now
        silent = [other for other, us in lamp.beside_doubt_us.items() if us + self._patience_us() <= to_us(now)]
        for other in silent:
            del lamp.beside_doubt_us[other]
            lamp.beside_silent.append(other)
        if lamp.beside_doubt_us:
            yield Wake(from_us(min(lamp.beside_doubt_us.values()) + self._patience_us()), "beside")
        yield from self._settle(lamp, now)

    def _patience_us(self) -> int:
        return _us((ORDERS_BEFORE_ALERT + 1) * self.settings.confirm_s)

    # --- energy --------------------------------------------------------------------------------------------------

    @daily("12:00")
    def noon(self, now: datetime, lamp: Lamp, city: City) -> Iterator[Emission]:
        """What the night took, against full light all night."""
        self._count(lamp, city.now)
        if lamp.full_wh > 0:
            saved = ENERGY_SAVED.clip(round(lamp.full_wh - lamp.used_wh, 3))
            parameters = {"used_wh": round(lamp.used_wh, 3), "full_wh": round(lamp.full_wh, 3)}
            yield Result(ENERGY_SAVED, saved, parameters=parameters)
        lamp.full_wh = lamp.used_wh = 0.0

    def _count(self, lamp: Lamp, now: datetime) -> None:
        """Adds up what the lamp took since the last count at the level ordered; a silent lamp counts as full."""
        now_us = to_us(now)
        hours = max(0, now_us - lamp.counted_us) / (3600 * SECOND_US)
        lamp.counted_us = max(now_us, lamp.counted_us)
        if lamp.night and lamp.sent_percent >= 0:
            rated = self.settings.power_w
            lamp.full_wh += power_w(rated, self.settings.full_percent) * hours
            level = self.settings.full_percent if lamp.silent else lamp.sent_percent
            lamp.used_wh += power_w(rated, level) * hours


def _us(seconds: float) -> int:
    return int(seconds * SECOND_US)
