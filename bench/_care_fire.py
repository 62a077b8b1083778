"""Fires of NIST's home smoke alarm tests (firemodels/exp; public domain), and simulated nuisances."""

import csv
import tomllib
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dongne.methods.fire_series import Raised, Rule, find_fire, find_fire_of_home
from dongne.methods.proportions import wilson

Floats = NDArray[np.float64]

FOLDER = "nist_smoke_alarms"
NUISANCES = Path(__file__).with_name("care_nuisances.toml")
PLACES = "ABCDEF"
HARDER = (1.0, 1.5, 2.0)  # times the heat, smoke and CO of the file


class Fire(NamedTuple):
    """A fire: the alarms' times by place in s, and what each place's series say."""

    name: str
    alarms: dict[str, list[float]]
    raised: dict[str, Raised | None]

    @property
    def median_s(self) -> float:
        """Of all listed alarms."""
        return median(time for times in self.alarms.values() for time in times)

    @property
    def home(self) -> Raised | None:
        """The first of the places."""
        return find_fire_of_home(list(self.raised.values()))


def read_fires(folder: Path, rule: Rule | None = None, with_co: bool = False) -> list[Fire]:
    """All fires. Of each place the highest smoke meter and thermocouple; `with_co`: also the gas analyser, where one is."""
    with (folder / FOLDER / "Activation_Times.csv").open(encoding="utf-8") as file:
        names, times, *_ = list(csv.reader(file))
    alarms: dict[str, dict[str, list[float]]] = {}
    for name, time in zip(names[1:], times[1:], strict=True):
        test, _, alarm = name.partition("-")
        alarms.setdefault(test, {}).setdefault(alarm[-1], []).append(float(time))
    found = []
    for test in sorted(alarms):
        series = _read_series(folder / FOLDER / f"NIST_Smoke_Alarms_{test}.csv")
        raised = {}
        for place in PLACES:
            smoke = series.get(f"SM{place}_1")
            temperature = series.get(f"TC{place}_1")
            co = series.get(f"GAS{place}_1") if with_co else None
            if smoke is not None or temperature is not None:
                co_ppm = None if co is None else co * 1e4  # vol %
                raised[place] = find_fire(series["TIME"], smoke, temperature, co_ppm, rule)
        found.append(Fire(test, alarms[test], raised))
    return found


def _read_series(file: Path) -> dict[str, Floats]:
    with file.open(encoding="utf-8") as lines:
        names, *rows = list(csv.reader(lines))
    values = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])
    return dict(zip(names, values.T, strict=True))


class Nuisance(NamedTuple):
    """A simulated event: seconds, smoke, temperature, CO."""

    time_s: Floats
    smoke_per_m: Floats
    temperature_c: Floats
    co_ppm: Floats


def draw_nuisance(
    kind: dict[str, Any], shared: dict[str, Any], rng: np.random.Generator, harder: float = 1.0
) -> Nuisance:
    """One event: it grows, stays, and fades as it grew; each reading has noise."""
    both = rng.normal(size=2)
    z = {
        "smoke_per_m": both[0],
        "rise_k": kind["correlation"] * both[0] + np.sqrt(1 - kind["correlation"] ** 2) * both[1],
    }
    z["co_ppm"] = rng.normal()
    peak = {name: harder * kind[name]["median"] * kind[name]["factor"] ** z[name] for name in z}
    grows_s, lasts_s = rng.uniform(*kind["grows_s"]), rng.uniform(*kind["lasts_s"])
    time_s = np.arange(0.0, shared["quiet_s"] + lasts_s + 2 * grows_s, shared["step_s"])
    since = time_s - shared["quiet_s"]
    course = np.where(
        since < lasts_s + grows_s, np.clip(since / grows_s, 0, 1), np.exp(-(since - lasts_s - grows_s) / grows_s)
    )
    noise = {name: rng.normal(0, sd, len(time_s)) for name, sd in shared["noise"].items()}
    return Nuisance(
        time_s,
        np.maximum(0.0, peak["smoke_per_m"] * course + noise["smoke_per_m"]),
        22.0 + peak["rise_k"] * course + noise["temperature_c"],
        np.maximum(0.0, peak["co_ppm"] * course + noise["co_ppm"]),
    )


def count_nuisances(name: str, harder: float = 1.0, events: int = 0) -> tuple[int, int, int]:
    """(raised, raised by a plain smoke alarm, events) of a kind in the file."""
    shared = tomllib.loads(NUISANCES.read_text(encoding="utf-8"))
    rng = np.random.default_rng([shared["seed"], *name.encode()])
    count = events or int(shared["events"])
    raised = plain = 0
    for _ in range(count):
        event = draw_nuisance(shared[name], shared, rng, harder)
        raised += find_fire(*event) is not None
        held = np.minimum(event.smoke_per_m[1:], event.smoke_per_m[:-1])
        plain += bool((held >= shared["plain_smoke_per_m"]).any())
    return raised, plain, count


def show(folder: Path) -> bool:
    """Prints the tables; whether each fire is raised no later than the median of its alarms."""
    print(f"\nFire: NIST home smoke alarm tests. {Rule()}")
    print("  fire    home raised  by (place)           median of its alarms   alarms that sounded before us")
    good = True
    fires = read_fires(folder)
    for fire in fires:
        home = fire.home
        place = next((p for p, r in fire.raised.items() if r == home), "-")
        at_s, sign = (home.at_s, f"{home.sign} ({place})") if home else (float("inf"), "-")
        good &= at_s <= fire.median_s
        every = [time for times in fire.alarms.values() for time in times]
        before = sum(time < at_s for time in every)
        print(f"  {fire.name}  {at_s:7.0f} s    {sign:22} {fire.median_s:7.0f} s              {before} of {len(every)}")
    lead = [fire.median_s - fire.home.at_s for fire in fires if fire.home]
    print(f"  before the median: {min(lead):.0f} to {max(lead):.0f} s, in the mean {np.mean(lead):.0f} s")
    show_single_places(fires)
    for name, rule in (
        ("rise 5 K", Rule(rise_k=5.0)),
        ("rise 12 K", Rule(rise_k=12.0)),
        ("smoke 0.04 /m", Rule(smoke_per_m=0.04)),
    ):
        other = read_fires(folder, rule)
        in_time = sum(f.home is not None and f.home.at_s <= f.median_s for f in other)
        print(f"  with {name}: {in_time} of {len(other)} fires no later than the median")
    by_co = read_fires(folder, with_co=True)
    said = ", ".join(f"{f.name} {f.home.at_s:.0f} s {f.home.sign}" for f in by_co if f.home)
    print(f"  with the gas analysers' CO beside it: {said}")
    show_nuisances()
    return good


def show_single_places(fires: list[Fire]) -> None:
    """What a home with one detector gets: each place alone."""
    pairs = [(r, fire, place) for fire in fires for place, r in fire.raised.items()]
    in_time = sum(r is not None and r.at_s <= fire.median_s for r, fire, _ in pairs)
    never = sum(r is None for r, _, _ in pairs)
    later = [r.at_s - median(fire.alarms[place]) for r, fire, place in pairs if r and place in fire.alarms]
    print(
        f"  each place alone: {in_time} of {len(pairs)} no later than the fire's median, {never} not within the recording; ",
        end="",
    )
    print(
        f"against the median of its own alarms {np.median(later):.0f} s later (from {min(later):.0f} to {max(later):.0f})"
    )


def show_nuisances() -> None:
    """How many simulated events raise a fire."""
    print("  nuisances, SIMULATED (bench/care_nuisances.toml): raised by us, and by smoke alone at 2 %/ft")
    for name in ("cooking", "steam", "dust"):
        for harder in HARDER:
            raised, plain, count = count_nuisances(name, harder, 0 if harder == 1.0 else 1_000)
            low, high = wilson(raised, count)
            print(
                f"    {name:8} x {harder:g}: {raised / count:.4f} [{low:.4f} to {high:.4f}] {raised} of {count}; smoke alone {plain / count:.3f}",
                flush=True,
            )
