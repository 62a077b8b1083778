"""What profiles give on a fixed set of trips: time beside the fastest, and the crowd, dark, noise and steps that are met."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from bench._walk_networks import draw_trips

from dongne.adapters.places import get_city_folder
from dongne.adapters.series import auckland
from dongne.adapters.series.recording import to_instants
from dongne.adapters.sources import find_file, load_sources, read_table
from dongne.methods.crowd_field import CrowdField
from dongne.methods.rhythm import hour_of_week
from dongne.methods.walk_choices import Choice, choose
from dongne.methods.walk_costs import Fields, get_profile, list_profiles
from dongne.methods.walk_metrics import Metrics
from dongne.methods.walk_network import KINDS, Floats, Ints, WalkNetwork
from dongne.methods.windows import HOUR_US

ZONE = ZoneInfo("Pacific/Auckland")
THURSDAY = 3
SIMULATED_COUNTERS = 40


def read_helsinki(network: WalkNetwork, data: Path | None, hour: int) -> tuple[list[int], Floats, str] | None:
    """Edges of the counters of Helsinki, what they count on a Thursday at this hour in the median, and where that was measured."""
    folder = get_city_folder("helsinki")
    path = find_file(load_sources(folder)["ped_auckland"], data)
    if path is None:
        return None
    table = read_table(folder / "series.toml", "it says where series are replayed")
    placed = next(one["at"] for one in table["set"] if one["source"] == "ped_auckland")
    edges, counts = [], []
    for name, record in auckland.read(path).items():
        way = int(placed.get(name, "0").rpartition("/")[2])
        on = np.flatnonzero(network.way == way)
        if not len(on):
            continue
        instants, there = to_instants(record.local_us, ZONE)
        instants = instants[there]
        slots = np.array([hour_of_week(int(t) // HOUR_US, ZONE) for t in instants.tolist()])
        since = instants >= int(datetime(2023, 1, 2, tzinfo=UTC).timestamp() * 1e6)
        values = record.value[there][(slots == THURSDAY * 24 + hour) & since]
        edges.append(int(on[len(on) // 2]))
        counts.append(float(np.median(values)))
    return edges, np.array(counts), "counted in Auckland 2023-2025, re-homed to footways of Helsinki"


def simulate(network: WalkNetwork, chance: np.random.Generator) -> tuple[list[int], Floats, str]:
    """Counters where people walk, and counts drawn: nothing of it was measured."""
    kinds = [KINDS.index(kind) for kind in ("footway", "pedestrian", "living_street", "road")]
    usable = np.flatnonzero(np.isin(network.kind, kinds) & (network.component[network.start] == 0))
    edges: Ints = chance.choice(usable, SIMULATED_COUNTERS, replace=False)
    return (
        edges.tolist(),
        chance.lognormal(np.log(1200.0), 0.8, SIMULATED_COUNTERS),
        "simulated: drawn counts at drawn places",
    )


def show_trips(name: str, network: WalkNetwork, data: Path | None, count: int, seed: int) -> None:
    """Prints a table for midday and one for the night."""
    far = (300.0, 1500.0) if name == "Helsinki" else (400.0, 2500.0)
    metrics = Metrics(network)
    for hour, darkness in ((12, 0.0), (22, 1.0)):
        chance = np.random.default_rng(seed)
        found = read_helsinki(network, data, hour) if name == "Helsinki" else None
        edges, counts, origin = found or simulate(network, chance)
        field = CrowdField(network, edges)
        crowd = field.crowd(field.flow_per_h(counts))
        metrics.plan(0, [Fields(crowd, np.zeros(network.edges, np.bool_), darkness)])()
        board = metrics.board
        trips = draw_trips(network, board.connected["step_free"], chance, count, far)
        print(
            f"\n{name}, {hour}:00, {'dark' if darkness else 'light'}; {len(trips)} trips of {far[0]:g} to {far[1]:g} m; "
            f"crowd {origin}, {len(edges)} counters, median {np.median(counts):.0f}/h, {100 * (crowd > 0).mean():.0f} % of edges"
        )
        fast = [choose(board, get_profile("fast"), a, b, 0) for a, b in trips]
        for profile in list_profiles():
            got = fast if profile.id == "fast" else [choose(board, profile, a, b, 0) for a, b in trips]
            _show(profile.id, got, fast)


def _show(name: str, got: list[list[Choice]], fast: list[list[Choice]]) -> None:
    pairs = [(mine[0], best[0]) for mine, best in zip(got, fast, strict=True) if mine and best]
    if not pairs:
        print(f"  {name:10} no route")
        return
    longer = np.array([100 * (mine.length_m / best.length_m - 1) for mine, best in pairs])
    slower = np.array([100 * (mine.time_ms / best.time_ms - 1) for mine, best in pairs])
    said = [
        f"{name:10} {len(pairs):4} routes, time {np.median(slower):+5.1f} % (p90 {np.percentile(slower, 90):+5.1f}), length {np.median(longer):+5.1f} %"
    ]
    for what in ("crowd", "dark", "noise"):
        there = [
            (getattr(m, what) * m.time_ms, getattr(b, what) * b.time_ms) for m, b in pairs if getattr(b, what) > 0.02
        ]
        if there:
            mine, best = np.array(there).T
            said.append(
                f"{what} {100 * (mine.sum() / best.sum() - 1):+4.0f} % (median {100 * np.median(mine / best - 1):+4.0f}, n {len(there)})"
            )
    said.append(
        f"steps {sum(m.steps for m, _ in pairs) / len(pairs):4.1f}, routes {np.mean([len(one) for one in got if one]):.1f}"
    )
    print("  " + "; ".join(said), flush=True)
