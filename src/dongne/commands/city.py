"""The cities there are; and one city's Things, taken in without running it.

A city is a folder of data under cities/: city.toml (name, bounds, zone, languages, services, settings) and
sources.toml (where its data come from, with licence). `dongne run` takes a city in by itself; `dongne city import`
does only that, and again after the sources have changed.

examples:
  dongne city                        lists the cities
  dongne city show helsinki          what its folder says
  dongne city import helsinki        takes its Things in, with counts by kind
"""

import argparse
from pathlib import Path

from dongne.adapters.places import get_city_folder, list_cities
from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import bars
from dongne.commands.server import refuse_if_running


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne city` takes."""
    parser.set_defaults(action=None)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="the cities there are (also without ACTION)")
    show = actions.add_parser("show", help="what a city's folder says")
    show.add_argument("name")
    take_in = actions.add_parser("import", help="takes a city's Things in")
    take_in.add_argument("name", nargs="?", help="the city (as --city)")
    add_city(take_in)
    take_in.add_argument("--data", type=Path, metavar="FOLDER", help="data sets that no package brings")


def execute(arguments: argparse.Namespace) -> int:
    """Lists, shows or takes in."""
    if arguments.action == "import":
        return _import(arguments)
    from dongne.adapters.sources import load_city, load_sources

    if arguments.action == "show":
        folder = get_city_folder(arguments.name)
        city = load_city(folder)
        west, south, east, north = city.bounds
        print(f"{city.id}: {' / '.join(city.name.values())}")
        print(f"  bounds    {west} {south} {east} {north} (west south east north, degrees)")
        print(f"  zone      {city.zone}")
        print(f"  languages {', '.join(city.languages)}")
        print(f"  services  {', '.join(city.services) or 'none'}")
        for source in load_sources(folder).values():
            print(f"  source    {source.id}: {source.used_for}; {source.attribution}; {source.licence}")
        return 0
    for folder in list_cities():
        city = load_city(folder)
        print(f"{city.id:12}  {' / '.join(city.name.values())}  ({', '.join(city.services)})")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    arguments.city = arguments.name or arguments.city
    folder = data_folder(arguments)
    refuse_if_running(folder)
    from dongne import compose

    with bars() as report:
        counts = compose.import_city(arguments.city, folder, arguments.data, report)
    for kind, count in sorted(counts.items()):
        print(f"{count:8,}  {kind}")
    return 0
