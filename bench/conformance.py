"""A recorded third-party session of SensorThings 1.1 asked again: how many answers are equal, and which are not.

dongne bench conformance --data ../shared/data [--show 20]

The session is 2,387 requests which a conformance test suite sent to another server, with that server's answers. Equal: the
same status, and the same JSON after the addresses and ids are mapped, whatever the order of keys, and properties that are
null or absent taken as the same. What differs and why that is right is in tests/conformance/differences.toml.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.conformance.replay import Difference, replay


def main(arguments: list[str]) -> int:
    """Prints the share that is equal, and the differences."""
    parser = argparse.ArgumentParser(prog="dongne bench conformance", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with sensorthings_recorded/")
    parser.add_argument("--show", type=int, default=20, help="how many differences to print")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dongne-conformance-") as folder:
        result = replay(given.data / "sensorthings_recorded" / "full_logs.txt.gz", Path(folder))
    reasons = Counter(difference.reason or "not explained" for difference in result.differences)
    equal = result.asked - len(result.differences)
    print(f"{equal} of {result.asked} equal: {100 * equal / result.asked:.1f} %")
    for reason, count in reasons.most_common():
        print(f"{count:6}  {reason}")
    unexplained = [difference for difference in result.differences if not difference.reason]
    for difference in unexplained[: given.show]:
        show(difference)
    return 1 if unexplained else 0


def show(difference: Difference) -> None:
    """One difference: what was asked, what was recorded, what came."""
    print(f"\n{difference.exchange.place} {difference.exchange.method} {difference.exchange.url}")
    print(f"  {difference.what}")
