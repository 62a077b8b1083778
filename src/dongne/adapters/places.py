"""Where things lie: the checkout this runs from, and the cities."""

from pathlib import Path

from dongne.model.errors import BadSetup

ROOT = Path(__file__).resolve().parents[3]
CITIES = ROOT / "cities"


def get_checkout() -> Path:
    """The checkout's folder. Raises BadSetup where Dongne was installed without one."""
    if not (ROOT / "dev.py").exists():
        raise BadSetup("this needs a checkout of Dongne: clone the repository and use its .venv/bin/dongne")
    return ROOT


def list_cities() -> list[Path]:
    """The folders of the cities there are, by name."""
    return sorted(file.parent for file in CITIES.glob("*/city.toml"))


def get_city_folder(city: str) -> Path:
    """The folder of a city by its name, or by its path. Raises BadSetup with the cities there are."""
    for folder in (CITIES / city, Path(city)):
        if (folder / "city.toml").exists():
            return folder
    there = ", ".join(folder.name for folder in list_cities()) or "none"
    raise BadSetup(f"there is no city {city!r}; cities: {there}; or give the path of a folder with a city.toml")
