"""The answer in plain sentences: nearest first, by kind, with the age of values; and how they become text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dongne.model.properties import PRECIPITATION, PRESENCE
from dongne.runtime.answer import Sentence
from dongne.services.whats_near.near import Item, LiveValue, OpenCase

SPOKEN_OF_A_KIND = 3  # more of one kind are counted and not told one by one
ROUND_M = 10.0
VERBATIM = frozenset({"unit", "where"})  # what a Datastream says itself
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0


def sentences(radius_m: float, items: Sequence[Item], more: int, quiet: Mapping[str, int]) -> Iterator[Sentence]:
    """What is live near, in order."""
    yield Sentence("whats_near.head", {"radius_m": radius_m, "count": len(items) + more})
    kinds: dict[str, list[Item]] = {}
    for item in items:
        kinds.setdefault(item.kind, []).append(item)
    for kind, group in kinds.items():
        yield from _of_kind(kind, group)
    if quiet:
        yield Sentence("whats_near.quiet", {"count": sum(quiet.values())})
    values = [value for item in items for value in item.values]
    if simulated := sum(value.simulated for value in values):
        yield Sentence("whats_near.simulated", {"count": simulated})
    for origin in sorted({value.origin for value in values if value.origin}):
        yield Sentence("whats_near.elsewhere", {"where_key": f"where.{origin}"})


def nothing_near(radius_m: float, nearest: Item | None) -> Iterator[Sentence]:
    """That nothing is live near, and what is nearest."""
    yield Sentence("whats_near.nothing", {"radius_m": radius_m})
    if nearest is not None:
        yield Sentence("whats_near.nearest", _where(nearest))
        yield from _about(nearest)


def _of_kind(kind: str, group: list[Item]) -> Iterator[Sentence]:
    key = "whats_near.kind.one" if len(group) == 1 else "whats_near.kind.some"
    yield Sentence(key, {"kind_key": _kind_key(kind), "count": len(group)} | _where(group[0]))
    # what is wrong is told of all, however many there are
    told = [item for i, item in enumerate(group) if i < SPOKEN_OF_A_KIND or item.cases]
    for item in told:
        yield from _about(item)
    if len(group) > len(told):
        yield Sentence("whats_near.more", {"kind_key": _kind_key(kind), "count": len(group) - len(told)})


def _where(item: Item) -> dict[str, Any]:
    metres = item.distance_m if item.distance_m < ROUND_M else round(item.distance_m / ROUND_M) * ROUND_M
    key = f"whats_near.direction.{item.direction}"
    return _named(item) | {"way_key": key, "way_values": {"distance_m": round(metres)}}


def _named(item: Item) -> dict[str, Any]:
    return {"name": item.name, "names": item.names} if item.names else {"name": item.name}


def _about(item: Item) -> Iterator[Sentence]:
    for case in item.cases:
        given = {"case_key": case.case_key, "case_values": {"thing": item.name, **case.values}}
        yield Sentence("whats_near.case", _named(item) | given | _age(case))
    for value in item.values:
        yield _value(_named(item), value)


def _age(told: LiveValue | OpenCase) -> dict[str, Any]:
    age_s = max(0.0, told.age_s)
    for name, limit_s, unit_s in (("now", MINUTE_S, 1.0), ("minutes", HOUR_S, MINUTE_S), ("hours", DAY_S, HOUR_S)):
        if age_s < limit_s:
            return {"age_key": f"whats_near.age.{name}", "age_values": {"n": int(age_s // unit_s)}}
    return {"age_key": "whats_near.age.days", "age_values": {"n": int(age_s // DAY_S)}}


def _value(named: dict[str, Any], value: LiveValue) -> Sentence:
    values = named | {"property_key": value.property_key} | _age(value)
    result = value.result
    if isinstance(result, float) and value.property in (PRESENCE.key, PRECIPITATION.key):
        word = (
            ("somebody" if result >= 0.5 else "nobody")
            if value.property == PRESENCE.key
            else ("rain" if result > 0 else "dry")
        )
        return Sentence(f"whats_near.value.{word}", values | {"value": _short(result)})
    if value.unit in ("", "1"):
        return Sentence("whats_near.value.plain", values | {"value": _short(result)})
    return Sentence("whats_near.value.unit", values | {"value": _short(result), "unit_key": f"unit.{value.unit}"})


def _short(result: Any) -> str:
    if not isinstance(result, float):
        return str(result)
    return f"{result:,.0f}" if abs(result) >= 100 else f"{round(result, 1):g}"


def _kind_key(kind: str) -> str:
    return f"kind.{kind or 'none'}"


def tell(
    said: Sequence[Sentence], find: Callable[[str], str | None], fill: Callable[..., str], language: str = ""
) -> list[str]:
    """The sentences as text, with names in the language where Things have them. `find(key)` gives a catalogue's text or None, `fill(key, **values)` a filled-in one; a key
    without a text is told by its own word ("kind.car_park": car park)."""

    def text(key: str, values: Mapping[str, Any]) -> str:
        if find(key) is not None:
            return fill(key, **values)
        room, _, word = key.partition(".")
        return word if room in VERBATIM else key.rpartition(".")[2].replace("_", " ")

    told = []
    for sentence in said:
        values = dict(sentence.values)
        values |= {"name": values.pop("names")[language]} if language in values.get("names", {}) else {}
        values.pop("names", None)
        for name in [name for name in values if name.endswith("_key")]:
            stem = name.removesuffix("_key")
            values[stem] = text(values.pop(name), values.pop(f"{stem}_values", {}))
        told.append(fill(sentence.key, **values))
    return told
