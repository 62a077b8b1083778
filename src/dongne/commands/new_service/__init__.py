"""A new service: one folder with everything, whose checks pass at once. Nothing outside it changes.

Then make it yours: its words in texts/, what it reads and says in service.py, and an example of real shape.

examples:
  dongne new-service lost_umbrellas                  a service: Observations in, Results and Cases out
  dongne new-service open_benches --shape answer     an answer: a question over the city as it is now
"""

import argparse
import importlib
import importlib.util
import keyword
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

from dongne.model.errors import BadInput

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_NAME = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne new-service` takes."""
    parser.add_argument("name", metavar="NAME", help="small letters, digits and _: the folder's name, and the address")
    parser.add_argument(
        "--shape", choices=("service", "answer"), default="service", help="see docs/services.md (%(default)s)"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Makes the folder, records what its example says, checks it, and says what to do next."""
    from dongne.runtime.checks import check_service, write_expected
    from dongne.runtime.manifest import SERVICES

    folder = SERVICES / arguments.name
    check_name(arguments.name, SERVICES)
    files = list(write_folder(folder, arguments.name, arguments.shape))
    importlib.invalidate_caches()
    try:
        if arguments.shape == "service":
            files.append(write_expected(arguments.name))
        failed = [problem for _, problems in check_service(arguments.name) for problem in problems]
    except Exception:
        shutil.rmtree(folder)
        raise
    for file in sorted(files):
        print(f"  {file.relative_to(folder.parent)}")
    for problem in failed:
        print(f"FAILED {problem}")
    print(f"\nIn {folder}. Next:")
    print(f"  edit {arguments.name}/service.py, and try it: dongne check {arguments.name}")
    print(f"  switch it on: add {arguments.name!r} to `services` in the city's city.toml, then dongne run")
    return 1 if failed else 0


def check_name(name: str, services: Path) -> None:
    """Raises BadInput where a service can't be named so, with what would do."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.endswith("_") or len(name) > LONGEST_NAME:
        suggestion = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:LONGEST_NAME]
        hint = f"; perhaps {suggestion}" if suggestion else ""
        raise BadInput(f"{name!r} is no name for a service: small letters, digits and _, up to {LONGEST_NAME}{hint}")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise BadInput(f"{name!r} is a word of Python's own; say what the service does, as {name}_service")
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise BadInput(f"{name!r} is the name of a Python module and would hide it; say what it does, as {name}_watch")
    if (services / name).exists():
        raise BadInput(f"there is a service {name!r} already, in {services / name}; choose another name")


def write_folder(folder: Path, name: str, shape: str) -> Iterator[Path]:
    """Writes the files of a template; yields each."""
    words = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "cls": "".join(map(str.title, name.split("_"))),
    }
    root = TEMPLATES / shape
    for template in sorted(root.rglob("*.template")):
        file = folder / str(template.relative_to(root)).removesuffix(".template")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
        yield file
