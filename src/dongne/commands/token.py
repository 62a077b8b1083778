"""Who may write, and see what is not open: tokens for devices and staff.

A token is shown once, when it is issued. It holds at once, and until it expires or is revoked, also in a running city.

examples:
  dongne token issue gate-7 --role device --thing 12 --thing 13 --expires 365
  dongne token issue kim --role steward
  dongne token list
  dongne token revoke gate-7

Roles: device (sends Observations of its Things), operator, steward, planner, auditor, carer, admin. docs/access.md says what each may.
"""

import argparse
import time

from dongne.commands.places import add_city, data_folder
from dongne.model.times import format_instant, from_us

DAY_US = 86_400_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne token` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    issue = actions.add_parser("issue", help="a new token")
    issue.add_argument("name", metavar="NAME")
    issue.add_argument("--role", required=True, metavar="ROLE")
    issue.add_argument("--thing", type=int, action="append", metavar="ID", help="only for this Thing; may be repeated")
    issue.add_argument("--expires", type=float, metavar="DAYS", help="does not hold after so many days")
    issue.add_argument("--purpose", default="", metavar="TEXT", help="what it is for")
    add_city(issue)
    add_city(actions.add_parser("list", help="all tokens, without their secrets"))
    revoke = actions.add_parser("revoke", help="it does not hold any more")
    revoke.add_argument("name", metavar="NAME", help="its name or id")
    add_city(revoke)


def execute(arguments: argparse.Namespace) -> int:
    """Issues, lists or revokes."""
    from dongne import compose

    now_us = time.time_ns() // 1_000
    with compose.open_access(data_folder(arguments)) as book:
        match arguments.action:
            case "issue":
                things = None if arguments.thing is None else tuple(arguments.thing)
                expires_us = None if arguments.expires is None else now_us + int(arguments.expires * DAY_US)
                print(book.issue(arguments.name, arguments.role, things, expires_us, arguments.purpose, now_us))
            case "revoke":
                book.revoke(arguments.name, now_us)
            case _:
                for token in book.list_tokens():
                    until = "" if token.expires_us is None else f"until {format_instant(from_us(token.expires_us))}"
                    gone = "revoked" if token.revoked_us else until
                    about = "all Things" if token.things is None else f"Things {', '.join(map(str, token.things))}"
                    print(f"{token.id:4}  {token.name:20} {token.role:10} {about:24} {gone}  {token.purpose}")
    return 0
