"""Rhythms of the MIT-BIH Malignant Ventricular Ectopy Database (half of it), and recordings that must raise nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bench._care_shares import Case, Shares, say_shares, separate, shares_of
from numpy.typing import NDArray

from dongne.methods.ecg_rhythm import (
    EPISODE_S,
    LEAST_QUALITY,
    WINDOW_S,
    Episode,
    Judgement,
    Rhythm,
    decide,
    list_episodes,
    list_judgements,
    signal_quality,
)
from dongne.methods.ecg_rhythm_model import FURTHEST, VF, VT, Logistic
from dongne.methods.ecg_shape import Shape, measure, prepare
from dongne.standards.wfdb import Annotation, Header, read_annotations, read_header, read_signals

Floats = NDArray[np.float64]

IS_VF = {"VF", "VFIB", "VFL"}
RIDGE = 0.01
ENOUGH = 60  # windows of a record from which on it doesn't weigh more in proportion
QUIET = (
    ("v102s", 2),
    ("a103l", 2),
    ("100", 2),
    ("03700181", 1),
)  # records without VF, VT or asystole, and their ECG leads
OTHER_RATES_HZ = (125, 200, 360, 500)


class Window(NamedTuple):
    """A window of a lead: its rhythms as annotated ("N", or "N VF" where it changes), and what was measured."""

    record: str
    lead: int
    at_s: float
    truth: str
    quality: float
    shape: Shape

    @property
    def is_pure(self) -> bool:
        """Of one rhythm that is known."""
        return bool(self.truth) and " " not in self.truth


Models = tuple[Logistic, Logistic]


def read_record(folder: Path, name: str) -> tuple[Header, list[Floats], list[Annotation]]:
    """Header, leads in mV, annotations (none where there is no file)."""
    header = read_header((folder / f"{name}.hea").read_text(encoding="latin-1"))
    leads = read_signals(header, (folder / header.signals[0].file).read_bytes())
    marks = folder / f"{name}.atr"
    return header, leads, read_annotations(marks.read_bytes()) if marks.exists() else []


def rhythms_of(marks: list[Annotation], count: int, rate_hz: float) -> list[tuple[float, float, str]]:
    """(from, to, rhythm) in seconds."""
    changes = [mark for mark in marks if mark.text.startswith("(")]
    ends = [mark.sample for mark in changes[1:]] + [count]
    return [(m.sample / rate_hz, end / rate_hz, m.text[1:]) for m, end in zip(changes, ends, strict=True)]


def read_windows(
    folder: Path,
    step_s: float = 5.0,
    leads: tuple[int, ...] = (0, 1),
    records: tuple[str, ...] = (),
    rate_hz: float = 0.0,
) -> list[Window]:
    """The windows of all records (or of some), by record, lead and time; `rate_hz`: first brought to another rate."""
    place = folder / "ecg_vfdb"
    found = []
    for name in records or sorted(file.stem for file in place.glob("*.hea")):
        header, series, marks = read_record(place, name)
        truth = rhythms_of(marks, header.frames, header.rate_hz)
        for lead in leads:
            values, rate = series[lead], header.rate_hz
            if rate_hz:
                values = np.interp(np.arange(0, len(values) / rate, 1 / rate_hz) * rate, np.arange(len(values)), values)
                rate = rate_hz
            length = round(WINDOW_S * rate)
            for start in np.arange(0, len(values) - length + 1, step_s * rate).tolist():
                at_s, window = start / rate, values[round(start) : round(start) + length]
                said = {rhythm for low, high, rhythm in truth if low < at_s + WINDOW_S - 0.1 and high > at_s + 0.1}
                shape = measure(prepare(window, rate))
                found.append(Window(name, lead, at_s, " ".join(sorted(said)), signal_quality(window, rate), shape))
    return found


def fit(windows: list[Window], is_true: Callable[[Window], bool]) -> Logistic:
    """Logistic regression with a ridge, by Newton's steps; classes and records weigh alike."""
    values = np.array([window.shape.values for window in windows])
    true = np.array([is_true(window) for window in windows])
    middle, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    rows = np.column_stack([np.ones(len(values)), np.clip((values - middle) / spread, -FURTHEST, FURTHEST)])
    weight = _weights(np.array([window.record for window in windows]), true)
    ridge = RIDGE * np.diag([0.0, *np.ones(values.shape[1])])
    found = np.zeros(rows.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
        gradient = rows.T @ (weight * (p - true)) + ridge @ found
        curvature = (rows * (weight * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ rows + ridge
        step = np.linalg.solve(curvature, gradient)
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    return Logistic(float(found[0]), middle, spread, found[1:])


def _weights(record: NDArray[np.str_], true: NDArray[np.bool_]) -> Floats:
    weight = np.zeros(len(true))
    for side in (True, False):
        for name in np.unique(record[true == side]):
            mine = (record == name) & (true == side)
            weight[mine] = min(1.0, (mine.sum() / ENOUGH) ** 0.5) / mine.sum()
        weight[true == side] *= 0.5 / weight[true == side].sum()
    return weight


def fit_vf(windows: list[Window]) -> Logistic:
    """VF and VFL against all else."""
    return fit([w for w in windows if w.is_pure], lambda window: window.truth in IS_VF)


def fit_vt(windows: list[Window]) -> Logistic:
    """VT against all that is neither."""
    return fit([w for w in windows if w.is_pure and w.truth not in IS_VF], lambda window: window.truth == "VT")


def leave_one_record_out(windows: list[Window]) -> dict[str, Models]:
    """Models for each record, fitted without it."""
    names = sorted({window.record for window in windows})
    without = {name: [w for w in windows if w.record != name] for name in names}
    return {name: (fit_vf(rest), fit_vt(rest)) for name, rest in without.items()}


def judge_windows(windows: list[Window], models: dict[str, Models]) -> Iterator[tuple[Window, Judgement]]:
    """Each with the models of its record."""
    for window in windows:
        vf, vt = models[window.record]
        yield window, decide(window.shape, window.quality, window.at_s, vf, vt)


def show(folder: Path) -> bool:
    """Prints the tables; whether VF/VFL is reached against the rest without VT, and the quiet records stay quiet."""
    print("\nECG: MIT-BIH VFDB, 11 records. Judged by models fitted without the record; intervals by record.")
    windows = read_windows(folder)
    models = leave_one_record_out(windows)
    judged = list(judge_windows([w for w in windows if w.is_pure], models))
    good = True
    for lead in (0, 1):
        mine = [(w, j) for w, j in judged if w.lead == lead]
        print(f"  lead {lead + 1}, windows of 5 s of one rhythm, NOISE among them, whatever the quality:")
        shares = show_windows(mine)
        good &= lead == 1 or min(shares.sensitivity, shares.specificity) >= 0.95
    show_quality([(w, j) for w, j in judged if w.lead == 0])
    show_shipped(windows)
    show_episodes(read_windows(folder, step_s=1.0, leads=(0,)), models)
    show_rates(folder, models)
    return show_quiet(folder) and good


def show_windows(judged: list[tuple[Window, Judgement]]) -> Shares:
    """Shares of one lead; those of VF/VFL against the rest but VT."""

    def cases(called: set[Rhythm], true: set[str], among: Callable[[str], bool]) -> list[Case]:
        return [Case(w.record, w.truth in true, j.rhythm in called) for w, j in judged if among(w.truth)]

    is_vf = {Rhythm.VF}
    shares = say_shares("VF/VFL against the rest but VT", cases(is_vf, IS_VF, lambda t: t != "VT"))
    say_shares("VF/VFL against NOISE alone", cases(is_vf, IS_VF, lambda t: t in IS_VF | {"NOISE"}))
    say_shares("VF/VFL against all the rest, VT too", cases(is_vf, IS_VF, lambda _: True))
    say_shares("VF or VT called, against all the rest", cases({Rhythm.VF, Rhythm.VT}, IS_VF | {"VT"}, lambda _: True))
    say_shares("VT against the rest but VF/VFL", cases({Rhythm.VT}, {"VT"}, lambda t: t not in IS_VF))
    say_shares("ASYS against all the rest", cases({Rhythm.ASYSTOLE}, {"ASYS"}, lambda _: True))
    show_separation(judged)
    wrong = Counter(w.truth for w, j in judged if j.rhythm is Rhythm.VF and w.truth not in IS_VF)
    every = Counter(w.truth for w, _ in judged)
    print("    called VF wrongly: " + ", ".join(f"{t} {n} of {every[t]}" for t, n in wrong.most_common()))
    by_record = []
    for name, group in groupby(judged, lambda pair: pair[0].record):
        s = shares_of(Case(name, w.truth in IS_VF, j.rhythm is Rhythm.VF) for w, j in group if w.truth != "VT")
        by_record.append(f"{name} {s.sensitivity:.2f}/{s.specificity:.2f}")
    print("    by record, Se/Sp without VT: " + ", ".join(by_record))
    return shares


def show_separation(judged: list[tuple[Window, Judgement]]) -> None:
    """What any bound of the probability of VF/VFL could reach, and which record's VT is called VF: where the limit lies."""
    for title, among in (
        ("the rest but VT", lambda t: t != "VT"),
        ("all the rest, VT too", lambda _: True),
        ("VT alone", lambda t: t in IS_VF | {"VT"}),
    ):
        mine = [(j.vf, w.truth in IS_VF) for w, j in judged if among(w.truth)]
        area, both, bound = separate(*zip(*mine, strict=True))
        print(
            f"    VF/VFL against {title}: area under the curve {area:.3f}; Se and Sp both {both:.3f} at best, from {bound:.2f}"
        )
    called = [(w.record, j.rhythm is Rhythm.VF) for w, j in judged if w.truth == "VT"]
    every, wrong = Counter(name for name, _ in called), Counter(name for name, is_vf in called if is_vf)
    print("    VT called VF, by record: " + ", ".join(f"{name} {wrong[name]} of {n}" for name, n in every.items()))


def show_quality(judged: list[tuple[Window, Judgement]]) -> None:
    """How the quality of noise and of others is spread."""
    for name, is_mine in (("NOISE", {"NOISE"}.__contains__), ("VF/VFL", IS_VF.__contains__), ("others", None)):
        mine = [
            j.signal_quality for w, j in judged if (is_mine(w.truth) if is_mine else w.truth not in IS_VF | {"NOISE"})
        ]
        below = float(np.mean(np.array(mine) < LEAST_QUALITY))
        print(f"    signal_quality of {name}: median {np.median(mine):.2f}, below {LEAST_QUALITY:g}: {below:.3f}")


def show_shipped(windows: list[Window]) -> None:
    """The shipped models on what they were fitted on: no measure of anything but of the table."""
    shipped = dict.fromkeys({w.record for w in windows}, (VF, VT))
    judged = judge_windows([w for w in windows if w.is_pure and w.lead == 0 and w.truth != "VT"], shipped)
    say_shares(
        "(lead 1, shipped model on its own records)",
        [Case(w.record, w.truth in IS_VF, j.rhythm is Rhythm.VF) for w, j in judged],
    )


def show_episodes(windows: list[Window], models: dict[str, Models]) -> None:
    """Episodes of VF/VFL of EPISODE_S or more, found or not and how soon; and episodes called that are none, by hour."""
    print(
        f"  lead 1, episodes: windows of {EPISODE_S:g} s, a second apart, all but one agreeing, quality {LEAST_QUALITY:g} or more:"
    )
    delays, cases, wrong, hours = [], [], Counter[str](), Counter[str]()
    for name, group in groupby(windows, lambda w: w.record):
        mine = list(group)
        called = [e for e in list_episodes([j for _, j in judge_windows(mine, models)]) if e.rhythm is Rhythm.VF]
        for low, high, is_vf in stretches(mine):
            if is_vf and high - low >= EPISODE_S:
                first = min((e.known_s for e in called if e.end_s > low and e.known_s < high + 5), default=None)
                cases.append(Case(name, True, first is not None))
                delays += [] if first is None else [max(0.0, first - low)]
        for window in mine:
            if window.is_pure and window.truth not in IS_VF:
                hours[window.truth] += 1
        for episode in called:
            truth = {
                t
                for w in mine
                if episode.known_s - EPISODE_S <= w.at_s <= episode.end_s - WINDOW_S
                for t in w.truth.split()
            }
            if not truth & IS_VF:
                wrong[" ".join(sorted(truth))] += 1
    shares = shares_of(cases)
    span = shares.sensitivity_by_cluster
    print(
        f"    VF/VFL of 10 s or more: {shares.found[0]} of {shares.found[1]} found [{span.low:.3f} to {span.high:.3f}], known {np.median(delays):.0f} s after onset (median), {np.quantile(delays, 0.9):.0f} s (9 of 10)"
    )
    total_h = sum(hours.values()) / 3600
    print(
        f"    called without any VF/VFL: {sum(wrong.values())} in {total_h:.1f} h; "
        + ", ".join(f"{t} {n}" for t, n in wrong.most_common())
    )
    print("    hours: " + ", ".join(f"{t} {n / 3600:.2f}" for t, n in hours.most_common()))


def stretches(windows: list[Window]) -> Iterator[tuple[float, float, bool]]:
    """(from, to, is VF/VFL) of windows of a record a second apart, by whether they are wholly VF/VFL."""
    for is_vf, group in groupby(windows, lambda w: bool(w.truth) and set(w.truth.split()) <= IS_VF):
        mine = list(group)
        yield mine[0].at_s, mine[-1].at_s + WINDOW_S, is_vf


def show_rates(folder: Path, models: dict[str, Models]) -> None:
    """The same at other rates: how often a window is called otherwise than at 250 Hz."""
    names = ("422", "430")
    as_is = [j.rhythm for _, j in judge_windows(read_windows(folder, leads=(0,), records=names), models)]
    for rate_hz in OTHER_RATES_HZ:
        other = [
            j.rhythm for _, j in judge_windows(read_windows(folder, leads=(0,), records=names, rate_hz=rate_hz), models)
        ]
        differ = np.mean([a is not b for a, b in zip(as_is, other, strict=False)])
        print(
            f"    records {' and '.join(names)} at {rate_hz} Hz: {differ:.3f} of the windows called otherwise than at 250 Hz"
        )


def list_quiet(
    folder: Path, only: tuple[str, ...] = (), from_s: float = 0.0
) -> Iterator[tuple[str, str, list[Judgement], list[Episode]]]:
    """(record, lead, judgements, episodes) by the shipped models of recordings that must raise nothing."""
    for name, leads in QUIET:
        if only and name not in only:
            continue
        header, series, _ = read_record(folder / "ecg_physionet", name)
        for signal, values in list(zip(header.signals, series, strict=True))[:leads]:
            judgements = list_judgements(values[round(from_s * signal.rate_hz) :], signal.rate_hz)
            yield name, signal.name, judgements, list_episodes(judgements)


def show_quiet(folder: Path) -> bool:
    """Whether the false alarms of the Challenge 2015, a record with few ectopic beats and one of an intensive care unit raise nothing."""
    print("  recordings that must raise nothing (shipped model; not among those it is fitted on):")
    quiet = True
    for name, lead, judgements, episodes in list_quiet(folder):
        windows = Counter(j.rhythm.name for j in judgements if j.rhythm is not Rhythm.OTHER)
        raised = Counter(e.rhythm.name for e in episodes)
        quiet &= not raised
        print(
            f"    {name} {lead}: windows {dict(windows) or 'none'} of {len(judgements)}, episodes {dict(raised) or 'none'}"
        )
    return quiet
