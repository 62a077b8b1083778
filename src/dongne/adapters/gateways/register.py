"""Homes taken in, with their devices, the area that serves them, and what their people agreed to."""

import threading
from collections.abc import Sequence

import msgspec

from dongne.adapters.gateways.book import HomeBook, puts
from dongne.model.cases import CaseEvent
from dongne.model.entities import Entity, EntityType, Location, Relation, Thing
from dongne.model.errors import BadInput
from dongne.model.home import HOME_PROPERTIES, NewHome
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.runtime.consents import KIND, MEDICAL_NOTE, consent_key
from dongne.runtime.ports import Entry, Store, Transaction

AREA = "link_area"
AT_ONCE = 1_000  # homes in one Transaction


class HomeRegister:
    """Takes homes into the homes' store."""

    def __init__(self, store: Store, book: HomeBook) -> None:
        self._store, self._book = store, book
        self._turn = threading.Lock()  # what is known of gateways holds until the new homes are stored

    def add(self, homes: Sequence[NewHome], by: str) -> list[int]:
        """The ids of the new homes' Things. Nothing is taken in where one of them can't be: raises BadInput, naming it."""
        with self._turn:
            return self._add_all(homes, by)

    def _add_all(self, homes: Sequence[NewHome], by: str) -> list[int]:
        known = set(self._book.list_gateways())
        for home in homes:
            check_home(home)
            if home.gateway in known:
                raise BadInput(f"gateway {home.gateway!r} has a home already; remove that one first", reason="gateway")
            known.add(home.gateway)
        areas = self._areas({home.area for home in homes if home.area})
        ids: list[int] = []
        for at in range(0, len(homes), AT_ONCE):
            ids += self._add(homes[at : at + AT_ONCE], areas, by)
        return ids

    def _areas(self, names: set[str]) -> dict[str, int]:
        """The Things of these areas, made where they are missing."""
        found = {
            thing.name: thing.id
            for thing in list(self._store.graph.things.values())
            if thing.kind == AREA and thing.name in names
        }
        new = [
            Thing(id=self._store.new_id(EntityType.THING), name=name, properties={"kind": AREA, "access": "internal"})
            for name in sorted(names - found.keys())
        ]
        if new:
            self._store.submit(Transaction([Entry(RecordKind.ENTITIES, puts(new))])).result()
        return found | {thing.name: thing.id for thing in new}

    def _add(self, homes: Sequence[NewHome], areas: dict[str, int], by: str) -> list[int]:
        now = from_us(self._store.clock.now_us())
        entities: list[Entity] = []
        events: list[CaseEvent] = []
        ids = []
        for home in homes:
            thing_id = self._store.new_id(EntityType.THING)
            ids.append(thing_id)
            entities += self._entities(home, thing_id, areas.get(home.area))
            events += [
                CaseEvent(
                    key=consent_key(thing_id, what), kind=KIND, action="open", name=KIND, time=now, thing=thing_id,
                    values={"what": what}, by=by, access="personal",
                )
                for what in home.agrees
            ]  # fmt: skip
        entries = [Entry(RecordKind.ENTITIES, puts(entities))]
        entries += [Entry(RecordKind.CASE, msgspec.msgpack.encode(event)) for event in events]
        self._store.submit(Transaction(entries)).result()
        return ids

    def _entities(self, home: NewHome, thing_id: int, area: int | None) -> list[Entity]:
        location_ids: tuple[int, ...] = ()
        made: list[Entity] = []
        if home.point is not None:
            location_ids = (self._store.new_id(EntityType.LOCATION),)
            geometry = {"type": "Point", "coordinates": list(home.point)}
            made.append(Location(id=location_ids[0], name=home.person, location=geometry))
        made.append(Thing(id=thing_id, name=home.person, location_ids=location_ids, properties=home.properties()))
        if area is not None:
            for kind, start, end in (("served_by", thing_id, area), ("serves", area, thing_id)):
                new = self._store.new_id(EntityType.RELATION)
                made.append(Relation(id=new, kind=kind, from_id=start, to_id=end))
        for device in home.devices:
            keys = [(device.device, key) for key in device.properties]
            made += self._book.streams_of(thing_id, keys)[1]
        return made


def check_home(home: NewHome) -> None:
    """Raises BadInput, naming the home and what is wrong."""
    where = f"home of gateway {home.gateway!r}"
    for device in home.devices:
        for key in device.properties:
            if key not in HOME_PROPERTIES:
                raise BadInput(
                    f"{where}, device {device.device!r}: property {key!r} is not known; known are "
                    f"{', '.join(HOME_PROPERTIES)}",
                    reason="property",
                )
    contacts = [contact.id for contact in home.contacts]
    if len(set(contacts)) < len(contacts):
        raise BadInput(f"{where}: two contacts have the same id", reason="contact")
    may_be = {*HOME_PROPERTIES, *contacts, MEDICAL_NOTE}
    for what in home.agrees:
        if what not in may_be:
            raise BadInput(
                f"{where} agrees to {what!r}, which is no property, no contact of this home and not {MEDICAL_NOTE}",
                reason="consent",
            )
    if home.point is not None and not (-180 <= home.point[0] <= 180 and -90 <= home.point[1] <= 90):
        raise BadInput(f"{where}: point {home.point} is not (lon, lat) in degrees", reason="point")
