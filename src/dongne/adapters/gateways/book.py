"""Which home a gateway belongs to, which Datastream a device's property has, and which messages came before."""

import threading
from collections.abc import Sequence

import msgspec

from dongne.model.entities import (
    Datastream,
    Entity,
    EntityChange,
    EntityType,
    Property,
    Put,
    Sensor,
    Thing,
    Unit,
    entity_of,
    put,
)
from dongne.model.home import HOME, HOME_PROPERTIES
from dongne.model.records import Record, RecordKind
from dongne.runtime.ports import Entry, Store, Transaction

_changes = msgspec.msgpack.Decoder(list[EntityChange])
SENSOR = "home gateway"


class HomeBook:
    """Kept up with the homes' store, in its writer's thread; read from any."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._homes: dict[str, int] = {}
        self._gateways: dict[int, str] = {}
        self._streams: dict[int, dict[tuple[str, str], int]] = {}
        self._making: dict[int, dict[tuple[str, str], Datastream]] = {}  # not stored yet
        self._properties: dict[str, int] = {}
        self._sensor = 0
        self._close = store.subscribe(self._heard)
        graph = store.graph
        self._add_vocabulary()
        for kind in (EntityType.SENSOR, EntityType.OBSERVED_PROPERTY, EntityType.THING, EntityType.DATASTREAM):
            for entity in list(graph.entities(kind).values()):
                self._take(entity)

    def _add_vocabulary(self) -> None:
        """What all homes share is there before any of them says something."""
        graph = self._store.graph
        there = {found.name for found in list(graph.properties.values())}
        made: list[Entity] = [
            Property(
                id=self._store.new_id(EntityType.OBSERVED_PROPERTY), name=observed.key,
                properties={"unit": observed.unit, "low": observed.low, "high": observed.high},
            )
            for observed in HOME_PROPERTIES.values() if observed.key not in there
        ]  # fmt: skip
        if not any(sensor.name == SENSOR for sensor in list(graph.sensors.values())):
            made.append(Sensor(id=self._store.new_id(EntityType.SENSOR), name=SENSOR))
        if made:
            self._store.submit(Transaction([Entry(RecordKind.ENTITIES, puts(made))])).result()

    def close(self) -> None:
        """Hears no more."""
        self._close()

    def __len__(self) -> int:
        return len(self._homes)

    def find_home(self, gateway: str) -> int | None:
        """The Thing of the home with this gateway."""
        return self._homes.get(gateway)

    def list_gateways(self) -> list[str]:
        """All gateways that a home has."""
        return list(self._homes)

    def list_homes(self) -> list[int]:
        """All homes that have a gateway."""
        return list(self._homes.values())

    def find_stream(self, home: int, device: str, key: str) -> int | None:
        """The Datastream of a device's property; None where it never said anything."""
        return self._streams.get(home, {}).get((device, key))

    def streams_of(self, home: int, wanted: Sequence[tuple[str, str]]) -> tuple[list[int], list[Datastream]]:
        """The Datastreams of these (device, property), and what has to be stored first as they are new; the properties are
        known ones."""
        with self._lock:
            known, making = self._streams.setdefault(home, {}), self._making.get(home, {})
            for key in wanted:
                if key not in known and key not in making:
                    making = self._making.setdefault(home, making)
                    making[key] = self._make(home, *key)
            first = [making[key] for key in dict.fromkeys(wanted) if key in making]
            return [making[key].id if key in making else known[key] for key in wanted], first

    def _make(self, home: int, device: str, key: str) -> Datastream:
        observed = HOME_PROPERTIES[key]
        return Datastream(
            id=self._store.new_id(EntityType.DATASTREAM), name=f"{key}, {device}", thing_id=home,
            unit_of_measurement=Unit(symbol=observed.unit, definition=f"ucum:{observed.unit}"), sensor_id=self._sensor,
            observed_property_id=self._properties[key], properties={"device": device, "access": "personal"},
        )  # fmt: skip

    # --- the store's writer

    def _heard(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind is not RecordKind.ENTITIES:
                continue
            for change in _changes.decode(record.body):
                if isinstance(change, Put):
                    self._take(entity_of(change))
                elif change.type is EntityType.THING:
                    self._leave(change.id)

    def _take(self, entity: Entity) -> None:
        with self._lock:
            match entity:
                case Thing() if entity.kind == HOME:
                    self._forget_gateway(entity.id)
                    if gateway := entity.properties.get("gateway"):
                        self._homes[str(gateway)] = entity.id
                        self._gateways[entity.id] = str(gateway)
                case Datastream() if device := entity.properties.get("device"):
                    self._take_stream(entity, str(device))
                case Sensor() if entity.name == SENSOR:
                    self._sensor = entity.id
                case Property():
                    self._properties.setdefault(entity.name, entity.id)

    def _take_stream(self, stream: Datastream, device: str) -> None:
        found = self._store.graph.properties.get(stream.observed_property_id)
        key = (device, found.name if found else "")
        self._streams.setdefault(stream.thing_id, {})[key] = stream.id
        self._making.get(stream.thing_id, {}).pop(key, None)

    def _leave(self, home: int) -> None:
        with self._lock:
            self._forget_gateway(home)
            self._streams.pop(home, None)

    def _forget_gateway(self, home: int) -> None:
        gateway = self._gateways.pop(home, None)
        if gateway is not None and self._homes.get(gateway) == home:
            del self._homes[gateway]


def puts(entities: Sequence[Entity]) -> bytes:
    """The body of an ENTITIES record which stores these."""
    return msgspec.msgpack.encode([put(entity) for entity in entities])


WINDOW = 20  # messages that may come out of order and are still known again
_MASK = (1 << WINDOW) - 1
BEGAN_ANEW = 1_000  # so far below the last: a gateway that was reset


class Seen(msgspec.Struct, frozen=True):
    """Which messages of a gateway came: the highest `last`, and of the WINDOW before it a bit each."""

    last: int = -1
    bits: int = 0

    def has(self, seq: int) -> bool:
        """Whether this one came. Of one long before nobody knows: better twice than never."""
        behind = self.last - seq
        return behind == 0 or (0 < behind <= WINDOW and bool(self.bits >> (behind - 1) & 1))

    def with_one(self, seq: int) -> "Seen":
        """After this one."""
        ahead = seq - self.last
        if self.last < 0 or -ahead > BEGAN_ANEW:
            return Seen(seq, 0)
        if ahead > 0:
            bits = (self.bits << ahead | 1 << (ahead - 1)) & _MASK if ahead <= WINDOW else 0
            return Seen(seq, bits)
        return Seen(self.last, self.bits | 1 << (-ahead - 1)) if 0 < -ahead <= WINDOW else self

    @property
    def packed(self) -> int:
        """As one whole number, to be kept with the messages themselves."""
        return (self.last + 1) << WINDOW | self.bits


def unpacked(number: int) -> Seen:
    """What `packed` gave."""
    return Seen((number >> WINDOW) - 1, number & _MASK)
