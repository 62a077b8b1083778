"""Settings in layers: default < the city's file < city < Thing < experiment arm. Each change is a record, also that of
the file, so a replay has them all. Above all lies what a replay tries."""

import dataclasses
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dongne.model.errors import BadInput, BadSetup
from dongne.model.records import SettingChange
from dongne.runtime.manifest import SettingEntry
from dongne.runtime.ports import SettingInForce

log = logging.getLogger("dongne.settings")

FILE = "file"  # what city.toml says
CITY = "city"  # what somebody changed for the whole city
TRIED = "tried"  # what a replay tries instead, at every level


def thing_level(thing: int) -> str:
    """The level of one Thing's own settings."""
    return f"thing:{thing}"


class SettingsBook:
    """The settings of one service at every level.

    `arms` says which experiment arm a Thing is in, by level name ("arm:<experiment>/<arm>").
    """

    def __init__(self, service: str, defaults: Any, entries: Mapping[str, SettingEntry]) -> None:
        self.service = service
        self.defaults = defaults
        self._names = {f.name: f.type for f in dataclasses.fields(defaults)}
        self._entries = entries
        self._levels: dict[str, dict[str, Any]] = {}
        self.arms: dict[int, str] = {}
        self.revision = 0

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values, converted to the types of the settings. Raises BadInput naming setting, value and what is allowed.
        None takes a setting back to the level above."""
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in self._names:
                raise BadInput(f"{self.service} has no setting {name!r}; settings: {', '.join(self._names)}")
            checked[name] = None if value is None else self._check_one(name, value)
        return checked

    def _check_one(self, name: str, value: Any) -> Any:
        default = getattr(self.defaults, name)
        try:
            converted = msgspec.convert(value, type(default), strict=False)
        except msgspec.ValidationError as error:
            raise BadInput(f"setting {self.service}.{name} = {value!r}: {error}") from error
        entry = self._entries.get(name, SettingEntry())
        if isinstance(converted, int | float) and not entry.low <= converted <= entry.high:
            raise BadInput(
                f"setting {self.service}.{name} = {converted:g} {entry.unit} is out of {entry.low:g}..{entry.high:g}"
            )
        if isinstance(converted, str) and entry.pattern and not re.fullmatch(entry.pattern, converted, re.ASCII):
            raise BadInput(f"setting {self.service}.{name} = {converted[:80]!r} does not look like {entry.pattern}")
        return converted

    def apply(self, change: SettingChange) -> None:
        """Take a recorded change in. What no longer is a setting, or no longer in its range, since the service became
        another, is left out: what is recorded must not stop a start."""
        level = self._levels.setdefault(change.level, {})
        for name, given in change.values.items():
            try:
                value = self.check({name: given})[name]
            except BadInput as error:
                log.warning("left out: %s", error.message)
                level.pop(name, None)
                continue
            if value is None:
                level.pop(name, None)
            else:
                level[name] = value
        self.revision += 1

    def forget(self, thing: int) -> None:
        """A Thing's own settings are gone."""
        if self._levels.pop(thing_level(thing), None) is not None:
            self.revision += 1

    def _order(self, thing: int | None) -> list[str]:
        if thing is None:
            return [FILE, CITY, TRIED]
        return [FILE, CITY, thing_level(thing), *([self.arms[thing]] if thing in self.arms else []), TRIED]

    def resolve(self, thing: int | None = None) -> Any:
        """The settings in force for a Thing (or the city); the same object as `defaults` where nothing was changed."""
        merged: dict[str, Any] = {}
        for level in self._order(thing):
            merged.update(self._levels.get(level, {}))
        return dataclasses.replace(self.defaults, **merged) if merged else self.defaults

    def in_force(self, thing: int | None = None) -> list[SettingInForce]:
        """Each setting with its value and the level which says so."""
        found = []
        for name in self._names:
            value, level = getattr(self.defaults, name), "default"
            for candidate in self._order(thing):
                if name in self._levels.get(candidate, {}):
                    value, level = self._levels[candidate][name], candidate
            entry = self._entries.get(name, SettingEntry())
            default = getattr(self.defaults, name)
            found.append(SettingInForce(self.service, name, value, default, level, entry.unit, entry.low, entry.high))
        return found


def check_settings_class(service: str, settings: type, entries: Mapping[str, SettingEntry]) -> None:
    """Raises BadSetup unless it is a frozen dataclass with defaults within their ranges, and names no other entries."""
    params = getattr(settings, "__dataclass_params__", None)
    if params is None or not params.frozen:
        raise BadSetup(f"{service}: {settings.__name__} must be a frozen dataclass")
    try:
        defaults = settings()
    except TypeError as error:
        raise BadSetup(f"{service}: every setting needs a default: {error}") from error
    names = {f.name for f in dataclasses.fields(settings)}
    if unknown := set(entries) - names:
        raise BadSetup(f"{service}: service.toml has [settings.{min(unknown)}] but {settings.__name__} has not")
    book = SettingsBook(service, defaults, entries)
    book.check({name: getattr(defaults, name) for name in names})


def find_file_changes(
    recorded: Iterable[tuple[str, str, Mapping[str, Any]]], file: Mapping[str, Mapping[str, Any]]
) -> list[SettingChange]:
    """The changes which bring the recorded settings of the city's file (service, level, values) to what it says now."""
    known = {service: dict(values) for service, level, values in recorded if level == FILE}
    changes = []
    for service in sorted({*known, *file}):
        before, now = known.get(service, {}), dict(file.get(service, {}))
        values = {name: value for name, value in now.items() if before.get(name) != value}
        values |= dict.fromkeys(set(before) - set(now))
        if values:
            changes.append(SettingChange(service, FILE, values, "city.toml"))
    return changes
