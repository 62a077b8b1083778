"""The homes of people who live alone: taken in, and let go.

Commands go through the running city. A file of homes is JSON: a list of objects with `gateway`, `person` (a pseudonym), and
what docs/homes.md names.

examples:
  dongne homes add homes.json            takes homes in; nothing is taken where one of them is wrong
  dongne homes verify                    the chain of hashes over all that is kept
  dongne homes withdraw gw-000017        the person withdraws: nobody can read any more what was kept
"""

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from dongne.commands.places import add_city, data_folder
from dongne.commands.server import get_server
from dongne.model.errors import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne homes` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="homes of a file, taken in")
    add.add_argument("file", type=Path, metavar="FILE")
    add_city(add)
    add_city(actions.add_parser("verify", help="whether what is kept is as it was written; 1 where it is not"))
    gone = actions.add_parser("withdraw", help="a person withdraws: the key of their data is destroyed")
    gone.add_argument("gateway", metavar="GATEWAY")
    add_city(gone)


def execute(arguments: argparse.Namespace) -> int:
    """Adds, verifies or withdraws."""
    server = get_server(data_folder(arguments))
    if arguments.action == "add":
        body, _ = server.post("/api/homes", _read(arguments.file))
        print(f"{len(msgspec.json.decode(body)['homes'])} homes taken in")
        return 0
    if arguments.action == "verify":
        found = msgspec.json.decode(server.get("/api/homes/verify"))
        for wrong in found["wrong"]:
            print(wrong)
        print(
            f"{found['records']} records, the last with hash {found['end']}: {'broken' if found['wrong'] else 'as written'}"
        )
        return 1 if found["wrong"] else 0
    server.delete(f"/api/homes/{quote(arguments.gateway, safe='')}")
    print(f"{arguments.gateway}: withdrawn; what was kept of this home can't be read any more")
    return 0


def _read(file: Path) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise BadInput(f"{file}: {error}; a file of homes is a JSON list") from error
