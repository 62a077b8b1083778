"""What if a setting were another: the recorded past replayed with it, beside what is in force."""

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.errors import BadInput
from dongne.runtime.ports import RecordReader
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import replay


class Compared(msgspec.Struct, frozen=True):
    """One sort of fact ("work_order/collect open"): how often as it was, and how often with the other settings."""

    sort: str
    what: str
    present: int
    tried: int


class WhatIf(msgspec.Struct, frozen=True):
    """A comparison over [since, until): counts by sort, and how many Things it would have been different for."""

    service: str
    values: dict[str, Any]
    since: datetime
    until: datetime
    rows: tuple[Compared, ...]
    things_changed: int
    things: int


def compare(
    source: RecordReader,
    service_id: str,
    zone: str,
    values: dict[str, Any],
    since: datetime,
    until: datetime,
    until_number: int | None = None,
    without: frozenset[int] = frozenset(),
) -> WhatIf:
    """The service's past from the beginning of the sequence, twice: as it is set now and with `values` for everything; facts
    about the Things in `without` are not counted.

    Cases that people closed stay in the replay as they were recorded. Raises BadInput for an answer, which emits nothing.
    """
    service = load(service_id)
    if not isinstance(service, LoadedService):
        raise BadInput(f"{service_id} is an answer; it emits nothing that could be compared")
    runs: list[dict[int, Counter[tuple[str, str]]]] = []
    for tried in ({}, values):
        by_thing: dict[int, Counter[tuple[str, str]]] = {}
        for fact in replay(source, [service], ZoneInfo(zone), {service_id: tried}, until=until_number):
            if since <= fact.time < until and fact.thing not in without:
                by_thing.setdefault(fact.thing, Counter())[fact.what, fact.sort] += 1
        runs.append(by_thing)
    present, other = runs
    totals = [sum(run.values(), Counter()) for run in runs]
    rows = tuple(
        Compared(sort, what, totals[0][what, sort], totals[1][what, sort])
        for what, sort in sorted(totals[0] | totals[1])
    )
    things = set(present) | set(other)
    changed = sum(present.get(thing) != other.get(thing) for thing in things)
    return WhatIf(service_id, values, since, until, rows, changed, len(things))
