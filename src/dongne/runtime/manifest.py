"""`service.toml`: what code cannot know of a service. Read without importing any code."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from dongne.model.case_kinds import LOWEST_PRIORITY, MERGE, MERGED, OPEN, REOPEN, STAYING, CaseKind, define_case_kind
from dongne.model.errors import BadSetup
from dongne.model.observed import ObservedProperty
from dongne.model.who import Right

SERVICES = Path(__file__).parent.parent / "services"


class PropertyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A property this service defines; `unit` is UCUM."""

    unit: str
    low: float = float("-inf")
    high: float = float("inf")
    definition: str = ""


class SettingEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Unit (UCUM) and allowed range of a setting; `pattern` is what a text must look like, whole (a regular expression, in ASCII).
    All are optional."""

    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    pattern: str = ""


class CaseEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sort of Case the service opens."""

    kind: str


class CaseKindEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of Case the service brings along; see model.cases.CaseKind. What is true of every kind is added: it can be merged,
    and a state that `steps` only leads to has none of its own."""

    steps: dict[str, dict[str, str]]
    closed: frozenset[str]
    initial: str = "new"
    rights: dict[str, Right] = {}
    causes: dict[str, tuple[str, ...]] = {}
    within_s: dict[str, int] = {}
    priority: int = 5
    by_severity: dict[str, int] = {}

    def kind(self, name: str) -> CaseKind:
        """The state table. Raises BadSetup with what does not fit."""
        ends: Mapping[str, dict[str, str]] = {to: {} for steps in self.steps.values() for to in steps.values()}
        steps = {**ends, **self.steps, MERGED: {REOPEN: self.initial}}
        found = CaseKind(
            name, steps, self.closed | {MERGED}, self.initial, self.rights, self.causes, self.within_s, self.priority,
            self.by_severity,
        )  # fmt: skip
        for fault in _list_faults(found):
            raise BadSetup(f"[case_kinds.{name}]: {fault}")
        return found


def _list_faults(kind: CaseKind) -> Iterator[str]:
    actions = {action for steps in kind.steps.values() for action in steps}
    known = actions | STAYING | {OPEN, MERGE}
    if kind.initial not in kind.steps or kind.initial in kind.closed:
        yield f"initial {kind.initial!r} must be an open state that has steps"
    if len(kind.closed) < 2 or kind.closed - set(kind.steps):
        yield f"closed must name states there are, one at least; states: {', '.join(sorted(kind.steps))}"
    for action in sorted(actions & (STAYING | {OPEN, MERGE})):
        yield f"the step {action!r} is there in every kind; name yours otherwise"
    for table, names in (("rights", kind.rights), ("causes", kind.causes)):
        for name in sorted(set(names) - known):
            yield f"{table}.{name}: there is no such step; steps: {', '.join(sorted(known))}"
    for action in sorted(action for action, causes in kind.causes.items() if not causes):
        yield f"causes.{action}: name one cause at least, or leave it out"
    for state, within_s in kind.within_s.items():
        if state not in kind.steps or state in kind.closed or within_s <= 0:
            yield f"within_s.{state}: {within_s} s; it must be over 0 s, of an open state"
    for priority in (kind.priority, *kind.by_severity.values()):
        if not 0 <= priority <= LOWEST_PRIORITY:
            yield f"priority {priority} lies out of 0..{LOWEST_PRIORITY}; 0 is life safety"
    stuck = [state for state in kind.steps if state not in kind.closed and not _reach(kind, state) & kind.closed]
    for state in stuck:
        yield f"no step leads from {state!r} to a closed state"


def _reach(kind: CaseKind, state: str) -> set[str]:
    """The states that steps lead to from here."""
    found = {state}
    while more := {to for one in found for to in kind.steps[one].values()} - found:
        found |= more
    return found


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
    case_kinds: dict[str, CaseKindEntry] = {}

    def list_properties(self) -> list[ObservedProperty]:
        """The properties the service defines."""
        return [ObservedProperty(key, p.unit, p.low, p.high, p.definition) for key, p in self.properties.items()]

    def list_case_kinds(self) -> list[CaseKind]:
        """The kinds of Case the service brings along. Raises BadSetup for a table that does not fit."""
        return [entry.kind(name) for name, entry in self.case_kinds.items()]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a service folder. Raises BadSetup with file and remedy."""
    file = folder / "service.toml"
    try:
        manifest = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Manifest)
        manifest.list_case_kinds()
    except FileNotFoundError:
        raise BadSetup(f"{file} is missing; `dongne new-service {folder.name}` makes one") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, BadSetup) as error:
        raise BadSetup(f"{file}: {error}") from error
    if manifest.id != folder.name:
        raise BadSetup(f"{file}: id is {manifest.id!r} but the folder is {folder.name!r}; make them equal")
    return manifest


def list_manifests(folder: Path = SERVICES) -> list[Manifest]:
    """The manifests of all service folders, by id."""
    return [read_manifest(f.parent) for f in sorted(folder.glob("*/service.toml"))]


@cache
def define_case_kinds() -> None:
    """From here on every kind of Case that a service folder brings along is known, also of services that are switched off: what
    they opened stays to be closed. Whoever opens a store or loads a service calls this first."""
    for manifest in list_manifests():
        for kind in manifest.list_case_kinds():
            define_case_kind(kind)
