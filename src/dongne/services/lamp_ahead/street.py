"""Who comes along the street: from where and when presence was noticed at the lamps near one lamp."""

from collections.abc import Iterator, Sequence

import msgspec

from dongne.methods.walking import Leg, Window, arrival_window, find_speed_m_s, is_one_person
from dongne.runtime.service import Neighbour
from dongne.services.lamp_ahead.lamp import Lamp, Settings, Visit

VISIT_GAP_US = 8_000_000  # a longer break makes it another visit
STAY_US = 30_000_000  # who stays longer may go on in any direction
MEMORY_US = 300_000_000  # after this nobody is the same walker any more
SECOND_US = 1_000_000
STROLL_M_S = 0.76  # mean of older people, see methods/walking.py: who starts from somewhere is waited for this long


class Coming(msgspec.Struct, frozen=True):
    """Somebody may come: light from `on_us` until `until_us`."""

    on_us: int
    until_us: int


def note(lamp: Lamp, thing: int, present: bool, time_us: int, now_us: int) -> Visit | None:
    """Notes what a lamp's sensor said; the visit it belongs to, None where it is too old to tell anything."""
    if now_us - time_us > MEMORY_US:
        return None
    visit = lamp.heard.get(thing)
    again = visit is not None and present and visit.cleared and time_us > visit.last_us
    if visit is None or again or time_us - visit.last_us > VISIT_GAP_US:
        for other in [t for t, v in lamp.heard.items() if now_us - v.last_us > MEMORY_US]:
            del lamp.heard[other]
        visit = Visit(time_us, time_us, visit.last_us if visit else 0)
        lamp.heard[thing] = visit
    if time_us >= visit.last_us:
        visit.last_us, visit.cleared = time_us, not present
    return visit


def who_comes(
    lamp: Lamp, key: int, near: Sequence[Neighbour], seen: Neighbour, time_us: int, settings: Settings
) -> Coming | None:
    """What presence at `seen` means for the lamp `key`; None where whoever it is goes away or is far off.

    Noticed before at a lamp farther out on the same way: they come, at the speed of that leg. Noticed before at a lamp
    on the way from here, or here, and not since at `seen`: they go away. Neither, or they stood there long: nobody knows,
    and the lamps within reach give light.
    """
    visit = lamp.heard[seen.thing]
    stayed = visit.last_us - visit.first_us > STAY_US
    fresh = visit.first_us == visit.last_us
    speed = None if stayed else find_speed_m_s(_legs_towards(lamp, near, seen, time_us), settings.pace)
    if speed is not None:
        window = arrival_window(seen.distance_m, speed)
        lead_s = settings.lead_s
    elif not stayed and (not fresh or _goes_away(lamp, key, near, seen, time_us, settings)):
        return None
    elif seen.hops == 1 or seen.distance_m <= settings.reach_m:
        window = Window(0.0, seen.distance_m / STROLL_M_S)
        lead_s = 0.0
    else:
        return None
    on_us = time_us + int((window.early_s - lead_s) * SECOND_US)
    return Coming(on_us, time_us + int((window.late_s + settings.hold_s) * SECOND_US))


def _legs_towards(lamp: Lamp, near: Sequence[Neighbour], seen: Neighbour, time_us: int) -> Iterator[Leg]:
    for farther in near:
        visit = lamp.heard.get(farther.thing)
        if visit is not None and farther.hops > seen.hops and seen.thing in farther.path:
            yield _leg(farther.distance_m - seen.distance_m, visit, time_us)


def _goes_away(
    lamp: Lamp, key: int, near: Sequence[Neighbour], seen: Neighbour, time_us: int, settings: Settings
) -> bool:
    """Whether they were here, or nearer to here, just before. A sighting explains one visit only: not where `seen` was
    visited since, nor where whoever it was may have gone elsewhere since."""
    before_us = lamp.heard[seen.thing].before_us
    elsewhere_us = max(
        (v.first_us for thing, v in lamp.heard.items() if thing not in seen.path and thing != key), default=0
    )
    on_the_way = [(n.thing, n.distance_m) for n in near if n.hops < seen.hops and n.thing in seen.path]
    for thing, metres in [(key, 0.0), *on_the_way]:
        visit = lamp.heard.get(thing)
        if visit is not None and visit.last_us > max(before_us, elsewhere_us):
            leg = _leg(seen.distance_m - metres, visit, time_us)
            if is_one_person(leg, settings.pace):
                return True
    return False


def _leg(distance_m: float, visit: Visit, time_us: int) -> Leg:
    return Leg(distance_m, (time_us - visit.last_us) / SECOND_US)
