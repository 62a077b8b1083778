"""The workload of homes for `kill.py`: the sealed store in the place of the embedded one, with a home that withdraws in
each round.

python tests/faults/kill.py --kills 50 --workload tests/faults/sealed.py:SealedHomes
"""

import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from dongne.model.entities import Datastream, Thing, put
from dongne.model.records import Record, RecordKind
from dongne.runtime.ports import Clock, Entry, Transaction
from dongne.stores.sealed import SealedStore

_spec = importlib.util.spec_from_file_location("kill", Path(__file__).with_name("kill.py"))
assert _spec and _spec.loader
kill = importlib.util.module_from_spec(_spec)
sys.modules["kill"] = kill
_spec.loader.exec_module(kill)

LEAVERS = 50_000  # homes from this number on withdraw, one in each round; none of those above


def homes() -> list[Any]:
    """Every second Datastream of the clients, and those derived from them, belongs to a home."""
    streams = [*range(1, 31, 2), *range(kill.DERIVED + 1, kill.DERIVED + 31, 2)]
    things = [put(Thing(id=stream, name="home", properties={"kind": "home"})) for stream in streams]
    return things + [
        put(Datastream(id=stream, name="of a home", thing_id=stream, sensor_id=1, observed_property_id=1))
        for stream in streams
    ]


class SealedHomes(kill.IngestAndDerive):  # type: ignore[misc,name-defined]
    """The same clients and reader, some of whose Datastreams are of homes."""

    @staticmethod
    def open_store(folder: Path, clock: Clock, **options: Any) -> SealedStore:
        """What is tested."""
        return SealedStore.open(folder, clock, **options)

    def run(self, store: SealedStore, seed: int, round_number: int, say: Callable[[str], None]) -> None:
        """Never returns."""
        if not store.graph.datastreams:
            store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(homes()))])).result()
        threading.Thread(target=self._leave, args=(store, LEAVERS + round_number), daemon=True).start()
        super().run(store, seed, round_number, say)

    @staticmethod
    def _leave(store: SealedStore, home: int) -> None:
        thing = put(Thing(id=home, name="leaver", properties={"kind": "home"}))
        store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([thing]))])).result()
        time.sleep(0.3)  # not for order: so that kills fall before, into and after it
        store.withdraw(home)

    def check(self, store: SealedStore, lines: list[str]) -> list[str]:
        """What is wrong, in words."""
        records: list[Record] = kill.read_all(store)
        wrong = [
            *kill.check_sequence(store, records),
            *kill.check_acknowledged(records, lines),
            *kill.check_emissions(store, records),
            *kill.check_latest(store, records),
            *store.verify_chain().wrong,
        ]
        back = [home for home in store._truth.ring.destroyed if home in store.graph.things]
        return [*wrong, *(f"home {home} withdrew and is there" for home in back)]
