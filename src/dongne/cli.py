"""The command `dongne`: which commands there are, and how their errors reach whoever typed them."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from dongne import __version__
from dongne.model.errors import DongneError

COMMANDS = {  # name: module in commands/, summary
    "run": ("run", "a city, live"),
    "city": ("city", "the cities there are, and their Things taken in"),
    "gtfs": ("gtfs", "a timetable looked at: each fault of a feed, and what to do about it"),
    "import": ("take_in", "your own CSV or JSON lines become Observations"),
    "services": ("services", "the services, what feeds what, and how they are doing"),
    "check": ("check", "the checks that every service must pass"),
    "new-service": ("new_service", "a new service, whole, its checks passing"),
    "replay": ("replay", "what services say over recorded history, also with other settings"),
    "store": ("store", "a city's data on disk: status, rebuild, seal"),
    "homes": ("homes", "homes of people who live alone: taken in, checked, let go"),
    "care": ("care", "whether every sensor that life may depend on has a way to a human"),
    "token": ("token", "who may write and see more: tokens for devices and staff"),
    "audit": ("audit", "what was changed, and by whom"),
    "backup": ("backup", "a city's data kept a second time: make, check, restore"),
    "simulate": ("simulate", "what a bench doesn't have: channels to people that reach nobody"),
    "bench": ("bench", "measurements, each a figure of the docs"),
}
EPILOG = """\
examples:
  dongne run                        the district, on http://127.0.0.1:8000
  dongne run --speed 60             the same, an hour passing in a minute
  dongne check smart_bins           is this service sound?
  dongne new-service lost_umbrellas a service of your own, in one folder

`dongne COMMAND --help` explains a command with examples. In a checkout the command is .venv/bin/dongne.
"""


class Command(Protocol):
    """What a module in `commands/` offers; its docstring is the long help."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares what the command takes."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Does it; returns the exit code. Raises DongneError for what the person at the keyboard can mend."""


def load_command(name: str) -> Command:
    """The module of a command."""
    module: Command = importlib.import_module(f"dongne.commands.{COMMANDS[name][0]}")
    return module


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps our line breaks, and room for the longest command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)


def build_parser() -> argparse.ArgumentParser:
    """The parser of everything `dongne` understands."""
    parser = argparse.ArgumentParser(
        prog="dongne",
        description="Dongne (동네): what a city's sensors and residents say, acted on by small services.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dongne {__version__}")
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        command = load_command(name)
        one = chosen.add_parser(
            name,
            help=summary,
            description=(command.__doc__ or "").strip(),
            formatter_class=HelpFormatter,
        )
        one.set_defaults(execute=command.execute)
        command.add_arguments(one)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Carries out a command line; returns the exit code: 0 done, 1 it found something wrong, 2 it could not be done."""
    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.execute(arguments)
        return code
    except DongneError as error:
        print(f"dongne {arguments.command}: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
