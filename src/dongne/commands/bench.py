"""Measurements. Each prints its figures with the machine they were taken on; docs/methods-measurements.md explains them.

examples:
  dongne bench                       lists the measurements
  dongne bench replay                runs one
  dongne bench ingest --help         what one takes
"""

import argparse
import ast
import importlib
import sys
from pathlib import Path

from dongne.adapters.places import get_checkout
from dongne.model.errors import NotFound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne bench` takes."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the measurement (without it: lists them)")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="what the measurement takes")


def execute(arguments: argparse.Namespace) -> int:
    """Lists the measurements, or runs one."""
    benches = list_benches()
    if arguments.name is None:
        for name, file in benches.items():
            print(f"{name:14} {_first_line(file)}")
        return 0
    if arguments.name not in benches:
        raise NotFound(f"there is no measurement {arguments.name!r}; measurements: {', '.join(benches) or 'none'}")
    sys.path.insert(0, str(get_checkout()))
    module = importlib.import_module(f"bench.{arguments.name}")
    code: int = module.main(arguments.rest)
    return code


def list_benches() -> dict[str, Path]:
    """The files in bench/ of the checkout by name; a name with an underscore first is part of others."""
    files = sorted((get_checkout() / "bench").glob("[!_]*.py"))
    return {file.stem: file for file in files}


def _first_line(file: Path) -> str:
    """What a measurement's docstring begins with, without running it."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]
