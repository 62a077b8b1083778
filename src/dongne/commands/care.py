"""Care in homes: whether every sensor that life may depend on has a way to a human.

examples:
  dongne care check        1 where one has none, with what stands in the way
"""

import argparse
from typing import Any

import msgspec

from dongne.commands.places import add_city, data_folder
from dongne.commands.server import get_server

WORDS = {
    "no_gateway": "has no gateway",
    "no_sensor": "has no sensor that life may depend on",
    "never_heard": "its gateway was never heard",
    "silent": "its gateway is silent",
    "battery": "battery low",
    "no_service": "no service acts on this sensor",
    "parked": "a service stopped for this home",
    "nobody": "an alarm would reach nobody: no desk, no contact that may be told",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne care` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_city(actions.add_parser("check", help="each such sensor, followed to a human"))


def execute(arguments: argparse.Namespace) -> int:
    """Checks; 1 where it finds something."""
    found = msgspec.json.decode(get_server(data_folder(arguments)).get("/api/homes/check"))
    for gap in found["gaps"]:
        print(_line(gap))
    print(f"{found['homes']} homes, {len(found['gaps'])} gaps")
    return 1 if found["gaps"] else 0


def _line(gap: dict[str, Any]) -> str:
    place = " ".join(part for part in (gap["device"], gap["property"]) if part)
    said = f"home {gap['home']} ({gap['gateway'] or 'no gateway'}){', ' + place if place else ''}: {WORDS[gap['why']]}"
    return f"{said} ({gap['detail']})" if gap["detail"] else said
