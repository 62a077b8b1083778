"""Scales under a car that can't be believed: dead, stuck, jumped, implausible or too noisy, found at the stops of a train.

Each car is judged at each stop beside the others of its train, since whatever changes a train's load changes all of them:

| fault | sign, at one stop | believed after |
|---|---|---|
| dead | others were heard four times or more, this car never | 2 stops |
| stuck | four weighings or more that are all the same, while others move | 2 stops |
| implausible | half of the weighings outside what a car can weigh | 2 stops |
| noisy | over two stops its weighings are NOISY_FACTOR times as far from a course (`dwell_load`) as the median of the others'; believed until they are less than STILL_NOISY times | 2 stops |
| jumped | its mass leaps by more than can pass the doors (none while they are closed), and does not leap back; or it is far below nobody | 2 stops |
| | the others were left by everybody (at the end of the line), this car by its scales not | 1 stop |

The passenger balance: the people in a car against (share of this car / shares of the others) * (people in the others). The shares of a
stop are learned as a running mean; how far a car usually is from them is learned as well, with outliers cut off, so that a car which is always
odd is not a faulty one. The balance alone accuses nobody: a car may be crowded for a whole trip, but its people came through the doors. A fault is over when CLEAN_STOPS stops in a row show no sign of any; a
jump also when the zero was weighed anew (`believe_again`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, sqrt
from statistics import median

DEAD, STUCK, IMPLAUSIBLE, NOISY, JUMPED = "dead", "stuck", "implausible", "noisy", "jumped"
FAULTS = (DEAD, STUCK, IMPLAUSIBLE, NOISY, JUMPED)

HEARD_AT_LEAST = 4
SIGNS_TO_BELIEVE = 2
CLEAN_STOPS = 3
NOISY_FACTOR, STILL_NOISY = 3.0, 2.0
MOST_RATIO = 4.0  # one wild stop accuses nobody
NOISE_WINDOW = 2
JUMP_SD = 4.5
CLEAR_SD = 3.0
BACK_SD = 1.0  # nearer than that, a load may have leapt back
LEAP_SD = 5.0
LEAST_LEAP_KG = 800.0
MOST_LEFT_OVER = 15.0
LEAP_STOPS = 3  # for so many stops a leap is remembered
SHARE_WEIGHT = 1.0 / 12.0
SPREAD_WEIGHT = 1.0 / 30.0
SPREAD_AT_FIRST = 0.35  # of the people expected
LEAST_SPREAD = 0.08
FEW_PEOPLE = 2.0  # by so many a car may always differ
TEACHES_FROM = 6.0  # people in a car, on average, from which on a train teaches shares
WHOLE = 10_000


@dataclass(slots=True)
class Scales:
    """What is remembered of one car's scales. `fault` is "" while they are believed; `signs` counts stops in a row with the sign
    `sign`, `clean` those without any while at fault; `leap` is the side of a leap not long ago, `leap_stops` how many
    stops it is still remembered; `noise_ratios` relative to the others, at the last stops; `spread` is how far the car usually is from what the others say,
    as a share."""

    fault: str = ""
    sign: str = ""
    signs: int = 0
    clean: int = 0
    leap: int = 0
    leap_stops: int = 0
    spread: float = SPREAD_AT_FIRST
    noise_ratios: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stop:
    """What one car's scales said at a stop: how many weighings, how many outside what a car can weigh, their range and how far they are from a course (None: too few to
    say), and the people they make (NaN: none) with the standard deviation of that, by how much its mass leapt, and the people left in it where
    everybody left the others."""

    heard: int
    outside: int
    range_kg: float
    noise_kg: float | None
    people: float
    people_sd: float
    leap_kg: float = 0.0
    left_over: float = 0.0


def find_leap(steps: Sequence[tuple[float, float]], noise_kg: float, doors_kg_s: float) -> float:
    """The kg by which a mass leapt, 0 where it did not. `steps` are its changes from weighing to weighing, each with the seconds for which doors
    were open between them; `noise_kg` is the standard deviation of such a change. A wild weighing leaps and leaps back, which is none."""
    leapt = sum(kg for kg, open_s in steps if abs(kg) > open_s * doors_kg_s + LEAP_SD * noise_kg)
    return leapt if abs(leapt) > LEAST_LEAP_KG else 0.0


def expect(people: Sequence[float], shares: Sequence[float], believed: Sequence[bool], car: int) -> float | None:
    """The people of a car by those of the other believed cars and the shares of all of them; None where no other is believed."""
    others = [i for i, is_believed in enumerate(believed) if is_believed and i != car and isfinite(people[i])]
    weight = sum(shares[i] for i in others)
    if weight <= 0.0:
        return None
    return shares[car] / weight * sum(people[i] for i in others)


def learn_shares(known: Sequence[int], people: Sequence[float], believed: Sequence[bool], stops: int) -> list[int]:
    """The shares of the cars of a train in ten-thousandths, with this stop's; of a car that is not believed the known one stays.

    `stops` is how many were learned from: the first weigh more, so that a new stop is soon known.
    """
    count = len(people)
    if len(known) != count:
        known, stops = [WHOLE // count] * count, 0
    judged = [i for i in range(count) if believed[i] and isfinite(people[i])]
    total, weight = sum(people[i] for i in judged), max(SHARE_WEIGHT, 1.0 / (stops + 2.0))
    room = sum(known[i] for i in judged)
    shares = list(known)
    if total < TEACHES_FROM * len(judged) or not judged:
        return shares
    for i in judged:
        shares[i] = max(round(known[i] + weight * (people[i] / total * room - known[i])), 1)
    return shares


def deviation(scales: Scales, people: float, people_sd: float, expected: float) -> float:
    """How far the people of a car are from those expected, in standard deviations."""
    return (people - expected) / sqrt(_known2(scales, expected, people_sd))


def _known2(scales: Scales, expected: float, people_sd: float) -> float:
    """The variance of people of whom so many are expected: the car's own, that of counts, a few in any case, and the weighing's."""
    crowd = max(expected, 0.0)
    return (scales.spread * crowd) ** 2 + crowd + FEW_PEOPLE**2 + people_sd**2


def look_for_fault(scales: Scales, stop: Stop, others: Sequence[Stop], expected: float | None) -> str:
    """Judges one car at one stop and changes `scales`; the fault it has now, "" for none."""
    off = (
        0.0
        if expected is None or not isfinite(stop.people)
        else deviation(scales, stop.people, stop.people_sd, expected)
    )
    stop = _without_crowds(stop, others)
    _remember_leap(scales, stop)
    sign = _sign(scales, stop, others)
    scales.signs = scales.signs + 1 if sign and sign == scales.sign else int(bool(sign))
    scales.sign = sign
    if sign and scales.signs >= SIGNS_TO_BELIEVE:
        scales.fault, scales.clean = scales.fault or sign, 0
    elif sign or abs(off) > CLEAR_SD or (scales.fault == JUMPED and off * scales.leap > BACK_SD):
        scales.clean = 0
    elif scales.fault and stop.heard >= HEARD_AT_LEAST:
        scales.clean += 1
        if scales.clean >= CLEAN_STOPS:
            scales.fault, scales.clean = "", 0
    if not scales.fault and not sign and expected is not None and isfinite(stop.people):
        _learn_spread(scales, stop, expected)
    return scales.fault


def believe_again(scales: Scales) -> None:
    """The zero was weighed anew: where a jump was at fault, nothing is now."""
    if scales.fault == JUMPED:
        scales.fault, scales.sign, scales.signs, scales.clean, scales.leap_stops = "", "", 0, 0, 0


def _sign(scales: Scales, stop: Stop, others: Sequence[Stop]) -> str:
    heard = [other for other in others if other.heard]
    if not stop.heard or 2 * stop.outside >= stop.heard:
        is_dead = heard and not stop.heard and median(other.heard for other in heard) >= HEARD_AT_LEAST
        return IMPLAUSIBLE if stop.heard else DEAD if is_dead else ""
    moving = median(other.range_kg for other in heard) if heard else 0.0
    if stop.heard >= HEARD_AT_LEAST and stop.range_kg == 0.0 and moving > 0.0:
        return STUCK
    if _is_noisy(scales, stop, heard):
        scales.sign, scales.signs = NOISY, SIGNS_TO_BELIEVE  # two stops were looked at
        return NOISY
    return JUMPED if _has_jumped(scales, stop) else ""


def _has_jumped(scales: Scales, stop: Stop) -> bool:
    if stop.people < -JUMP_SD * max(stop.people_sd, 1.0):
        scales.leap = -1
        return True
    if stop.left_over > max(MOST_LEFT_OVER, JUMP_SD * stop.people_sd):
        scales.leap, scales.sign, scales.signs = 1, JUMPED, SIGNS_TO_BELIEVE
        return True
    return scales.leap_stops > 0


def _without_crowds(stop: Stop, others: Sequence[Stop]) -> Stop:
    """Where half of the others leapt as well, it was the train's people who came or went unheard; and a car that is left by everybody at once
    weighs what it does empty, which a zero that moved hits only by chance."""
    is_common = 2 * sum(other.leap_kg != 0.0 for other in others) >= len(others) > 0
    is_emptied = stop.leap_kg < 0.0 and abs(stop.people) < MOST_LEFT_OVER
    return replace(stop, leap_kg=0.0) if stop.leap_kg and (is_common or is_emptied) else stop


def _remember_leap(scales: Scales, stop: Stop) -> None:
    """A leap back ends what the leap before began."""
    scales.leap_stops = max(scales.leap_stops - 1, 0)
    if stop.leap_kg:
        side = 1 if stop.leap_kg > 0 else -1
        leapt_back = scales.leap_stops > 0 and side != scales.leap
        scales.leap, scales.leap_stops = side, 0 if leapt_back else LEAP_STOPS


def _is_noisy(scales: Scales, stop: Stop, others: Sequence[Stop]) -> bool:
    usual = [other.noise_kg for other in others if other.noise_kg is not None]
    if stop.noise_kg is None or not usual:
        return False
    ratio = round(stop.noise_kg / max(median(usual), 1.0), 2)
    scales.noise_ratios = [*scales.noise_ratios[1 - NOISE_WINDOW :], min(ratio, MOST_RATIO)]
    if len(scales.noise_ratios) < NOISE_WINDOW:
        return False
    pooled = sqrt(sum(one**2 for one in scales.noise_ratios) / NOISE_WINDOW)
    return pooled > (STILL_NOISY if scales.fault == NOISY else NOISY_FACTOR)


def _learn_spread(scales: Scales, stop: Stop, expected: float) -> None:
    if expected < TEACHES_FROM:
        return
    known2 = _known2(scales, expected, stop.people_sd) - (scales.spread * expected) ** 2
    seen = max((stop.people - expected) ** 2 - known2, 0.0) / expected**2
    seen = min(seen, 9.0 * scales.spread**2)  # an outlier widens it a little
    spread2 = scales.spread**2 + SPREAD_WEIGHT * (seen - scales.spread**2)
    scales.spread = round(max(sqrt(spread2), LEAST_SPREAD), 4)
