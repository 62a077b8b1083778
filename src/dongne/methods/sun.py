"""Where the sun stands.

Source: the equations of NOAA's Solar Calculator (Global Monitoring Laboratory), which are those of J. Meeus,
Astronomical Algorithms (1991), chapters 12, 25 and 28, at low accuracy: about 0.01 degrees between 1800 and 2100.
"""

from datetime import datetime
from math import asin, cos, degrees, radians, sin, tan

from dongne.model.geometry import Point
from dongne.model.times import to_us

_J2000_US = 946_728_000_000_000  # 2000-01-01T12:00:00Z
_CENTURY_US = 36_525 * 86_400_000_000
SUNSET_DEG = -0.833  # the centre's true elevation when the upper edge touches the horizon: refraction 34', radius 16'
CIVIL_TWILIGHT_DEG = -6.0


def sun_elevation_deg(time: datetime, place: Point) -> float:
    """The true elevation of the sun's centre over the horizon, in degrees, without refraction; negative at night.

    `time` is aware, `place` (lon, lat) in degrees.
    """
    centuries = (to_us(time) - _J2000_US) / _CENTURY_US
    declination, equation_min = _declination_and_equation_of_time(centuries)
    lon, lat = place
    minutes = (to_us(time) // 1_000 % 86_400_000) / 60_000
    hour_angle = radians((minutes + equation_min + 4 * lon) / 4 - 180)
    latitude = radians(lat)
    height = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(hour_angle)
    return degrees(asin(max(-1.0, min(1.0, height))))


def refraction_deg(elevation_deg: float) -> float:
    """How much higher the sun is seen at this true elevation, in degrees: NOAA's approximation for sea level."""
    if elevation_deg > 85:
        return 0.0
    t = tan(radians(elevation_deg))
    if elevation_deg > 5:
        seconds = 58.1 / t - 0.07 / t**3 + 0.000086 / t**5
    elif elevation_deg > -0.575:
        e = elevation_deg
        seconds = 1735 + e * (-518.2 + e * (103.4 + e * (-12.79 + e * 0.711)))
    else:
        seconds = -20.772 / t
    return seconds / 3600


def _declination_and_equation_of_time(t: float) -> tuple[float, float]:
    """Declination (radians) and equation of time (minutes) at `t` Julian centuries after J2000.0."""
    mean_longitude = radians((280.46646 + t * (36000.76983 + t * 0.0003032)) % 360)
    anomaly = radians(357.52911 + t * (35999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t))
        + sin(2 * anomaly) * (0.019993 - 0.000101 * t)
        + sin(3 * anomaly) * 0.000289
    )
    node = radians(125.04 - 1934.136 * t)
    longitude = mean_longitude + radians(centre - 0.00569 - 0.00478 * sin(node))
    obliquity = radians(
        23 + (26 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60) / 60 + 0.00256 * cos(node)
    )
    declination = asin(sin(obliquity) * sin(longitude))
    y = tan(obliquity / 2) ** 2
    equation = (
        y * sin(2 * mean_longitude)
        - 2 * eccentricity * sin(anomaly)
        + 4 * eccentricity * y * sin(anomaly) * cos(2 * mean_longitude)
        - 0.5 * y * y * sin(4 * mean_longitude)
        - 1.25 * eccentricity * eccentricity * sin(2 * anomaly)
    )
    return declination, 4 * degrees(equation)
