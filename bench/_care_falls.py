"""Falls of UMAFall (Casilari and others, figshare, CC BY 4.0): 18 subjects, 5 places of the sensor."""

import csv
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bench._care_shares import Case, say_shares, shares_of

from dongne.methods.falls import Impact, Rule, list_impacts
from dongne.model.errors import BadInput

FOLDER = "falls_umafall"
PLACES = {2: "waist", 1: "chest", 0: "trouser pocket (phone)", 4: "ankle", 3: "wrist"}
GRID = [
    Rule(impact_g, swing_g, at_once, after)
    for impact_g, swing_g, at_once, after in product(
        (1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2),
        (0.6, 0.8, 1.0, 1.2, 1.4),
        (0.0, 30.0, 40.0, 50.0, 60.0),
        (40.0, 50.0, 60.0),
    )
]


class Trial(NamedTuple):
    """A trial at one place: who, what, whether it is a fall, its impacts and seconds; `too_slow`: the sensor lost too much."""

    place: int
    subject: str
    activity: str
    is_fall: bool
    impacts: list[Impact]
    seconds: float
    too_slow: bool

    def is_raised(self, rule: Rule) -> bool:
        """Whether any of its impacts is called a fall."""
        return any(impact.is_fall(rule) for impact in self.impacts)


def read_trials(folder: Path, every: int = 1, places: tuple[int, ...] = tuple(PLACES), thin: int = 1) -> list[Trial]:
    """All trials, or each `every`th; `thin`: only each so-manieth sample is kept."""
    from pyarrow import parquet  # noqa: PLC0415  only with --data

    table = parquet.read_table(folder / FOLDER / "umafall_accelerometer_mg.parquet")
    with (folder / FOLDER / "trials.csv").open(encoding="utf-8") as file:
        trials = {int(row["trial"]): row for row in csv.DictReader(file)}
    trial, place = table["trial"].to_numpy().astype(np.int64), table["sensor"].to_numpy().astype(np.int64)
    wanted = np.isin(place, places) & (trial % every == 0)
    time_s = table["t_ms"].to_numpy()[wanted] / 1000.0
    acceleration_g = np.stack([table[axis].to_numpy()[wanted] for axis in "xyz"], axis=1) / 1000.0
    key = (trial * 8 + place)[wanted]
    order = np.lexsort((time_s, key))
    edges = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1))
    found = []
    for first, last in pairwise(edges):
        rows = order[first:last:thin]
        number, where = divmod(int(key[rows[0]]), 8)
        impacts, too_slow = [], False
        try:
            impacts = list_impacts(time_s[rows], acceleration_g[rows])
        except BadInput:
            too_slow = True
        said = trials[number]
        seconds = float(time_s[rows[-1]] - time_s[rows[0]])
        found.append(
            Trial(where, said["subject"], said["activity"], said["kind"] == "Fall", impacts, seconds, too_slow)
        )
    return found


def cases_of(trials: list[Trial], rule: Rule) -> list[Case]:
    """What is counted: a trial is a case, of the cluster of its subject."""
    return [Case(trial.subject, trial.is_fall, trial.is_raised(rule)) for trial in trials]


def leave_one_subject_out(trials: list[Trial]) -> list[Case]:
    """Each subject judged by the rule of `GRID` that is best (least of Se and Sp) on all others."""
    subjects = sorted({trial.subject for trial in trials})
    raised = np.array([[trial.is_raised(rule) for trial in trials] for rule in GRID])
    is_fall = np.array([trial.is_fall for trial in trials])
    who = np.array([trial.subject for trial in trials])
    found = []
    for subject in subjects:
        others = who != subject
        sensitivity = raised[:, others & is_fall].mean(axis=1)
        specificity = 1 - raised[:, others & ~is_fall].mean(axis=1)
        best = int(np.argmax(np.minimum(sensitivity, specificity)))
        found += [Case(subject, bool(is_fall[i]), bool(raised[best, i])) for i in np.flatnonzero(~others)]
    return found


def show(folder: Path) -> bool:
    """Prints the tables; whether waist reaches Se and Sp of 0.95 with the shipped rule and left out by subject."""
    rule = Rule()
    print(f"\nFalls: UMAFall, a trial is a case, intervals by subject. Rule, the same everywhere: {rule}")
    trials = read_trials(folder)
    good = True
    for place, name in PLACES.items():
        mine = [trial for trial in trials if trial.place == place]
        shares = say_shares(f"{name}, shipped rule", cases_of(mine, rule))
        daily = [trial for trial in mine if not trial.is_fall]
        wrong = Counter(trial.activity for trial in daily if trial.is_raised(rule))
        hours = sum(trial.seconds for trial in daily) / 3600
        said = ", ".join(f"{what} {count}" for what, count in wrong.most_common(4)) or "none"
        slow = sum(trial.too_slow for trial in mine)
        print(
            f"    raised wrongly: {said}; {sum(wrong.values()) / hours:.1f} an hour of acted movements; {slow} too slow"
        )
        if name == "waist":
            left_out = shares_of(leave_one_subject_out(mine))
            good &= all(min(s.sensitivity, s.specificity) >= 0.95 for s in (shares, left_out))
        if name in ("waist", "chest"):
            say_shares(f"{name}, bounds chosen without the subject", leave_one_subject_out(mine))
    print("  the pocket's 200 Hz thinned, as another sensor would give it:")
    for thin in (4, 10):
        say_shares(f"pocket, {200 // thin} Hz", cases_of(read_trials(folder, places=(0,), thin=thin), rule))
    show_robustness([trial for trial in trials if trial.place == 2])
    return good


def show_robustness(waist: list[Trial]) -> None:
    """How much the bounds matter: each moved alone."""
    print("  waist, one bound moved (Se / Sp):")
    for name, values in (
        ("impact_g", (1.5, 1.6, 1.8, 2.0)),
        ("swing_g", (0.0, 0.8, 1.2)),
        ("turned_at_once_deg", (0.0, 40.0, 60.0)),
        ("turned_after_deg", (40.0, 60.0)),
    ):
        moved = [(value, shares_of(cases_of(waist, Rule(**{name: value})))) for value in values]
        print(f"    {name:20}", "  ".join(f"{v:g}: {s.sensitivity:.3f}/{s.specificity:.3f}" for v, s in moved))
