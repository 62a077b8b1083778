"""Fits the two small models of `methods/ecg_rhythm.py` and writes `methods/ecg_rhythm_model.py`: the same numbers each time.

    python tools/fit_ecg_rhythm.py --data FOLDER            writes the table
    python tools/fit_ecg_rhythm.py --data FOLDER --check    says whether it is what the table says

FOLDER holds ecg_vfdb, half of the MIT-BIH Malignant Ventricular Ectopy Database (Greenwald 1986; ODC-By 1.0).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from dongne.methods import ecg_rhythm_model
from dongne.methods.ecg_rhythm_model import Logistic
from dongne.methods.ecg_shape import NAMES

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench._care_ecg import fit_vf, fit_vt, read_windows

TABLE = Path(ecg_rhythm_model.__file__)
MARK = "\n# --- written by tools/fit_ecg_rhythm.py ---\n"


def describe(name: str, model: Logistic) -> str:
    """The lines of one model."""
    rows = zip(NAMES, model.middle, model.spread, model.weights, strict=True)
    lines = "".join(f"        # {feature}\n        ({m:.6g}, {s:.6g}, {w:.6g}),\n" for feature, m, s, w in rows)
    return f"{name} = Logistic.of(\n    {model.intercept:.6g},\n    (\n{lines}    ),\n)\n"


def main() -> int:
    """Fits, and writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    windows = read_windows(arguments.data)
    vf, vt = fit_vf(windows), fit_vt(windows)
    if arguments.check:
        same = all(
            np.allclose([a.intercept, *a.weights], [b.intercept, *b.weights], rtol=1e-3, atol=1e-4)
            for a, b in ((vf, ecg_rhythm_model.VF), (vt, ecg_rhythm_model.VT))
        )
        print("the same" if same else "not the same")
        return 0 if same else 1
    head = TABLE.read_text(encoding="utf-8").partition(MARK)[0]
    TABLE.write_text(head + MARK + describe("VF", vf) + describe("VT", vt), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
