"""The checks that every service must pass: its example gives its recorded emissions, twice the same, also after a
restart anywhere and with each key alone; bad input does no harm; its folder is whole; and it is fast enough.

examples:
  dongne check                       all services
  dongne check smart_bins            one
  dongne check smart_bins --write    records what its example says now; read the change before you commit it
"""

import argparse

from dongne.model.errors import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne check` takes."""
    parser.add_argument("names", nargs="*", metavar="SERVICE", help="the services to check (all)")
    parser.add_argument("--write", action="store_true", help="record what the examples say now as what they should say")


def execute(arguments: argparse.Namespace) -> int:
    """Prints a line for each check; 1 where one failed."""
    from dongne.runtime.checks import check_service, write_expected
    from dongne.runtime.manifest import list_manifests

    if arguments.write and not arguments.names:
        raise BadInput("--write needs the names of the services whose examples it may record anew")
    failed = checked = 0
    for name in arguments.names or [manifest.id for manifest in list_manifests()]:
        if arguments.write:
            print(f"{name}: wrote {write_expected(name)}")
        for check, problems in check_service(name):
            checked += 1
            failed += bool(problems)
            print(f"{'FAILED' if problems else 'ok    '} {name}: {check.replace('_', ' ')}")
            for problem in problems:
                print(f"       {problem}")
    print(f"{checked - failed} passed, {failed} failed")
    return 1 if failed else 0
