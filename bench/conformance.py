"""A recorded third-party session of SensorThings 1.1 asked again: how many answers are equal, and which are not.

dongne bench conformance --data ../shared/data [--show 20]

The session is 2,387 requests which a conformance test suite sent to another server, with that server's answers. Equal: the
same status, and the same JSON after the addresses and ids are mapped, whatever the order of keys and of the options in an
address, and `properties` or a next link that is null or absent taken as the same. Each place that differs needs its reason in
tests/conformance/differences.toml, with the clause; a request with a place that has none counts as not explained.
"""

import argparse
import re
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from tests.conformance.recording import Exchange
from tests.conformance.replay import REASONS, Difference, Result, replay


def main(arguments: list[str]) -> int:
    """Prints the share that is equal, by kind of request, and the differences."""
    parser = argparse.ArgumentParser(prog="dongne bench conformance", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with sensorthings_recorded/")
    parser.add_argument("--show", type=int, default=20, help="how many differences to print")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dongne-conformance-") as folder:
        result = replay(given.data / "sensorthings_recorded" / "full_logs.txt.gz", Path(folder))
    total = len(result.asked)
    print(f"{result.equal} of {total} equal: {100 * result.equal / total:.1f} %")
    tell_kinds(result)
    tell_reasons(result)
    unexplained = [difference for difference in result.differences if difference.unexplained]
    for difference in unexplained[: given.show]:
        show(difference)
    return 1 if unexplained else 0


def kind_of(exchange: Exchange) -> str:
    """The method, and the options or the form of the path."""
    options = sorted(set(re.findall(r"[$](?:expand|orderby|filter|select|top|skip|count)", exchange.url)))
    form = next((f" {form}" for form in ("/$ref", "/$value") if exchange.url.endswith(form)), "")
    return f"{exchange.method}{form}{' ' if options else ''}{' '.join(options)}"


def tell_kinds(result: Result) -> None:
    """How many of each kind are equal."""
    differing = {id(difference.exchange) for difference in result.differences}
    asked = Counter(kind_of(exchange) for exchange in result.asked)
    equal = Counter(kind_of(exchange) for exchange in result.asked if id(exchange) not in differing)
    print("\n equal  asked  kind")
    for kind, count in asked.most_common():
        print(f"{equal[kind]:6} {count:6}  {kind}")


def tell_reasons(result: Result) -> None:
    """How many requests differ for each reason, with its clause."""
    reasons = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    counts = Counter(name for difference in result.differences for name in set(difference.reasons))
    print("\n requests  reason")
    for name, count in counts.most_common():
        print(f"{count:9}  {name or 'NOT EXPLAINED'}: {reasons[name]['clause'] if name else ''}")


def show(difference: Difference) -> None:
    """One difference: what was asked, what was recorded, what came."""
    print(f"\n{difference.exchange.place} {difference.exchange.method} {difference.exchange.url}")
    for place in difference.unexplained[:5]:
        print(f"  {place}")
