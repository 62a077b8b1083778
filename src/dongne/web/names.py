"""What things, kinds, properties, units and cases are called, in one language."""

from typing import Any

from dongne.model.cases import Case
from dongne.model.entities import Datastream, Thing
from dongne.model.graph import ThingGraph
from dongne.model.properties import SHARED
from dongne.model.tasks import Task
from dongne.runtime.manifest import list_manifests
from dongne.runtime.ports import SettingInForce
from dongne.web.texts import Words

_INTEGER_UNITS = frozenset({"%", "lx", "{person}/h", "W", "s", "min", "m", "mm[Hg]", "/min"})
HALF = 0.5
LARGE = 100.0  # from here on decimals say nothing
_DEFINING = {key: m.id for m in list_manifests() for key in m.properties}  # property -> the service that defines it


class Names:
    """Names out of the graph and the catalogues; a key nobody has words for is shown with spaces."""

    def __init__(self, graph: ThingGraph, words: Words) -> None:
        self._graph = graph
        self._words = words

    def thing(self, thing: Thing | int | None) -> str:
        """A Thing's name in this language, else as it is."""
        if isinstance(thing, int):
            thing = self._graph.things.get(thing)
        if thing is None:
            return self._words.say("thing.unknown")
        return str(thing.properties.get(f"name_{self._words.language}") or thing.name)

    def kind(self, kind: str) -> str:
        """A kind of Thing."""
        return self._words.find([f"kind.{kind}"]) or plain(kind) or self._words.say("kind.none")

    def property(self, key: str) -> str:
        """An observed property by its key."""
        return self._words.find([f"property.{key}", f"{_DEFINING.get(key)}.property.{key}"]) or plain(key)

    def observed(self, stream: Datastream) -> str:
        """What a Datastream observes: its property, and which part of the Thing where it has several."""
        return f"{self.property(self._graph.property_key(stream))} {stream.part}".rstrip()

    def service(self, service_id: str) -> str:
        """A service."""
        return self._words.find([f"{service_id}.title"]) or plain(service_id)

    def unit(self, code: str) -> str:
        """A UCUM code as people write it."""
        return self._words.find([f"unit.{code}"]) or code.replace("{", "").replace("}", "")

    @staticmethod
    def digits(value: float, unit: str) -> int:
        """How many decimals of a value mean something."""
        return 0 if unit in _INTEGER_UNITS or abs(value) >= LARGE else 1

    def number(self, value: float, unit: str) -> str:
        """The number alone."""
        return self._words.number(value, self.digits(value, unit))

    def words_of(self, key: str) -> tuple[str, str] | None:
        """The words of a property that says no (0) or yes (1), where it has some."""
        found = self._words.find([f"value.{key}.no"]), self._words.find([f"value.{key}.yes"])
        return (found[0], found[1]) if found[0] and found[1] else None

    def reading(self, key: str, value: float, unit: str) -> str:
        """The value of a property without its unit: its word where it says yes or no, else the number."""
        words = self.words_of(key)
        return words[value >= HALF] if words else self.number(value, unit)

    def value(self, value: float, unit: str) -> str:
        """A number with its unit: 86 %, 12 명/시간."""
        number, name = self.number(value, unit), self.unit(unit)
        if unit in {"1", ""}:
            return number
        return number + name if name.startswith("°") else f"{number} {name}"

    def command(self, task: Task) -> str:
        """What a Task is to bring its device to."""
        return self.value(
            float(task.parameters["value"]), SHARED[task.capability].unit if task.capability in SHARED else ""
        )

    def setting_value(self, setting: SettingInForce, value: Any = None) -> str:
        """A setting's value (or another one) with its unit."""
        value = setting.value if value is None else value
        if isinstance(value, bool):
            return self._words.say("setting.yes" if value else "setting.no")
        if isinstance(value, int | float):
            number, name = self._words.number(value, 3), self.unit(setting.unit)
            return number if setting.unit in {"1", ""} else f"{number} {name}"
        return str(value)

    def level(self, level: str) -> str:
        """Which level a setting comes from."""
        kind, _, rest = level.partition(":")
        return self._words.say(f"setting.level.{kind}", rest=rest)

    def case(self, case: Case, values: dict[str, Any] | None = None) -> str:
        """What a Case is about, in words."""
        keys = [f"{case.service}.case.{case.name}", f"{case.service}.{case.name}"]
        given = {"thing": self.thing(case.thing), **case.values, **(values or {})}
        return self._words.find(keys, **given) or plain(case.name)

    def case_word(self, kind: str, of: str, name: str) -> str:
        """What a kind of Case calls one of its states, steps or causes (`of` is "state", "step", "did" or "cause"): in its own
        words, else in those that all kinds share."""
        return self._words.find([f"case.{kind}.{of}.{name}", f"case.{of}.{name}"]) or plain(name)

    def case_kind(self, kind: str) -> str:
        """A kind of Case."""
        return self._words.find([f"case.kind.{kind}"]) or plain(kind)

    def alert(self, case: Case) -> str:
        """The sort of alert in a word or two, where its service has some."""
        return self._words.find([f"{case.service}.alert.{case.name}"]) or plain(case.name)

    def param(self, name: str) -> str:
        """A value that came with a Case: "level_percent" gives "level (%)" where nobody has words for it."""
        return self._words.find([f"param.{name}"]) or plain(name)

    def setting(self, service: str, name: str) -> str:
        """A service's setting."""
        return self._words.find([f"{service}.setting.{name}"]) or plain(name)


def plain(key: str) -> str:
    """A key with spaces."""
    return key.replace("_", " ")


def unit_of(stream: Datastream) -> str:
    """The UCUM code of a Datastream: its symbol, else the end of its definition."""
    unit = stream.unit_of_measurement
    return unit.symbol or (unit.definition or "").rpartition("/")[2]
