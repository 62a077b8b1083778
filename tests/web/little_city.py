"""A little city over a real store with real services: three bins, two lamps, a footway counted elsewhere, a car park, and a
service that fails at every value it reads."""

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

from dongne.adapters.osm_places import read_places
from dongne.adapters.osm_walking import read_walk_network
from dongne.adapters.webhooks import Rules, Webhooks
from dongne.compose.guard import Guard
from dongne.compose.hooks import TokenOwners
from dongne.compose.opened import RunOptions
from dongne.methods.place_search import PlaceSearch
from dongne.model.access import Veil
from dongne.model.cases import CaseEvent
from dongne.model.city import CityConfig
from dongne.model.entities import Datastream, Entity, Location, Property, Sensor, Thing, Unit, put
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.model.who import BENCH as ANYONE
from dongne.runtime.answer import Layers
from dongne.runtime.answering import AnswerDesk
from dongne.runtime.declared import declare
from dongne.runtime.host import RuntimeHost
from dongne.runtime.intake import Intake
from dongne.runtime.manifest import SERVICES, Manifest, PropertyEntry
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedService, load_all
from dongne.runtime.service import City, Emission, Result, Service, on
from dongne.stores.access import AccessBook
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.stores.webhooks import WebhookFile
from dongne.web.api import ApiContext, create_api
from dongne.web.app import create_app
from dongne.web.context import WebContext
from dongne.web.texts import Texts

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday, 14:00 in Helsinki
EVIL = "<script>alert(1)</script>"
CONFIG = CityConfig(
    id="little", name={"ko": "작은 동네", "en": "Little town"}, zone="Europe/Helsinki",
    bounds=(24.93, 60.16, 24.95, 60.18), attribution="© nobody",
)  # fmt: skip
MOVED = {"lat": 0.17, "lon": -0.063}
BIN, FULL_BIN, EVIL_BIN, LAMP, DARK_LAMP, FOOTWAY, CAR_PARK, BENCH = range(1, 9)
BIN_LEVEL, FULL_LEVEL, EVIL_LEVEL, LAMP_LIGHT, LAMP_PRESENCE, DARK_LIGHT, PEOPLE, PARKING, FAILING = range(1, 10)
AT_BINS = (BIN_LEVEL, FULL_LEVEL, EVIL_LEVEL)
THINGS = {
    BIN: ("waste_basket", "Waste basket, Kaivokatu 1", "휴지통, Kaivokatu 1"),
    FULL_BIN: ("waste_basket", "Waste basket, Kaivokatu 2", "휴지통, Kaivokatu 2"),
    EVIL_BIN: ("waste_basket", EVIL, EVIL),
    LAMP: ("street_lamp", "Street lamp, Vuorikatu 3", "가로등, Vuorikatu 3"),
    DARK_LAMP: ("street_lamp", "Street lamp, Vuorikatu 5", "가로등, Vuorikatu 5"),
    FOOTWAY: ("footway", "Kaisaniemi walk", "카이사니에미 산책로"),
    CAR_PARK: ("car_park", "Car park Centre", "중앙 주차장"),
    BENCH: ("bench", "Bench", "벤치"),
}
ELSEWHERE = {
    "what": "counter 7",
    "where": "Auckland",
    "licence": "CC-BY-4.0",
    "attribution": "Heart of the City",
    "rehomed": True,
}
STREAMS = {
    BIN_LEVEL: (BIN, "fill_level", "%", {"simulated": True, "simulator": "smart_bins", "parameters": {"seed": 7}}),
    FULL_LEVEL: (FULL_BIN, "fill_level", "%", {"interval_s": 900}),
    EVIL_LEVEL: (EVIL_BIN, "fill_level", "%", {}),
    LAMP_LIGHT: (LAMP, "light_level", "%", {"simulated": True}),
    LAMP_PRESENCE: (LAMP, "presence", "1", {"simulated": True}),
    DARK_LIGHT: (DARK_LAMP, "light_level", "%", {"interval_s": 600}),
    PEOPLE: (FOOTWAY, "pedestrians", "{person}/h", {"origin": ELSEWHERE, "interval_s": 3600}),
    PARKING: (CAR_PARK, "parking_occupancy", "%", {}),
    FAILING: (BENCH, "sitting", "1", {}),
}
SITTING = ObservedProperty("sitting", "1", 0.0, 1.0)
SEATS = ObservedProperty("seats", "1", 0.0, 1.0)


@dataclass(frozen=True)
class NoSettings:
    pass


@dataclass
class Nothing:
    pass


class Breaker(Service[NoSettings, Nothing]):
    """Says what it may not say, and so is parked wherever it reads a 0."""

    emits = (SEATS,)

    @on(SITTING)
    def sat(self, obs: Observation, state: Nothing, city: City) -> Iterator[Emission]:
        yield Result(SEATS, 1.0 if obs.result else 17.0)


def breaker() -> LoadedService:
    manifest = Manifest(
        id="breaker", area="test", origin="test", privacy="public", owner="test", maturity="lab",
        properties={p.key: PropertyEntry(p.unit, p.low, p.high) for p in (SITTING, SEATS)},
    )  # fmt: skip
    return LoadedService(manifest, declare("breaker", Breaker, manifest, []))


@cache
def read_layers() -> Layers:
    """What people walk on, and what it is called: the town of calm_walk's example, moved to where the Things are."""
    town = (SERVICES / "calm_walk/example/town.osm").read_text(encoding="utf-8")
    moved = re.sub(r'(lat|lon)="([0-9.]+)"', lambda at: f'{at[1]}="{float(at[2]) + MOVED[at[1]]:.5f}"', town)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "town.osm"
        file.write_text(moved, encoding="utf-8")
        return {"walk_network": read_walk_network(file), "places": PlaceSearch(read_places(file))}


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.us = to_us(NOW)

    def now_us(self) -> int:
        return self.us


def list_entities() -> list[Entity]:
    keys = sorted({key for _, key, _, _ in STREAMS.values()})
    found: list[Entity] = [Property(id=i, name=key) for i, key in enumerate(keys, 1)]
    found.append(Sensor(id=1, name="probe"))
    for thing, (kind, name, korean) in THINGS.items():
        point = {"type": "Point", "coordinates": [24.938 + thing * 0.0006, 60.17]}
        found.append(Location(id=thing, name=name, location=point))
        properties = {"kind": kind, "name_ko": korean, "source_id": f"osm:node/{thing}"}
        found.append(Thing(id=thing, name=name, properties=properties, location_ids=(thing,)))
    outline = [[24.938, 60.168], [24.94, 60.168], [24.94, 60.169], [24.938, 60.168]]
    found.append(Location(id=90, name="house", location={"type": "Polygon", "coordinates": [outline]}))
    found.append(Thing(id=90, name="Building 90", properties={"kind": "building", "levels": 5}, location_ids=(90,)))
    for stream, (thing, key, unit, properties) in STREAMS.items():
        found.append(
            Datastream(
                id=stream, name=key, unit_of_measurement=Unit(symbol=unit, definition=f"ucum:{unit}"), thing_id=thing,
                sensor_id=1, observed_property_id=1 + keys.index(key), properties=properties,
            )
        )  # fmt: skip
    return found


def people_at(hour: datetime) -> float:
    """A week that repeats: a bell over the day, fewer on Sundays."""
    return (600 - 40 * abs(hour.hour - 13)) * (0.5 if hour.weekday() == 6 else 1.0)


class LittleCity:
    """The city with its services running; `wait` for what they say."""

    def __init__(self, folder: Path, **rules: Any) -> None:
        self.clock = HandClock()
        self.store = EmbeddedStore.open(folder, self.clock)
        body = msgspec.msgpack.encode([put(e) for e in list_entities()])
        self.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
        services, answers = load_all(["smart_bins", "lamp_ahead", "whats_near", "calm_walk", "find_place"])
        self.host = RuntimeHost(self.store, CONFIG, [*services, breaker()], answers, read_layers())
        self.host.start()
        self.host.open()
        self.selector = Selector(self.store, self.store.history)
        self.texts = Texts.load(CONFIG.zone_info, strict=True)
        rules.setdefault("basemap", folder.parent / "map" / "city.pmtiles")  # nobody makes it here
        rules.setdefault("select", self.selector)
        self.guard: Guard | None = None
        more: dict[str, Any] = {}
        if host := rules.pop("guarded_at", ""):  # the address it would listen at
            self.guard = Guard(RunOptions("little", folder, host=host), Veil(self.store.graph))
            rules["gate"] = self.guard
            more = {"who_of": self.guard.who_of, "audit": self.guard.audit}
        self.access = AccessBook(folder)
        owners = TokenOwners(self.access, ANYONE, lambda: True)
        self.webhooks = Webhooks(self.store, WebhookFile(folder), owners, Rules(inside=True, timeout_s=0.2), CONFIG.id)
        self.webhooks.start()
        self.api = ApiContext(self.store, CONFIG, Intake(self.store), self.selector, webhooks=self.webhooks, **more)
        api = create_api(self.api)
        self.answers = AnswerDesk([self.store], b"a secret of the little city, long", lambda: "http://testserver")
        given = {"webhooks": self.webhooks, "status": api.status, "answers": self.answers, **rules}
        self.context = WebContext(self.store, self.host, CONFIG, self.texts, **given)
        self.app = create_app(self.context, api)

    def observe(self, *rows: tuple[int, datetime, float]) -> None:
        """Observations: (Datastream, phenomenonTime, result)."""
        streams, times, values = zip(*rows, strict=True)
        batch = ObservationBatch(
            np.array(streams, np.int32), np.array([to_us(t) for t in times], np.int64), np.array(values, np.float64)
        )
        self.store.submit(Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(rows))])).result()

    def live_a_while(self) -> None:
        """Six weeks of people, a bin that fills up, a lamp that fell silent; then the services have had their say."""
        hours = [NOW - timedelta(hours=h) for h in range(6 * 7 * 24, 0, -1)]
        self.observe(*[(PEOPLE, hour, people_at(hour)) for hour in hours])
        for i in range(12):
            when = NOW - timedelta(minutes=15 * (12 - i))
            self.observe((BIN_LEVEL, when, 20 + i / 4), (FULL_LEVEL, when, 45 + 5 * i), (EVIL_LEVEL, when, 30.0))
        self.observe(
            (LAMP_LIGHT, NOW - timedelta(minutes=1), 30.0), (LAMP_PRESENCE, NOW - timedelta(minutes=1), 0.0),
            (DARK_LIGHT, NOW - timedelta(hours=9), 100.0), (PARKING, NOW - timedelta(minutes=5), 63.0), (FAILING, NOW, 0.0),
        )  # fmt: skip
        self.open_case()
        self.settle()

    def open_case(
        self,
        name: str = "collect",
        values: dict[str, Any] | None = None,
        due: datetime | None = None,
        kind: str = "work_order",
    ) -> int:
        """A work order (or an alert) at the full bin; its id."""
        event = CaseEvent(
            key=f"smart_bins/{FULL_BIN}/{kind}/{name}/by hand", kind=kind, action="open", name=name, time=NOW,
            thing=FULL_BIN, service="smart_bins", values=values or {"level_percent": 95.0}, by="service:smart_bins",
            due=due or NOW + timedelta(hours=2),
        )  # fmt: skip
        receipt = self.store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))])).result()
        return receipt.numbers[0]

    def settle(self) -> None:
        """Waits until the services have handled everything."""
        wait_until(lambda: all(s.lag == 0 for s in self.host.statuses()))

    def close(self) -> None:
        self.webhooks.close()
        self.access.close()
        self.host.close()
        if self.guard is not None:
            self.guard.close()
        self.selector.close()
        self.store.close()


def wait_until(holds: Callable[[], object], within_s: float = 10.0) -> None:
    """Waits for a condition; fails where it does not come true in time."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"did not come true within {within_s} s"
        time.sleep(0.01)


@contextlib.contextmanager
def open_little_city(folder: Path, **rules: Any) -> Iterator[LittleCity]:
    city = LittleCity(folder, **rules)
    try:
        city.live_a_while()
        yield city
    finally:
        city.close()


class Browser:
    """A browser of the simplest kind: it keeps cookies, and follows no redirects."""

    def __init__(self, city: LittleCity, **headers: str) -> None:
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(city.app, client=("127.0.0.1", 50_000))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.get(path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        """With the mark of a form on a page, as a browser sends it along."""
        if "data" in more and "form" not in more["data"]:
            more["data"] = {"form": self.find_mark(), **more["data"]}
        return self._loop.run_until_complete(self._client.post(path, **more))

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """As a program asks."""
        return self._loop.run_until_complete(self._client.request(method, path, **more))

    def find_mark(self) -> str:
        """The mark of the forms on the pages this browser sees."""
        found = re.search(r'name="form" value="([0-9a-f]+)"', self.get("/data").text)
        assert found is not None
        return found[1]

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@contextlib.contextmanager
def visiting(city: LittleCity, role: str = "", name: str = "kim") -> Iterator[Browser]:
    headers = {"accept-language": "en"}
    if role:
        assert city.guard is not None
        token = city.guard.book.issue(f"{role} {name}", role, None, None, "rounds", 1)
        headers["authorization"] = f"Bearer {token}"
    with contextlib.closing(Browser(city, **headers)) as browser:
        yield browser


def open_case(city: LittleCity, once: str, **more: Any) -> int:
    given = {
        "key": f"smart_bins/{FULL_BIN}/{more.get('kind', 'work_order')}/collect/{once}", "kind": "work_order", "action": "open",
        "name": "collect", "time": NOW, "thing": FULL_BIN, "service": "smart_bins", "values": {"level_percent": 95.0}, **more,
    }  # fmt: skip
    body = msgspec.msgpack.encode(msgspec.convert(given, CaseEvent))
    return city.store.submit(Transaction([Entry(RecordKind.CASE, body)])).result().numbers[0]
