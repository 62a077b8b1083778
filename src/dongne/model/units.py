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


def code_of(symbol: str | None, definition: str | None) -> str:
    """The UCUM code of a SensorThings unitOfMeasurement: its symbol, else what its definition ends with ("ucum:Cel",
    ".../unit/ucum/lx"); empty where it says none."""
    if symbol:
        return symbol
    return (definition or "").replace(":", "/").rpartition("/")[2]


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry  # noqa: PLC0415  slow to import, and needed only where units differ

    return PintUcumRegistry()


def get_conversion(given: str, wanted: str) -> Conversion:
    """How a value in the unit `given` becomes one in `wanted` (both UCUM). Raises BadInput where it can't."""
    found = _find_conversion(_WRITTEN.get(given, given), _WRITTEN.get(wanted, wanted))
    if found is None:
        raise BadInput(
            f"unit {given!r} can't be turned into {wanted!r}; give the Datastream a UCUM unit of the same kind"
        )
    return found


@cache
def _find_conversion(given: str, wanted: str) -> Conversion | None:
    if given == wanted:
        return IDENTITY
    registry = _registry()
    try:
        source, target = registry.from_ucum(given), registry.from_ucum(wanted)
        zero = registry.Quantity(0.0, source.units).to(target.units).magnitude
        one = registry.Quantity(1.0, source.units).to(target.units).magnitude
    except Exception:  # noqa: BLE001  the parser's and pint's errors have no common class
        return None
    return Conversion((one - zero) * source.magnitude / target.magnitude, zero / target.magnitude)
