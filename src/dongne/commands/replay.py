"""What services say over recorded history: a what-if, or the proof that live and replay agree.

It reads the city's sequence from its beginning, also while the city runs, and prints each fact of the asked time as a
line of JSON. A setting given with --set holds from the beginning.

examples:
  dongne replay smart_bins                                  everything it says
  dongne replay smart_bins --set full_percent=70 --count    how many orders, had bins been full at 70 %
  dongne replay smart_bins --since 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z
  dongne replay footfall --recorded                         what it said when it ran, to compare
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dongne.adapters.places import get_city_folder
from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import Report, bars
from dongne.model.errors import BadInput
from dongne.model.times import parse_instant

if TYPE_CHECKING:
    from dongne.runtime.facts import Fact


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne replay` takes."""
    add_city(parser)
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="the services to replay (the city's)")
    parser.add_argument(
        "--since", type=_instant, metavar="TIME", help="only facts of this time or later, as 2026-11-01T00:00:00Z"
    )
    parser.add_argument("--until", type=_instant, metavar="TIME", help="only facts before this time")
    parser.add_argument(
        "--set", action="append", default=[], metavar="[SERVICE.]NAME=VALUE", help="a setting to try; may be repeated"
    )
    parser.add_argument("--count", action="store_true", help="count the facts by what they are")
    parser.add_argument(
        "--recorded", action="store_true", help="what was said when it was recorded, without running anything"
    )


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_settings(given: list[str], services: list[str]) -> dict[str, dict[str, Any]]:
    """Values by service and name from "service.name=value". Raises BadInput with how to write it."""
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        service, dot, setting = name.rpartition(".")
        if not dot and len(services) == 1:
            service = services[0]
        if not equals or service not in services:
            raise BadInput(
                f"--set {text}: write it as SERVICE.NAME=VALUE, where SERVICE is one of {', '.join(services)}"
            )
        found.setdefault(service, {})[setting] = value
    return found


def execute(arguments: argparse.Namespace) -> int:
    """Prints the facts, or their counts."""
    counts: Counter[tuple[str, str, str]] = Counter()
    with bars() as report:
        for fact in _facts(arguments, report):
            if (arguments.since and fact.time < arguments.since) or (arguments.until and fact.time >= arguments.until):
                continue
            if arguments.count:
                counts[fact.service, fact.what, fact.sort] += 1
            else:
                print(fact.line())
    for (service, what, sort), count in sorted(counts.items()):
        print(f"{count:10,}  {service}: {what} {sort}")
    return 0


def _facts(arguments: argparse.Namespace, report: Report) -> "Iterator[Fact]":
    from dongne import compose
    from dongne.adapters.sources import load_city
    from dongne.runtime.registry import load_all
    from dongne.runtime.replay import recorded, replay

    city = load_city(get_city_folder(arguments.city))
    names = arguments.services or list(city.services)
    services, answers = load_all(names)
    if arguments.services and answers:
        raise BadInput(f"{answers[0].id} is an answer; it says nothing by itself, so there is nothing to replay")
    tried = parse_settings(arguments.set, [service.id for service in services])

    def progress(done: int, total: int) -> None:
        report("records", done, total)

    with compose.open_records(data_folder(arguments)) as records:
        if arguments.recorded:
            yield from recorded(records, {service.id for service in services}, None, progress)
        else:
            yield from replay(records, services, city.zone_info, tried, progress=progress)
