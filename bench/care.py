"""Detectors of what concerns a home, against recordings: falls, fire, rhythms of the heart.

    dongne bench care --data FOLDER             all of them
    dongne bench care --data FOLDER falls       one

FOLDER holds falls_umafall, nist_smoke_alarms, ecg_vfdb and ecg_physionet. Brackets are 95 % intervals that draw whole
subjects or records. The nuisances of the fires are simulated (bench/care_nuisances.toml).
"""

import argparse
import sys
import time
from pathlib import Path

from bench import _care_ecg, _care_falls, _care_fire

PARTS = {"falls": _care_falls.show, "fire": _care_fire.show, "ecg": _care_ecg.show}


def main(argv: list[str] | None = None) -> int:
    """Prints the tables; 1 where a figure that is asked for isn't reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    arguments = parser.parse_args(argv)
    if unknown := sorted(set(arguments.parts) - set(PARTS)):
        parser.error(f"there is no part {unknown[0]!r}; parts: {', '.join(PARTS)}")
    start = time.perf_counter()
    reached = [PARTS[name](arguments.data) for name in arguments.parts or PARTS]
    print(f"\n{time.perf_counter() - start:.0f} s")
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
