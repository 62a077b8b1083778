"""The services: what each reads and says, what feeds what, and, while the city runs, how each is doing.

examples:
  dongne services                    the services of the demonstration district
  dongne services --all              all services there are, also those the city has not switched on
  dongne services --json             the same for a program
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from dongne.adapters.places import get_city_folder
from dongne.commands.places import add_city, data_folder
from dongne.commands.server import find_server

if TYPE_CHECKING:
    from dongne.runtime.ports import ServiceStatus

PATH = "/services.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne services` takes."""
    add_city(parser)
    parser.add_argument("--all", action="store_true", help="all services there are, as their folders say")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Prints one line for each service and the arrows between them."""
    statuses, is_live = _statuses(arguments)
    if arguments.json:
        print(msgspec.json.encode(statuses).decode())
        return 0
    for status in statuses:
        reads, emits = ", ".join(status.reads) or "anything", ", ".join(status.emits) or "answers"
        print(f"{status.id:16} {status.shape:8} {reads} -> {emits}")
        if is_live:
            print(f"{'':16} {status.keys:,} keys, {status.lag:,} numbers behind, {len(status.parked)} parked")
        for thing, why in status.parked:
            print(f"{'':16} parked: Thing {thing}: {why}")
    for one, what, other in find_arrows(statuses):
        print(f"{one} --{what}--> {other}")
    return 0


def find_arrows(statuses: "Sequence[ServiceStatus]") -> list[tuple[str, str, str]]:
    """(service, property, service it feeds), by name."""
    return sorted(
        (one.id, what, other.id)
        for one in statuses
        for other in statuses
        for what in set(one.emits) & set(other.reads)
        if one is not other
    )


def _statuses(arguments: argparse.Namespace) -> "tuple[list[ServiceStatus], bool]":
    from dongne.runtime.manifest import list_manifests
    from dongne.runtime.ports import ServiceStatus
    from dongne.runtime.registry import load_all

    if arguments.all:
        names: Sequence[str] = [manifest.id for manifest in list_manifests()]
    elif server := find_server(data_folder(arguments)):
        return msgspec.json.decode(server.get(PATH), type=list[ServiceStatus]), True
    else:
        from dongne.adapters.sources import load_city

        names = load_city(get_city_folder(arguments.city)).services
    services, answers = load_all(names)
    found = [
        ServiceStatus(
            id=one.id, shape="service", area=one.manifest.area, maturity=one.manifest.maturity, reads=one.declared.reads,
            emits=one.declared.emits, keys=0, lag=0, parked=(), running=False,
        )
        for one in services
    ]  # fmt: skip
    found += [
        ServiceStatus(
            id=one.id, shape="answer", area=one.manifest.area, maturity=one.manifest.maturity,
            reads=tuple(p.key for p in one.cls.reads), emits=(), keys=0, lag=0, parked=(), running=False,
        )
        for one in answers
    ]  # fmt: skip
    return sorted(found, key=lambda status: status.id), False
