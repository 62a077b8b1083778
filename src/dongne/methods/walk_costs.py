"""What walking an arc takes, and what it is worth, for whom: seconds, and milliseconds of equivalent time.

cost = time x (1 + sum of weight x exposure) + what is worth avoiding by itself. Exposures are 0 to 1: crowd, darkness, noise, rough
ground. What is barred for a profile has the cost BARRED. Profiles are data: `walk_profiles.toml`.

Speed on a slope: W. Tobler, Three Presentations on Geographical Analysis and Modeling (NCGIA 93-1, 1993): proportional to
exp(-3.5 |slope + 0.05|), here 1 on the flat. Speed on steps: Weidmann 1993.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from dongne.methods.shortest_paths import BARRED
from dongne.methods.walk_network import (
    BARRIERS,
    COVERS,
    CROSSINGS,
    KERBS,
    KINDS,
    NO,
    SURFACES,
    YES,
    Flags,
    Floats,
    Ints,
    WalkNetwork,
)
from dongne.model.errors import NotFound

PROFILES_FILE = Path(__file__).parent / "walk_profiles.toml"
STEPS_UP_M_S, STEPS_DOWN_M_S, FLAT_M_S = 0.61, 0.694, 1.34  # Weidmann 1993, horizontally
ESCALATOR_M_S = 0.5  # EN 115-1: the usual speed along the slope
ELEVATOR_S = 60.0  # waiting and riding
CROSSING_S = {
    "none": 0.0,
    "unmarked": 4.0,
    "marked": 2.0,
    "signals": 20.0,
}  # mean wait; at signals that of a 90 s cycle with a third green
BARRIER_S = {"none": 0.0, "narrow": 1.0, "gate": 4.0, "step": 6.0, "elevator": ELEVATOR_S}
UNSAID_CROSSING_S = (0.0, 0.0, 1.0, 4.0, 8.0, 12.0)  # by ROADS, where a way on foot meets a road and nothing is said
ROUGHNESS = {"unknown": 0.15, "smooth": 0.0, "firm": 0.2, "cobbled": 0.6, "loose": 1.0}
NOISE = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # by ROADS: a proxy from the class of the road; no sound is worked out here
MOST_DRAWN = 1.6
SENT_WEIGHT = 4.0  # of who was sent there, in a draw
MOST_MS = 10_000_000  # of one arc: the dearest path stays below BARRED


class Profile(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    """Whom the costs are for. A weight of 1 makes a second at full exposure count as two."""

    id: str
    speed_m_s: float
    steps: Literal["walked", "carried", "barred"] = "walked"
    raised_kerbs: Literal["walked", "barred"] = "walked"
    wheels: bool = False  # what says wheelchair=no, or has a barrier to step over, is barred
    most_incline_percent: float = 100.0
    least_width_m: float = 0.0
    step_s: float = 0.0  # for each step, over the time it takes
    steps_s: float = 0.0  # for each flight
    kerb_s: float = 0.0  # for each lowered kerb; a raised one counts five times
    crossing_s: float = 0.0  # for each crossing, over the time it takes
    crowd_weight: float = 0.0
    dark_weight: float = 0.0
    noise_weight: float = 0.0
    tunnel_weight: float = 0.0
    surface_weight: float = 0.0
    draw: int = 0  # number of a draw of `draw_factors`, by which other routes are looked for; 0 is none


@cache
def list_profiles() -> tuple[Profile, ...]:
    """Those of `walk_profiles.toml`, in its order."""
    table = tomllib.loads(PROFILES_FILE.read_text(encoding="utf-8"))
    return tuple(msgspec.convert({"id": name, **values}, Profile) for name, values in table.items())


def get_profile(name: str) -> Profile:
    """The profile of this name. Raises NotFound with those there are."""
    found = next((one for one in list_profiles() if one.id == name), None)
    if found is None:
        raise NotFound(f"there is no profile {name!r}; profiles: {', '.join(one.id for one in list_profiles())}")
    return found


@dataclass(frozen=True, eq=False)
class Fields:
    """What changes while the network stays: by edge. `crowd` from 0 (nobody) to 1 (full); `darkness` of the sky, from 0 (day)
    to 1 (night); `lamps` 1 where lamps burn, 0 where none do, NaN: by the map; `closed` edges nobody may walk. `sent` is how full those who were advised make it; it only
    matters where other routes are looked for."""

    crowd: Floats
    closed: Flags
    darkness: float = 0.0
    lamps: Floats | None = None
    sent: Floats | None = None

    @staticmethod
    def none(network: WalkNetwork) -> "Fields":
        """Nobody about, by day, all open."""
        return Fields(np.zeros(network.edges), np.zeros(network.edges, np.bool_))


class Prices(NamedTuple):
    """Of each arc, in milliseconds: `along` is spread evenly over it, `at_head` is met where it ends. `time_ms` are the same in real time."""

    along: Ints
    at_head: Ints
    along_time: Ints
    at_head_time: Ints
    total_time: Ints

    @property
    def total(self) -> Ints:
        """What an engine takes: both together, BARRED where either is."""
        return np.asarray(np.minimum(self.along + self.at_head, BARRED))


class Tariff:
    """What each arc costs a profile, worked out as far as it never changes; `price` adds what does."""

    def __init__(self, network: WalkNetwork, profile: Profile) -> None:
        self.network, self.profile = network, profile
        self._time_s = _walking_s(network, profile)
        self._drawn = np.repeat(draw_factors(network, profile.draw), 2) if profile.draw else 1.0
        self._along_time, self._at_head_time = _ms(self._time_s), _ms(_at_head_s(network))
        self._total_time = self._along_time + self._at_head_time
        self._carrying_s = np.repeat(_carrying_s(network, profile), 2)
        self._at_head = _ms(_at_head_s(network) + _avoided_at_head_s(network, profile))
        self._at_head[_barred_nodes(network, profile)[network.head]] = BARRED
        self._barred = ~network.permitted | np.repeat(_barred_edges(network, profile), 2) | _too_steep(network, profile)

    def price(self, fields: Fields, exposed: "Exposures | None" = None) -> Prices:
        """What each arc costs as it is now; `exposed` are the `exposures` of these fields, where they were worked out."""
        edge, profile = exposed or exposures(self.network, fields), self.profile
        felt = (
            1.0
            + profile.crowd_weight * edge.crowd
            + profile.dark_weight * edge.dark
            + profile.noise_weight * edge.noise
        )
        felt += profile.surface_weight * edge.rough + profile.tunnel_weight * edge.enclosed
        along_s = self._time_s * np.repeat(felt, 2) + self._carrying_s
        if profile.draw:
            along_s *= (
                self._drawn if fields.sent is None else self._drawn * np.repeat(1.0 + SENT_WEIGHT * fields.sent, 2)
            )
        along = _ms(along_s)
        along[self._barred | np.repeat(fields.closed, 2)] = BARRED
        return Prices(along, self._at_head, self._along_time, self._at_head_time, self._total_time)


def price(network: WalkNetwork, profile: Profile, fields: Fields) -> Prices:
    """What each arc costs whom, as it is now."""
    return Tariff(network, profile).price(fields)


def draw_factors(network: WalkNetwork, draw: int) -> Floats:
    """What each edge costs more in a draw, from 1 to MOST_DRAWN: the same along a street, and the same in each run."""
    street = np.where(network.name > 0, network.name, network.way % 2**31 + 2**31).astype(np.uint64)
    with np.errstate(over="ignore"):  # SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014), modulo 2^64
        mixed = street + np.uint64(draw) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return np.asarray(1.0 + (MOST_DRAWN - 1.0) * (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)


WEIGHTS = (
    "crowd_weight",
    "dark_weight",
    "noise_weight",
    "tunnel_weight",
    "surface_weight",
    "step_s",
    "steps_s",
    "kerb_s",
    "crossing_s",
)


def blend(profile: Profile, share: float) -> Profile:
    """The same profile with all it weighs at this share: 0 minds time alone. What is barred stays so."""
    weights: dict[str, float] = {name: share * getattr(profile, name) for name in WEIGHTS}
    return msgspec.structs.replace(profile, id="", **weights)


class Exposures(NamedTuple):
    """What one is exposed to on each edge, from 0 to 1."""

    crowd: Floats
    dark: Floats
    noise: Floats
    rough: Floats
    enclosed: Floats


def exposures(network: WalkNetwork, fields: Fields) -> Exposures:
    """What one is exposed to on each edge. Where the map says nothing of lamps, streets count as lit and paths as half."""
    cover = network.cover
    lit = np.where(network.lit == YES, 1.0, np.where(network.lit == NO, 0.0, np.where(_is_street(network), 0.8, 0.5)))
    lit = np.where(cover == COVERS.index("indoor"), 1.0, lit)
    if fields.lamps is not None:
        lit = np.where(np.isnan(fields.lamps), lit, fields.lamps)
    open_air = np.where(cover == COVERS.index("tunnel"), 1.0, fields.darkness)
    return Exposures(
        crowd=np.clip(fields.crowd, 0.0, 1.0), dark=open_air * (1.0 - lit), noise=np.array(NOISE)[network.road],
        rough=np.array([ROUGHNESS[one] for one in SURFACES])[network.surface], enclosed=np.where(cover == COVERS.index("tunnel"), 1.0, 0.0),
    )  # fmt: skip


def darkness_of(elevation_deg: float) -> float:
    """How dark the sky is: 0 with the sun up, 1 from the end of civil twilight (-6 degrees) on."""
    return min(max((-0.833 - elevation_deg) / (6.0 - 0.833), 0.0), 1.0)


def tobler_factor(incline_percent: Floats) -> Floats:
    """Speed on a slope by speed on the flat, after Tobler; flat where the slope is not known."""
    slope = np.nan_to_num(np.clip(incline_percent, -60.0, 60.0)) / 100.0
    return np.asarray(np.exp(-3.5 * np.abs(slope + 0.05)) / exp(-3.5 * 0.05))


def _ms(seconds: Floats) -> Ints:
    return np.minimum(np.rint(seconds * 1000.0), MOST_MS).astype(np.int64)


def _is_street(network: WalkNetwork) -> Flags:
    return np.asarray(
        np.isin(
            network.kind,
            [KINDS.index(kind) for kind in ("sidewalk", "crossing", "pedestrian", "living_street", "service", "road")],
        )
    )


def _inclines(network: WalkNetwork) -> Floats:
    """Of arcs."""
    return np.stack([network.incline_percent, -network.incline_percent], axis=1).ravel()


def _walking_s(network: WalkNetwork, profile: Profile) -> Floats:
    length, kind = np.repeat(network.length_m, 2), np.repeat(network.kind, 2)
    speed = profile.speed_m_s * tobler_factor(_inclines(network))
    up = _inclines(network)
    on_steps = np.where(up > 0, STEPS_UP_M_S, np.where(up < 0, STEPS_DOWN_M_S, (STEPS_UP_M_S + STEPS_DOWN_M_S) / 2))
    speed = np.where(kind == KINDS.index("steps"), on_steps * profile.speed_m_s / FLAT_M_S, speed)
    speed = np.where(kind == KINDS.index("escalator"), ESCALATOR_M_S, speed)
    return np.asarray(length / speed + np.where(kind == KINDS.index("elevator"), ELEVATOR_S, 0.0))


def _carrying_s(network: WalkNetwork, profile: Profile) -> Floats:
    flights = np.isin(network.kind, [KINDS.index("steps"), KINDS.index("escalator")])
    carried = profile.steps_s + profile.step_s * network.steps
    return np.where(flights, np.where(network.ramp, carried / 4, carried), 0.0)


def _hand_walked(network: WalkNetwork) -> Flags:
    kinds = [
        KINDS.index(kind)
        for kind in ("footway", "sidewalk", "crossing", "pedestrian", "path", "cycleway", "track", "steps", "square")
    ]
    return np.repeat(np.isin(network.kind, kinds), 2)


def _crossing_s(network: WalkNetwork) -> Floats:
    """Of arcs: the wait at a road at whose edge one stands when one comes on a way of one's own."""
    said = np.array([CROSSING_S[one] for one in CROSSINGS])[network.node_crossing]
    unsaid = np.array(UNSAID_CROSSING_S)[network.node_road]
    wait = np.where(network.node_crossing > 0, said, unsaid)
    return np.where(_hand_walked(network), wait[network.head], 0.0)


def _at_head_s(network: WalkNetwork) -> Floats:
    barrier = np.array([BARRIER_S[one] for one in BARRIERS])[network.node_barrier]
    return np.asarray(barrier[network.head] + _crossing_s(network))


def _avoided_at_head_s(network: WalkNetwork, profile: Profile) -> Floats:
    kerb = np.array([0.0, 0.0, profile.kerb_s, 5 * profile.kerb_s])[network.node_kerb]
    return np.asarray(kerb[network.head] + np.where(_crossing_s(network) > 0, profile.crossing_s, 0.0))


def _barred_edges(network: WalkNetwork, profile: Profile) -> Flags:
    barred = np.zeros(network.edges, np.bool_)
    if profile.steps == "barred":
        barred |= np.isin(network.kind, [KINDS.index("steps"), KINDS.index("escalator")]) | (network.steps > 0)
    if profile.wheels:
        barred |= network.wheelchair == NO
    narrow = network.width_m < profile.least_width_m  # NaN is not narrow
    return np.asarray(barred | narrow)


def _too_steep(network: WalkNetwork, profile: Profile) -> Flags:
    return np.asarray(np.abs(_inclines(network)) > profile.most_incline_percent)


def _barred_nodes(network: WalkNetwork, profile: Profile) -> Flags:
    barred = np.zeros(network.nodes, np.bool_)
    if profile.raised_kerbs == "barred":
        barred |= network.node_kerb == KERBS.index("raised")
    if profile.wheels:
        barred |= network.node_barrier == BARRIERS.index("step")
    return barred
