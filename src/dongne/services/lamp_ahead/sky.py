"""Is it dark, is the street wet, and how bright a lamp without anybody near must be."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from dongne.methods.photometry import level_beside_daylight_percent
from dongne.methods.sun import CIVIL_TWILIGHT_DEG, sun_elevation_deg
from dongne.model.geometry import Point
from dongne.model.times import to_us
from dongne.runtime.service import Reading
from dongne.services.lamp_ahead.lamp import Lamp, Settings

STEP_PERCENT = 5.0  # an order only for a change that is seen
HIGH_SUN_DEG = 15.0  # with the sun over this the next look at the sky may wait longer
HIGH_SUN_WAIT = 6


class Sky(msgspec.Struct, frozen=True):
    """What the sky asks of a lamp, and when to look again."""

    night: bool
    base_percent: float
    wet_until_us: int
    look_again: datetime


def look(
    lamp: Lamp,
    settings: Settings,
    now: datetime,
    point: Point | None,
    light: Sequence[Reading],
    rain: Sequence[Reading],
) -> Sky:
    """What the sky asks now. `light` is in lx and `rain` in mm/h, nearest first; values that are too old don't count.

    Below the end of civil twilight it is night whatever a sensor says: a sensor lit by a torch or by the lamps must not
    darken a street. Without light sensor and place nothing is known, and the lamp gives full light.
    """
    elevation = None if point is None else sun_elevation_deg(now, point)
    ambient_lx = _fresh(light, now, settings)
    wet_until_us = lamp.wet_until_us
    if any(r.value > settings.wet_mm_h for r in rain if _age_s(r, now) <= settings.stale_s):
        wet_until_us = to_us(now + timedelta(seconds=settings.drying_s))
    night, ambient_lx = _is_night(lamp.night, settings, elevation, ambient_lx)
    if not night:
        base = 0.0
    elif elevation is None and ambient_lx is None:
        base = settings.full_percent
    else:
        level = settings.wet_percent if to_us(now) < wet_until_us else settings.dim_percent
        base = level_beside_daylight_percent(level, ambient_lx or 0.0, settings.on_lx, STEP_PERCENT)
    wait = HIGH_SUN_WAIT if not night and elevation is not None and elevation > HIGH_SUN_DEG else 1
    return Sky(night, base, wet_until_us, now + timedelta(seconds=settings.sky_s * wait))


def _is_night(
    was_night: bool, settings: Settings, elevation: float | None, ambient_lx: float | None
) -> tuple[bool, float | None]:
    if elevation is not None and elevation < CIVIL_TWILIGHT_DEG:
        return True, 0.0
    if ambient_lx is not None:
        return ambient_lx < (max(settings.off_lx, settings.on_lx) if was_night else settings.on_lx), ambient_lx
    if elevation is not None:
        return elevation < settings.sun_deg, None
    return True, None


def _age_s(reading: Reading, now: datetime) -> float:
    return (now - reading.time).total_seconds()


def _fresh(readings: Sequence[Reading], now: datetime, settings: Settings) -> float | None:
    return next((r.value for r in readings if _age_s(r, now) <= settings.stale_s), None)
