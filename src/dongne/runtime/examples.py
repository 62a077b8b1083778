"""`example/records.jsonl` of a service folder: a small city and what happens in it, one JSON object a line.

{"thing": {"id": 1, "kind": "waste_basket", "name": "...", "lon": 24.94, "lat": 60.17}}
{"relation": {"kind": "next_lamp", "from": 1, "to": 2, "distance_m": 31.0}}
{"at": "2026-11-02T08:00:00Z", "observe": [[1, "fill_level", 20.5], [1, "fill_level", 20.1, "2026-11-02T07:30:00Z"]]}
{"at": "...", "case": {"thing": 1, "kind": "work_order", "name": "collect", "once": "round 1", "action": "done"}}
{"at": "...", "notice": {"thing": 1, "name": "ask", "once": "1", "action": "answered", "answer": "fine", "to": "resident"}}
{"at": "...", "setting": {"level": "city", "values": {"full_percent": 90}}}
{"at": "...", "job": {"thing": 1, "job": "fit", "outcome": {}}}
{"at": "...", "wake": true}

`observe` rows are [thing, property key, value, phenomenonTime, device, part, parameters]; the time is `at` where it is left out or
null; each `device` and each `part` has a Datastream of its own. Units are those of
the properties. Things and relations come first.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dongne.model.case_kinds import OPEN, get_case_kind
from dongne.model.cases import CaseEvent
from dongne.model.entities import (
    Datastream,
    Entity,
    EntityChange,
    Location,
    Property,
    Relation,
    Sensor,
    Thing,
    Unit,
    put,
)
from dongne.model.errors import BadInput
from dongne.model.home import HOME_PROPERTIES
from dongne.model.notices import NoticeEvent
from dongne.model.observed import ObservedProperty
from dongne.model.properties import SHARED
from dongne.model.records import (
    JobResult,
    ObservationBatch,
    ObservationExtra,
    Record,
    RecordKind,
    SettingChange,
    encode_batch,
)
from dongne.model.times import parse_instant, to_us
from dongne.runtime.facts import case_key, notice_key


class ListReader:
    """Records in memory, read as a store is."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """See runtime.ports.Store.read."""
        start = bisect_right(self.records, after, key=lambda record: record.number)
        found = (
            r
            for r in islice(self.records, start, None)
            if (until is None or r.number <= until) and (kinds is None or r.kind in kinds)
        )
        return [record for record, _ in zip(found, range(limit), strict=False)]


class _Builder:
    def __init__(self, service: str, properties: Iterable[ObservedProperty]) -> None:
        self.service = service
        self.known = {**SHARED, **HOME_PROPERTIES, **{p.key: p for p in properties}}
        self.entities: list[Entity] = []
        self.streams: dict[tuple[int, str, str, str], int] = {}
        self.property_ids: dict[str, int] = {}
        self.states: dict[str, str] = {}
        self.records: list[Record] = []
        self.number = 1

    def add(self, kind: RecordKind, body: bytes, at_us: int, count: int = 1) -> None:
        self.records.append(Record(self.number, count, kind, at_us, body))
        self.number += count

    def thing(self, given: dict[str, Any]) -> None:
        thing = int(given["id"])
        point = {"type": "Point", "coordinates": [given.get("lon", 0.0), given.get("lat", 0.0)]}
        properties = {"kind": given.get("kind", ""), **given.get("properties", {})}
        name = given.get("name", f"Thing {thing}")
        self.entities.append(Location(id=thing, name=name, location=point))
        self.entities.append(Thing(id=thing, name=name, properties=properties, location_ids=(thing,)))

    def relation(self, given: dict[str, Any]) -> None:
        number = 1 + sum(isinstance(e, Relation) for e in self.entities)
        self.entities.append(
            Relation(id=number, kind=given["kind"], from_id=given["from"], to_id=given["to"], distance_m=given.get("distance_m"))
        )  # fmt: skip

    def stream(self, thing: int, key: str, device: str = "", part: str = "") -> int:
        if (thing, key, device, part) not in self.streams:
            if key not in self.known:
                raise BadInput(f"there is no property {key!r}; properties: {', '.join(sorted(self.known))}")
            if key not in self.property_ids:
                self.property_ids[key] = len(self.property_ids) + 1
                self.entities.append(Property(id=self.property_ids[key], name=key))
            number = self.streams[thing, key, device, part] = len(self.streams) + 1
            self.entities.append(Sensor(id=number, name=f"example {key}"))
            self.entities.append(
                Datastream(
                    id=number, name=f"{key} of {thing}", unit_of_measurement=Unit(symbol=self.known[key].unit),
                    thing_id=thing, sensor_id=number, observed_property_id=self.property_ids[key],
                    properties={name: said for name, said in (("device", device), ("part", part)) if said},
                )
            )  # fmt: skip
        return self.streams[thing, key, device, part]

    def observe(self, at_us: int, rows: list[list[Any]]) -> None:
        extras = {
            i: ObservationExtra(
                result=None if isinstance(r[2], int | float) else r[2], parameters=r[6] if len(r) > 6 else None
            )
            for i, r in enumerate(rows)
            if len(r) > 6 or not isinstance(r[2], int | float)
        }
        batch = ObservationBatch(
            np.array([self.stream(r[0], r[1], *r[4:6]) for r in rows], np.int32),
            np.array([to_us(parse_instant(r[3])) if len(r) > 3 and r[3] else at_us for r in rows], np.int64),
            np.array([r[2] if isinstance(r[2], int | float) else np.nan for r in rows], np.float64),
            extras,
        )
        self.add(RecordKind.OBSERVATIONS, encode_batch(batch), at_us, len(rows))

    def case(self, at: str, given: dict[str, Any]) -> None:
        key = case_key(self.service, given["thing"], given["kind"], given["name"], given["once"])
        kind = get_case_kind(given["kind"])
        action = given["action"]
        state = kind.initial if action == OPEN else kind.after(given.get("from", kind.initial), action)
        event = CaseEvent(
            key=key, kind=given["kind"], action=action, name=given["name"], time=parse_instant(at), thing=given["thing"],
            service=self.service, state=state, by=given.get("by", "example"), cause=given.get("cause", ""),
        )  # fmt: skip
        self.add(RecordKind.CASE, msgspec.msgpack.encode(event), to_us(event.time))

    def notice(self, at: str, given: dict[str, Any]) -> None:
        event = NoticeEvent(
            key=notice_key(self.service, given["thing"], given["name"], given["once"]), action=given["action"],
            name=given["name"], time=parse_instant(at), thing=given["thing"], service=self.service, to=given.get("to", ""),
            answer=given.get("answer", ""), by=given.get("by", ""),
        )  # fmt: skip
        self.add(RecordKind.NOTICE, msgspec.msgpack.encode(event), to_us(event.time))

    def line(self, given: dict[str, Any]) -> None:
        match given:
            case {"thing": thing} if "at" not in given:
                self.thing(thing)
            case {"relation": relation}:
                self.relation(relation)
            case {"at": at, "observe": rows}:
                self.observe(to_us(parse_instant(at)), rows)
            case {"at": at, "case": event}:
                self.case(at, event)
            case {"at": at, "notice": event}:
                self.notice(at, event)
            case {"at": at, "setting": change}:
                body = msgspec.msgpack.encode(SettingChange(self.service, change["level"], change["values"]))
                self.add(RecordKind.SETTING, body, to_us(parse_instant(at)))
            case {"at": at, "job": job}:
                result = JobResult(self.service, job["job"], job["thing"], job["outcome"])
                self.add(RecordKind.JOB, msgspec.msgpack.encode(result), to_us(parse_instant(at)))
            case {"at": at, "wake": _}:
                self.add(RecordKind.WAKE, b"", to_us(parse_instant(at)))
            case _:
                raise BadInput(f"neither thing, relation, observe, case, notice, setting, job nor wake: {given}")

    def build(self) -> list[Record]:
        changes: list[EntityChange] = [put(entity) for entity in self.entities]
        start_us = self.records[0].at_us if self.records else 0
        first = Record(1, 1, RecordKind.ENTITIES, start_us, msgspec.msgpack.encode(changes))
        return [first, *(msgspec.structs.replace(r, number=r.number + 1) for r in self.records)]


def read_example(file: Path, service: str, properties: Iterable[ObservedProperty]) -> list[Record]:
    """The records an example file stands for; the first holds the entities. Raises BadInput with file and line."""
    builder = _Builder(service, properties)
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            builder.line(msgspec.json.decode(text))
        except (BadInput, ValueError, KeyError, IndexError, TypeError) as error:
            raise BadInput(f"{file}:{number}: {type(error).__name__}: {error}") from error
    return builder.build()
