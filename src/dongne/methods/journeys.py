"""Journeys of a while: all that are worth taking between two times of departure, by asking a planner again and again.

A journey is worth taking where no other departs as late or later, arrives as early or earlier and has as many transfers or fewer.
Asked at the minute behind the earliest departure it told before, a planner of earliest arrivals finds each of them.
"""

from collections.abc import Mapping

from dongne.methods.timetable import Journey, Planner, Ride

MOST_QUESTIONS = 200


def plan_while(
    planner: Planner,
    sources: Mapping[int, int],
    targets: Mapping[int, int],
    first_min: int,
    last_min: int,
    most_transfers: int = 7,
) -> list[Journey]:
    """The journeys worth taking that depart from `first_min` to `last_min` (minutes since 1970), by departure; where none departs so
    soon, those that depart next. One on foot alone comes first, and departs at once."""
    found: list[Journey] = []
    at_min = first_min
    for _ in range(MOST_QUESTIONS):
        told = planner.plan(sources, targets, at_min, most_transfers)
        if at_min == first_min:
            found += [journey for journey in told if not _rides(journey)]
        rides = [journey for journey in told if _rides(journey)]
        if not rides:
            break
        found += rides
        at_min = min(journey.departure_min for journey in rides) + 1
        if at_min > last_min and any(_rides(journey) and journey.departure_min < at_min for journey in found):
            break
    return _worth_taking(found, first_min, last_min)


def _rides(journey: Journey) -> bool:
    return any(isinstance(leg, Ride) for leg in journey.legs)


def _worth_taking(journeys: list[Journey], first_min: int, last_min: int) -> list[Journey]:
    best = [one for one in dict.fromkeys(journeys) if not any(_is_beaten(one, other) for other in journeys)]
    best = [one for place, one in enumerate(best) if _key(one) not in {_key(other) for other in best[:place]}]
    within = [one for one in best if not _rides(one) or one.departure_min <= last_min]
    return sorted(
        within if any(map(_rides, within)) else best,
        key=lambda one: (one.departure_min if _rides(one) else first_min, one.arrival_min),
    )


def _key(journey: Journey) -> tuple[int, int, int]:
    return journey.departure_min, journey.arrival_min, journey.transfers


def _is_beaten(one: Journey, other: Journey) -> bool:
    if not (_rides(one) and _rides(other)):
        return False
    as_good = (
        other.departure_min >= one.departure_min
        and other.arrival_min <= one.arrival_min
        and other.transfers <= one.transfers
    )
    return as_good and _key(one) != _key(other)
