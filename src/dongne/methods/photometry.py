"""Light: how much of it the sky gives, and how much a lamp has to add.

Sources: American Meteorological Society, Glossary of Meteorology, "civil twilight" (a clear evening falls from 585-410 lx
at sunset to 3.5-2 lx at a sun of -6 degrees); Kasten and Czeplak, Solar Energy 24 (1980) 177-189 (clouds).
"""

from bisect import bisect_right
from math import log10

# (true elevation of the sun in degrees, lx on the ground under a clear sky). At -0.833 and -6 the middle of the AMS's
# ranges; -18 is starlight with airglow (0.002 lx), the day side rounded from overcast noon to full sun. Between them the
# logarithm runs straight, which is how twilight goes. Good for a simulator and for "is it dark", not for measuring.
_CLEAR_SKY = ((-18.0, 0.002), (-12.0, 0.008), (-6.0, 2.7), (-0.833, 490.0), (5.0, 4_500.0), (15.0, 20_000.0),
              (30.0, 50_000.0), (60.0, 100_000.0), (90.0, 120_000.0))  # fmt: skip


def clear_sky_lx(elevation_deg: float) -> float:
    """Illuminance on level ground under a clear sky without a moon, in lx."""
    if elevation_deg <= _CLEAR_SKY[0][0]:
        return _CLEAR_SKY[0][1]
    i = min(bisect_right(_CLEAR_SKY, (elevation_deg, 0.0)), len(_CLEAR_SKY) - 1)
    (low, dim), (high, bright) = _CLEAR_SKY[i - 1], _CLEAR_SKY[i]
    share = min(1.0, (elevation_deg - low) / (high - low))
    return float(10 ** (log10(dim) + share * (log10(bright) - log10(dim))))


def cloud_factor(cover: float) -> float:
    """What a cloud cover of 0..1 leaves of the light: 1 - 0.75 N^3.4 (Kasten and Czeplak, N in eighths / 8)."""
    return float(1 - 0.75 * min(1.0, max(0.0, cover)) ** 3.4)


def level_beside_daylight_percent(level_percent: float, ambient_lx: float, on_lx: float, step_percent: float) -> float:
    """What is left of a lamp's level in twilight: all of it in the dark, less the nearer the ambient light is to `on_lx`
    (the light at which lamps go on), none at it. Rounded up to whole steps, so that a flickering sky gives few commands.
    """
    if on_lx <= 0 or ambient_lx <= 0:
        return level_percent
    wanted = level_percent * max(0.0, 1 - ambient_lx / on_lx)
    return min(level_percent, -(-wanted // step_percent) * step_percent)


def power_w(rated_w: float, level_percent: float) -> float:
    """What a dimmable LED lamp takes: in proportion to its level. Its driver's own need is left out."""
    return rated_w * level_percent / 100
