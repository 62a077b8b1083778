"""A notice to 119 as the Alarm it is about."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from dongne.model.notices import Notice
from dongne.standards.dispatch.alarm import Alarm, Earlier, Evidence

MOST_EVIDENCE = 50


def _no_name(datastream: int) -> str:
    return ""


def alarm_of(notice: Notice, earlier: Iterable[Notice] = (), name_device: Callable[[int], str] = _no_name) -> Alarm:
    """The alarm, `earlier` being the notices it goes on with, oldest first.

    Of the notice's values are read, where they are there: `kind` (a key of CAUSES; else the notice's name), `raised` (ISO
    8601), `call_back` (a telephone number), `simulated`, and `evidence`: [{"time", "property", "device" or "datastream", "value"}];
    `name_device` knows the device of a Datastream. What can't be read is left out: an alarm with less in it is better than
    none.
    """
    values = notice.values
    known = tuple(Earlier(one.key, one.requested) for one in earlier)
    if notice.follows and not known:
        known = (
            Earlier(notice.follows, notice.requested),
        )  # forgotten here: its receiver may know it by its identifier
    return Alarm(
        key=notice.key, sent=notice.requested, kind=str(values.get("kind") or notice.name),
        raised=_instant(values.get("raised")) or notice.requested, evidence=tuple(_list_evidence(values, name_device))[-MOST_EVIDENCE:],
        call_back=str(values.get("call_back") or ""), earlier=known, ends=notice.ends,
        exercise=notice.exercise or bool(values.get("exercise")), simulated=bool(values.get("simulated")),
    )  # fmt: skip


def _list_evidence(values: Mapping[str, Any], name_device: Callable[[int], str]) -> Iterator[Evidence]:
    given = values.get("evidence")
    for one in given if isinstance(given, list | tuple) else ():
        when = _instant(one.get("time")) if isinstance(one, Mapping) else None
        if when is not None and one.get("property"):
            value = one.get("value")
            number = float(value) if isinstance(value, int | float) else None
            yield Evidence(when, str(one["property"]), _device(one, name_device), number)


def _device(one: Mapping[str, Any], name_device: Callable[[int], str]) -> str:
    stream = one.get("datastream")
    named = name_device(stream) if isinstance(stream, int) else ""
    return named or str(one.get("device") or stream or "")


def _instant(given: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        return None
    if not isinstance(found, datetime):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
