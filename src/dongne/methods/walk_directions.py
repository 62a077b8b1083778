"""A walk told turn by turn: the stretches of a route become the few steps that a person would say."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

SHORT_M = 15.0  # an ordinary way that is shorter is a corner, or a jog
BEND_DEG = 50.0  # a street may bend by so much and is still followed
TURNS_DEG = ((25.0, "straight"), (60.0, "slight"), (125.0, ""), (165.0, "sharp"))


class Way(StrEnum):
    """What one walks on."""

    STREET = "street"
    CROSSING = "crossing"
    STEPS = "steps"
    SQUARE = "square"
    TUNNEL = "tunnel"
    LIFT = "lift"


class Stretch(NamedTuple):
    """A piece of a route between two junctions. Headings are degrees clockwise from north, where it begins and where it ends;
    `stairs` how many, 0 where nobody counted; `rises` +1 up, -1 down, 0 unknown or level."""

    length_m: float
    duration_s: float
    enters_deg: float
    leaves_deg: float
    way: Way = Way.STREET
    name: str = ""
    stairs: int = 0
    rises: int = 0


class Step(NamedTuple):
    """What to do next: turn, then follow this way for so long. `turn` is "depart" (first of all), "straight", "left", "right",
    the last two also after "slight_" or "sharp_", or "back"; `first` is the number of its first stretch, `crossings` how many
    streets are crossed straight ahead on the way."""

    turn: str
    way: Way
    name: str
    length_m: float
    duration_s: float
    enters_deg: float
    leaves_deg: float
    first: int
    stairs: int = 0
    rises: int = 0
    crossings: int = 0


def list_steps(route: Sequence[Stretch]) -> list[Step]:
    """The steps of a route, in order; their lengths and times add up to those of the stretches."""
    runs = _in_one(Step("", s.way, s.name, *s[:4], number, s.stairs, s.rises) for number, s in enumerate(route))
    steps = _across(_in_one(_without_corners(runs)))
    turns = ["depart", *(turn_of(turned_deg(a.leaves_deg, b.enters_deg)) for a, b in pairwise(steps))]
    return [Step(turn, *step[1:]) for turn, step in zip(turns, steps, strict=False)]


def turned_deg(leaves_deg: float, enters_deg: float) -> float:
    """By how much one turns from one heading to another: -180 to 180, to the right above 0."""
    return (enters_deg - leaves_deg + 180.0) % 360.0 - 180.0


def turn_of(turned: float) -> str:
    """The word for a turn by so many degrees, to the right above 0."""
    size = abs(turned)
    for limit, word in TURNS_DEG:
        if size < limit:
            side = "right" if turned > 0 else "left"
            return word if word == "straight" else f"{word}_{side}" if word else side
    return "back"


def spoken_m(length_m: float) -> float:
    """A distance as people say it: to 10 m below 100 m, to 50 m below 500 m, to 100 m below a kilometre, then to 0.1 km."""
    step = 10.0 if length_m < 95 else 50.0 if length_m < 475 else 100.0
    return max(10.0, round(length_m / step) * step)


def _in_one(steps: Iterable[Step]) -> list[Step]:
    """What goes on along the same way is one step."""
    found: list[Step] = []
    for step in steps:
        if found and _is_same(found[-1], step):
            found[-1] = _joined(found[-1], step)
        else:
            found.append(step)
    return found


def _without_corners(steps: list[Step]) -> list[Step]:
    """Runs of short ways go to the way after them, or to the one before where none follows."""
    kept: list[Step] = []
    held: list[Step] = []  # a run that may be a corner
    for step in steps:
        if step.way is Way.STREET and step.length_m + sum([s.length_m for s in held]) < SHORT_M:
            held.append(step)
        elif held:
            kept.append(_with_corner(held, step))
            held = []
        else:
            kept.append(step)
    if not kept:
        return held
    for step in held:
        kept[-1] = _longer(kept[-1], step)
    return kept


def _with_corner(held: Sequence[Step], step: Step) -> Step:
    """The step with what leads to it; its heading stays its own, so that two half turns are said as one."""
    for corner in held:
        step = _longer(step, corner)
    return step._replace(first=held[0].first)


def _longer(step: Step, more: Step) -> Step:
    return step._replace(length_m=step.length_m + more.length_m, duration_s=step.duration_s + more.duration_s)


def _joined(step: Step, after: Step) -> Step:
    return Step(
        step.turn, step.way, step.name, step.length_m + after.length_m, step.duration_s + after.duration_s, step.enters_deg, after.leaves_deg,
        step.first, step.stairs + after.stairs if step.stairs and after.stairs else 0,  # a part uncounted: unknown in all
        step.rises if step.rises == after.rises else 0, step.crossings + after.crossings,
    )  # fmt: skip


def _is_same(step: Step, after: Step) -> bool:
    """Whether one goes on along the same way, as far as a street may bend."""
    way = step.way
    if way is not after.way or step.name != after.name:
        return False
    return way is Way.CROSSING or way is Way.SQUARE or abs(turned_deg(step.leaves_deg, after.enters_deg)) < BEND_DEG


def _across(steps: list[Step]) -> list[Step]:
    """Where one goes straight across a street and on along the same way, the crossing is counted and not told."""
    told: list[Step] = []
    for number, step in enumerate(steps):
        before = told[-1] if told else None
        after = steps[number + 1] if number + 1 < len(steps) else None
        if step.way is Way.CROSSING and before and after and _is_same_way(before, step, after):
            told[-1] = _longer(before, step)._replace(leaves_deg=step.leaves_deg, crossings=before.crossings + 1)
        elif before is not None and before.crossings and _is_same(before, step):
            told[-1] = _joined(before, step)
        else:
            told.append(step)
    return told


def _is_same_way(before: Step, crossing: Step, after: Step) -> bool:
    if not (before.way is after.way is Way.STREET) or before.name != after.name:
        return False
    bends = (before.leaves_deg, crossing.enters_deg), (crossing.leaves_deg, after.enters_deg)
    return all(abs(turned_deg(*bend)) < BEND_DEG for bend in bends)
