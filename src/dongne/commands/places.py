"""--city and --folder, which most commands take."""

import argparse
from pathlib import Path

from dongne.adapters.places import ROOT, get_city_folder


def add_city(parser: argparse.ArgumentParser) -> None:
    """Declares both."""
    parser.add_argument(
        "--city", default="helsinki", metavar="NAME", help="a folder under cities/, or the path of one (%(default)s)"
    )
    parser.add_argument(
        "--folder", type=Path, metavar="FOLDER", help="where the city's data lie (var/<city> in the checkout)"
    )


def data_folder(arguments: argparse.Namespace) -> Path:
    """Where the city's data lie, given or not."""
    given: Path | None = arguments.folder
    return given or ROOT / "var" / get_city_folder(arguments.city).name
