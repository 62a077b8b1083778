"""`service.toml`: what code cannot know of a service. Read without importing any code."""

import tomllib
from pathlib import Path

import msgspec

from dongne.model.errors import BadSetup
from dongne.model.observed import ObservedProperty

SERVICES = Path(__file__).parent.parent / "services"


class PropertyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A property this service defines; `unit` is UCUM."""

    unit: str
    low: float = float("-inf")
    high: float = float("inf")
    definition: str = ""


class SettingEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Unit (UCUM) and allowed range of a setting; both optional."""

    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")


class CaseEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sort of Case the service opens."""

    kind: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service as its folder declares it.

    `shape` is "service" or "answer"; `area` the field of city life; `origin` where the study speaks of it; `privacy`
    public, internal or personal; `maturity` lab, pilot or live. Words for people are in the folder's `texts/`.
    """

    id: str
    shape: str = "service"
    area: str
    origin: str
    privacy: str
    owner: str
    maturity: str
    properties: dict[str, PropertyEntry] = {}
    settings: dict[str, SettingEntry] = {}
    cases: dict[str, CaseEntry] = {}

    def list_properties(self) -> list[ObservedProperty]:
        """The properties the service defines."""
        return [ObservedProperty(key, p.unit, p.low, p.high, p.definition) for key, p in self.properties.items()]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a service folder. Raises BadSetup with file and remedy."""
    file = folder / "service.toml"
    try:
        manifest = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Manifest)
    except FileNotFoundError:
        raise BadSetup(f"{file} is missing; `dongne new-service {folder.name}` makes one") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadSetup(f"{file}: {error}") from error
    if manifest.id != folder.name:
        raise BadSetup(f"{file}: id is {manifest.id!r} but the folder is {folder.name!r}; make them equal")
    return manifest


def list_manifests(folder: Path = SERVICES) -> list[Manifest]:
    """The manifests of all service folders, by id."""
    return [read_manifest(f.parent) for f in sorted(folder.glob("*/service.toml"))]
