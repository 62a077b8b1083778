"""Units by their UCUM codes (Unified Code for Units of Measure): who can be turned into whom, and how."""

from functools import cache
from typing import Any

import msgspec

from dongne.model.errors import BadInput

# What clients write where UCUM has another code. Only what was met in real SensorThings servers' data.
_WRITTEN = {
    "°C": "Cel", "degC": "Cel", "C": "Cel", "℃": "Cel", "°F": "[degF]", "percent": "%", "Percent": "%", "lux": "lx",
    "µg/m³": "ug/m3", "ug/m³": "ug/m3", "µg/m3": "ug/m3", "μg/m3": "ug/m3", "μg/m³": "ug/m3", "m³": "m3", "km/h": "km/h",
    "dBA": "dB[A]", "count": "1", "": "1", "hours": "h", "hour": "h", "sec": "s", "persons/h": "{person}/h", "person/h": "{person}/h",
}  # fmt: skip


class Conversion(msgspec.Struct, frozen=True):
    """value in the wanted unit = `factor` * value + `offset`."""

    factor: float = 1.0
    offset: float = 0.0


IDENTITY = Conversion()


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry  # noqa: PLC0415  slow to import, and needed only where units differ

    return PintUcumRegistry()


@cache
def get_conversion(given: str, wanted: str) -> Conversion:
    """How a value in the unit `given` becomes one in `wanted` (both UCUM). Raises BadInput where it can't."""
    given, wanted = _WRITTEN.get(given, given), _WRITTEN.get(wanted, wanted)
    if given == wanted:
        return IDENTITY
    registry = _registry()
    try:
        source, target = registry.from_ucum(given), registry.from_ucum(wanted)
        zero = registry.Quantity(0.0, source.units).to(target.units).magnitude
        one = registry.Quantity(1.0, source.units).to(target.units).magnitude
    except Exception as error:  # the parser's and pint's errors have no common class
        raise BadInput(
            f"unit {given!r} can't be turned into {wanted!r}; give the Datastream a UCUM unit of the same kind"
        ) from error
    return Conversion((one - zero) * source.magnitude / target.magnitude, zero / target.magnitude)
