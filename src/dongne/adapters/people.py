"""`people.toml`: the names and addresses of those who are on duty. A real city keeps the file in its data folder, beside nothing
that is published; a demonstration has invented people in the city's folder."""

from pathlib import Path
from typing import Any

from dongne.adapters.sources import convert, read_table
from dongne.model.duty import Member
from dongne.model.errors import BadSetup

FILE = "people.toml"


def load_people(*folders: Path) -> dict[str, Member]:
    """The people of the files in these folders by id; of two with the same id the later one counts. Raises BadSetup."""
    found: dict[str, Member] = {}
    for folder in folders:
        file = folder / FILE
        if not file.exists():
            continue
        table = read_table(file, "it says who works for the city")
        people: Any = table.pop("people", {})
        if table or not isinstance(people, dict):
            raise BadSetup(f"{file}: it has [people.<id>] and nothing else; not {', '.join(sorted(table)) or 'that'}")
        for person, said in people.items():
            found[person] = convert({"id": person, **said}, Member, file, f"people.{person}.")
    return found
