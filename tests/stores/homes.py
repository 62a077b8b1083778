"""Homes for the tests of the sealed store: what is known of a person is in every place where it may come to lie."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, EntityChange, Location, Property, Sensor, Thing, Unit, put
from dongne.model.notices import NoticeEvent
from dongne.model.records import JobResult, ObservationBatch, ObservationExtra, RecordKind, SettingChange, encode_batch
from dongne.model.tasks import TaskEvent
from dongne.runtime.ports import Entry, StateRow, Store, Transaction

START = datetime(2026, 3, 1, tzinfo=UTC)
START_US = int(START.timestamp() * 1e6)
STREAMS = 3  # of each home


def stream_of(home: int, which: int = 0) -> int:
    """A Datastream's id."""
    return home * 10 + which


def entities_of(home: int) -> list[EntityChange]:
    """A home with its Location and Datastreams; "Secret<home>" stands wherever a person could be known by."""
    secret = f"Secret{home}"
    properties = {"kind": "home", "access": "personal", "person": secret, "medical_note": f"{secret} takes warfarin"}
    place = Location(id=home, name=f"{secret} street", location={"type": "Point", "coordinates": [126.9, 37.5]})
    thing = Thing(id=home, name=secret, properties=properties, location_ids=(home,))
    streams = [
        Datastream(
            id=stream_of(home, i), name=f"{secret} motion", unit_of_measurement=Unit(symbol="1"), thing_id=home,
            sensor_id=1, observed_property_id=1,
        )
        for i in range(STREAMS)
    ]  # fmt: skip
    return [put(place), put(thing), *map(put, streams)]


def settle(store: Store, homes: int) -> None:
    """So many homes, in one record of entities."""
    changes = [put(Sensor(id=1, name="sensor")), put(Property(id=1, name="motion"))]
    for home in range(1, homes + 1):
        changes += entities_of(home)
    store.submit(Transaction([entry(RecordKind.ENTITIES, changes)])).result(20)


def entry(kind: RecordKind, body: Any, **more: Any) -> Entry:
    """A record to be."""
    return Entry(kind, msgspec.msgpack.encode(body), **more)


def observations(*rows: tuple[int, int, float], extra: ObservationExtra | None = None, **more: Any) -> Entry:
    """Rows of (Datastream, second after START, result); the extra is of the first."""
    streams, seconds, results = zip(*rows, strict=True)
    times = START_US + np.array(seconds, np.int64) * 1_000_000
    batch = ObservationBatch(np.array(streams, np.int32), times, np.array(results, float), {0: extra} if extra else {})
    return Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(rows), **more)


def live(store: Store, home: int) -> list[int]:
    """Everything that a home leaves behind, once; the numbers of its records."""
    secret = f"Secret{home}"
    key = f"home_alarm/{home}/{secret}"
    case = CaseEvent(
        key=key, kind="alert", action="open", name="fall", time=START, thing=home, service="home_alarm",
        values={"who": secret}, note=secret,
    )  # fmt: skip
    task = TaskEvent(key=f"{key}/call", thing=home, capability="call", state="created", time=START, by=secret)
    notice = NoticeEvent(
        key=f"{key}/ask", action="requested", name="ask", time=START, thing=home, to="guardian", case=key,
        values={"who": secret},
    )  # fmt: skip
    entries = [
        observations((stream_of(home), 1, 1.0), (stream_of(home, 1), 2, 72.5), extra=ObservationExtra(parameters={"by": secret})),
        entry(RecordKind.CASE, case),
        entry(RecordKind.CASE, CaseEvent(
            key=key, kind="alert", action="acknowledge", name="fall", time=START, note=secret)),
        entry(RecordKind.TASK, task),
        entry(RecordKind.NOTICE, notice),
        entry(RecordKind.SETTING, SettingChange("home_alarm", f"thing:{home}", {"why": secret})),
        entry(RecordKind.JOB, JobResult("home_alarm", "rhythm", home, {"who": secret})),
    ]  # fmt: skip
    state = StateRow("home_alarm", home, 1, msgspec.json.encode({"who": secret}), {"check": 5}, "")
    return list(store.submit(Transaction(entries, [state])).result(20).numbers)
