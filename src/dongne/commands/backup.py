"""A city's data kept a second time.

A backup is a folder. It can be made while the city runs, and holds everything up to that moment: the sequence, Cases,
tokens, sealed days, and the homes' data without their keys. Each file has its SHA-256 in `backup.json`. Try a restore before you need one.

examples:
  dongne backup make /mnt/backups                  a new folder in there, named by city and time
  dongne backup check /mnt/backups/helsinki-20261123T021500Z
  dongne backup restore /mnt/backups/helsinki-20261123T021500Z --folder tried
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import bars
from dongne.model.errors import BadInput
from dongne.model.times import format_instant, from_us


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne backup` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="a new backup")
    make.add_argument("place", type=Path, metavar="PLACE", help="the folder in which the backup becomes a folder")
    make.add_argument(
        "--with-keys",
        action="store_true",
        help="also the keys of homes' data (still wrapped by the master key, which is never copied); without them the homes' part "
        "of the backup is unreadable, with them it stays readable for those who withdraw later: docs/homes-privacy.md",
    )
    add_city(make)
    check = actions.add_parser("check", help="whether each file is as it was written")
    check.add_argument("backup", type=Path, metavar="BACKUP")
    bring = actions.add_parser("restore", help="a backup into an empty folder, opened and counted")
    bring.add_argument("backup", type=Path, metavar="BACKUP")
    add_city(bring)


def execute(arguments: argparse.Namespace) -> int:
    """Makes, checks or restores."""
    from dongne import compose

    if arguments.action == "check":
        faults = compose.list_faults(arguments.backup)
        print("\n".join(faults) or f"{arguments.backup} is whole")
        return 1 if faults else 0
    folder = data_folder(arguments)
    if arguments.action == "make":
        if not folder.is_dir():
            raise BadInput(f"there are no data in {folder}; `dongne run` or `dongne city import` makes them")
        target = arguments.place / f"{arguments.city}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        with bars() as report:
            made = compose.back_up(arguments.city, folder, target, report, with_keys=arguments.with_keys)
        size_mb = sum(file.size_bytes for file in made.files) / 1e6
        print(f"{target}: everything up to number {made.head}, {format_instant(from_us(made.at_us))}, {size_mb:.1f} MB")
        return 0
    with bars() as report:
        counts = compose.restore(arguments.backup, folder, report)
    print(f"{folder}: restored")
    for name, value in sorted(counts.items()):
        print(f"{name:24} {value:,}")
    return 0
