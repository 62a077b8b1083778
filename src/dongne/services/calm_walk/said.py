"""Routes in words: what each spares beside the fastest, and what to do turn by turn."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

from dongne.methods.walk_directions import Step, Way, spoken_m
from dongne.runtime.answer import Sentence
from dongne.services.calm_walk.counters import HERE, SIMULATED
from dongne.services.calm_walk.walk import Direction, Route

COMPASS = ("north", "north_east", "east", "south_east", "south", "south_west", "west", "north_west")
LEAST_CROWD_PERCENT = 3.0  # below this nobody would speak of a crowd
ASK_FOR_STEPS = frozenset({"step_free", "pram"})
LEAST_M = 40.0  # more or less by this is worth a word
SHARES = ((0.2, "hardly"), (0.42, "third"), (0.65, "half"), (0.9, "less"))  # of the crowd on the fastest way


def say_length(length_m: float) -> dict[str, Any]:
    """The gap `{metres}` of a text."""
    said = spoken_m(length_m)
    return (
        {"metres_key": "calm_walk.m", "metres_values": {"n": said}}
        if said < 1000
        else {"metres_key": "calm_walk.km", "metres_values": {"n": said / 1000}}
    )


def say_step(step: Step) -> Sentence:
    """What to do next."""
    turn = {"turn_key": f"calm_walk.turn.{step.turn}"}
    named = "named" if step.name else "unnamed"
    match step.way:
        case Way.STREET:
            key = f"depart.{named}" if step.turn == "depart" else f"go.{named}"
            turn = (
                {"toward_key": f"calm_walk.toward.{COMPASS[round(step.enters_deg / 45) % 8]}"}
                if step.turn == "depart"
                else turn
            )
            return _with_crossings(
                step, Sentence(f"calm_walk.{key}", {**turn, "name": step.name, **say_length(step.length_m)})
            )
        case Way.STEPS:
            rises = {1: "_up", -1: "_down"}.get(step.rises, "")
            return Sentence(f"calm_walk.steps{rises}", {**turn, "n": step.stairs})
        case Way.SQUARE:
            return Sentence(f"calm_walk.square.{named}", {**turn, "name": step.name, **say_length(step.length_m)})
        case Way.TUNNEL:
            return Sentence("calm_walk.tunnel", {**turn, **say_length(step.length_m)})
    return Sentence(f"calm_walk.{step.way}", turn)


def _with_crossings(step: Step, said: Sentence) -> Sentence:
    if not step.crossings:
        return said
    key = "calm_walk.crossings.one" if step.crossings == 1 else "calm_walk.crossings"
    return Sentence(key, {"said_key": said.key, "said_values": said.values, "n": step.crossings})


def say_spared(route: Route, fastest: Route, profile: str, *, has_crowd: bool) -> tuple[Sentence, ...]:
    """What a route is like beside the fastest one, in a few words each. Of steps is spoken where somebody would ask."""
    steps = tuple(_steps(route)) if route.steps or fastest.steps or profile in ASK_FOR_STEPS else ()
    if route is fastest:
        return (Sentence("calm_walk.spares.fastest"), *steps)
    return (*_spared(route, fastest, has_crowd), *steps)


def _spared(route: Route, fastest: Route, has_crowd: bool) -> Iterator[Sentence]:
    longer = ceil(max(0, route.duration_s - fastest.duration_s) / 60 - 0.25)
    yield Sentence("calm_walk.spares.longer", {"n": longer}) if longer >= 1 else Sentence("calm_walk.spares.as_fast")
    if has_crowd and (word := _crowd_word(_crowd_met(route), _crowd_met(fastest))):
        yield Sentence(f"calm_walk.spares.crowd.{word}")
    for name, here, there in (("dark", route.dark_m, fastest.dark_m), ("loud", route.loud_m, fastest.loud_m)):
        if abs(here - there) >= LEAST_M:
            if name == "dark" and here == 0:
                yield Sentence("calm_walk.spares.no_dark")
            else:
                yield Sentence(
                    f"calm_walk.spares.{name}_{'less' if here < there else 'more'}", say_length(abs(here - there))
                )


def _steps(route: Route) -> Iterator[Sentence]:
    yield (
        Sentence("calm_walk.spares.steps", {"n": route.steps}) if route.steps else Sentence("calm_walk.spares.no_steps")
    )


def _crowd_met(route: Route) -> float:
    """Percent-minutes: how full it is, for how long."""
    return route.crowd_percent * route.duration_s / 60


def _crowd_word(here: float, there: float) -> str:
    least = LEAST_CROWD_PERCENT * 5
    if there < least:
        return "more" if here > 2 * least else ""
    return next((word for share, word in SHARES if here / there < share), "more" if here > 1.2 * there else "")


def say_crowd(origins: Sequence[str], is_forecast: bool) -> Iterator[Sentence]:
    """From where the crowd is known: "here", "simulated", or places where it was measured."""
    if not origins:
        yield Sentence("calm_walk.crowd.unknown")
        return
    for origin in origins:
        if origin in (HERE, SIMULATED):
            yield Sentence(f"calm_walk.crowd.{origin}")
        else:
            yield Sentence("calm_walk.crowd.elsewhere", {"where_key": f"where.{origin}"})
    if is_forecast:
        yield Sentence("calm_walk.crowd.forecast")


def say_closures(count: int) -> Iterator[Sentence]:
    """How many ways are closed."""
    if count:
        yield Sentence("calm_walk.closures.one" if count == 1 else "calm_walk.closures", {"n": count})


def say_directions(steps: Sequence[Step], points: Sequence[tuple[float, float]], end: str) -> tuple[Direction, ...]:
    """The steps with where each begins, and that one has arrived; `points` has one place more than there are steps."""
    told = [
        Direction(say_step(step), step.turn, step.way, step.name, round(step.length_m), round(step.duration_s), *point)
        for step, point in zip(steps, points, strict=False)
    ]
    arrived = Sentence("calm_walk.arrive", {"name": end})
    return (*told, Direction(arrived, "arrive", "", end, 0, 0, *points[-1]))
