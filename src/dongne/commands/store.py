"""A city's data on disk.

examples:
  dongne store status                sizes, numbers, how far history is behind
  dongne store rebuild               makes the history for queries anew from the sequence, which is the truth
  dongne store seal                  writes whole days older than 30 days to archive files (Parquet)
  dongne store seal --before 2026-11-01
"""

import argparse
from datetime import UTC, date, datetime, timedelta

import msgspec

from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import bars
from dongne.commands.server import find_server, refuse_if_running
from dongne.model.errors import BadInput

KEEP_DAYS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne store` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_city(actions.add_parser("status", help="sizes, numbers, lag"))
    add_city(actions.add_parser("rebuild", help="history for queries made anew from the sequence"))
    seal = actions.add_parser("seal", help="whole days to archive files")
    add_city(seal)
    seal.add_argument(
        "--before", type=date.fromisoformat, metavar="DAY", help=f"days before this one, UTC ({KEEP_DAYS} days ago)"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Shows, rebuilds or seals."""
    folder = data_folder(arguments)
    if not folder.is_dir():
        raise BadInput(f"there are no data in {folder}; `dongne run` or `dongne city import` makes them")
    from dongne import compose

    if arguments.action == "status":
        server = find_server(folder)
        counts = msgspec.json.decode(server.get("/status"))["store"] if server else compose.store_status(folder)
        for name, value in sorted(counts.items()):
            print(f"{name:24} {value:,}")
        return 0
    refuse_if_running(folder)
    with bars() as report:
        if arguments.action == "rebuild":
            compose.rebuild_store(folder, report)
            return 0
        days = arguments.before or datetime.now(UTC).date() - timedelta(days=KEEP_DAYS)
        names = compose.seal_store(folder, datetime(days.year, days.month, days.day, tzinfo=UTC), report)
    print("\n".join(names) or f"nothing to seal before {days}")
    return 0
