"""What was changed, and by whom: the audit log, in which each entry carries the hash of the one before.

examples:
  dongne audit list
  dongne audit verify                 says the first entry that is not as it was written
  dongne audit verify --head 3f2a...  also that nothing behind this hash, noted elsewhere, was cut off
"""

import argparse

from dongne.commands.places import add_city, data_folder
from dongne.model.times import format_instant, from_us


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne audit` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    shown = actions.add_parser("list", help="all entries, oldest first")
    shown.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only those behind this one")
    add_city(shown)
    verify = actions.add_parser("verify", help="whether the log is whole")
    verify.add_argument("--head", default="", metavar="HASH", help="a hash of an entry, noted before")
    add_city(verify)


def execute(arguments: argparse.Namespace) -> int:
    """Lists or verifies."""
    from dongne import compose

    with compose.open_access(data_folder(arguments)) as book:
        if arguments.action == "verify":
            fault = book.find_fault(arguments.head)
            entries = book.list_entries()
            last = f", the last has the hash {entries[-1].hash}" if entries else ""
            print(fault or f"{len(entries)} entries, each as it was written{last}")
            return 1 if fault else 0
        for entry in book.list_entries(arguments.after):
            print(
                f"{entry.number:6}  {format_instant(from_us(entry.at_us))}  {entry.who:16} {entry.what:18} {entry.place} {entry.detail}"
            )
    return 0
