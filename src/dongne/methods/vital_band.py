"""The band of a person's own vital sign: outer quantiles of what was read, from a histogram that fades.

Quantiles withstand single wild readings, up to the share beyond them (Huber and Ronchetti, Robust Statistics, 2nd ed. 2009,
1.4). Counts are halved when they reach MOST, so a month ago weighs less than today.
"""

from dataclasses import dataclass, field

MOST = 2_000
LEAST = 200  # readings that make a band
SHARE = 0.005  # beyond each end of the band


@dataclass(slots=True)
class VitalBand:
    """Readings by bins of `width` (in the unit of the sign): bin number -> count."""

    width: float = 5.0
    counts: dict[int, int] = field(default_factory=dict)
    total: int = 0


def note_reading(band: VitalBand, value: float) -> None:
    """Takes one reading in."""
    at = int(value // band.width)
    band.counts[at] = band.counts.get(at, 0) + 1
    band.total += 1
    if band.total >= MOST:
        band.counts = {number: count // 2 for number, count in band.counts.items() if count > 1}
        band.total = sum(band.counts.values())


def find_band(band: VitalBand) -> tuple[float, float] | None:
    """The lowest and highest usual value; None where too little was read."""
    if band.total < LEAST:
        return None
    beyond = SHARE * band.total
    return _end(band, sorted(band.counts), beyond) * band.width, (
        _end(band, sorted(band.counts, reverse=True), beyond) + 1
    ) * band.width


def _end(band: VitalBand, numbers: list[int], beyond: float) -> int:
    passed = 0.0
    for number in numbers:
        passed += band.counts[number]
        if passed > beyond:
            return number
    return numbers[-1]
