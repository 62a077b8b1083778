"""A real store in a folder of the test, and the real app over it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dongne.model.city import CityConfig
from dongne.model.times import to_us
from dongne.model.who import ANYBODY, BENCH, Who
from dongne.runtime.intake import Intake
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, create_api
from dongne.web.api.context import Asgi
from dongne.web.api.http import token_of

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CITY = CityConfig(id="test", name={"en": "Test"}, zone="UTC", bounds=(0.0, 0.0, 1.0, 1.0))


class StandingClock:
    """A clock that says what the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def now_us(self) -> int:
        return to_us(self.now)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


class Standing:
    """A city that stays for all tests of a file which only read, or write what no other of them asks about: a store is
    most of what such a test takes."""

    def __init__(self, folder: Path) -> None:
        self.store = EmbeddedStore.open(folder, StandingClock())
        self.selector = Selector(self.store, self.store.history)
        self.api = create_api(self.make_context())
        self.client = Client(self.api)

    def make_context(self, **rules: Any) -> ApiContext:
        """A context over the store, with some of its rules changed."""
        given = {"store": self.store, "city": CITY, "intake": Intake(self.store), "select": self.selector, **rules}
        return ApiContext(**given)

    def close(self) -> None:
        self.client.close()
        self.selector.close()
        self.store.close()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """With nothing in it."""
    opened = Standing(tmp_path_factory.mktemp("standing") / "store")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lit(standing: Standing) -> Standing:
    """With LAMP."""
    standing.client.create("Things", LAMP)
    return standing


@pytest.fixture
def store(tmp_path: Path, clock: StandingClock) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "store", clock)
    yield opened
    opened.close()


@pytest.fixture
def selector(store: EmbeddedStore) -> Iterator[Selector]:
    found = Selector(store, store.history)
    yield found
    found.close()


@pytest.fixture
def make_context(store: EmbeddedStore, selector: Selector) -> Callable[..., ApiContext]:
    """A context over the test's store, with some of its rules changed."""

    def make(**rules: Any) -> ApiContext:
        given = {"store": store, "city": CITY, "intake": Intake(store), "select": selector, **rules}
        return ApiContext(**given)

    return make


def who_has(token: str) -> Callable[[dict[str, Any]], Who]:
    """Whoever brings this token may do everything, everybody else only reads."""
    return lambda scope: BENCH if token_of(scope) == token else ANYBODY


@pytest.fixture
def api(make_context: Callable[..., ApiContext]) -> Asgi:
    return create_api(make_context())


class Client:
    """Requests to the app, each whole, from code that is not asynchronous."""

    def __init__(self, app: Asgi) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=True)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://city.test") as client:
                return await client.request(method, path, **more)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(30)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def json(self, path: str, **options: str) -> Any:
        """The document at a path below the service root; options without their $."""
        response = self.get(f"/v1.1/{path}", params={f"${name}": value for name, value in options.items()})
        assert response.status_code == 200, response.text
        return response.json()

    def create(self, path: str, document: Any) -> int:
        """The id of the new entity."""
        response = self.post(f"/v1.1/{path}", json=document)
        assert response.status_code == 201, response.text
        return int(response.headers["location"].rpartition("(")[2].rstrip(")"))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def client_of() -> Iterator[Callable[[Asgi], Client]]:
    """A client of an app that the test makes."""
    opened: list[Client] = []

    def make(app: Asgi) -> Client:
        opened.append(Client(app))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def client(api: Asgi) -> Iterator[Client]:
    opened = Client(api)
    yield opened
    opened.close()


Stream = Callable[[str], Awaitable[AsyncIterator[str]]]

LAMP: dict[str, Any] = {
    "name": "Lamp 7",
    "description": "At the corner",
    "properties": {"kind": "street_lamp", "height_m": 6.5, "tags": {"owner": "city"}, "lit": True},
    "Locations": [
        {
            "name": "Corner",
            "description": "",
            "encodingType": "application/vnd.geo+json",
            "location": {"type": "Point", "coordinates": [24.94, 60.17]},
        }
    ],
    "Datastreams": [
        {
            "name": "Light of lamp 7",
            "description": "How bright it is set",
            "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
            "unitOfMeasurement": {"name": "percent", "symbol": "%", "definition": "http://unitsofmeasure.org/%"},
            "ObservedProperty": {"name": "light_level", "definition": "https://example.org/light", "description": ""},
            "Sensor": {"name": "Driver", "description": "", "encodingType": "text/plain", "metadata": "D4i"},
            "Observations": [
                {"phenomenonTime": "2026-04-30T20:00:00Z", "result": 30},
                {"phenomenonTime": "2026-04-30T21:00:00Z", "result": 80.5},
            ],
        },
        {
            "name": "Presence at lamp 7",
            "unitOfMeasurement": {"name": None, "symbol": None, "definition": None},
            "ObservedProperty": {"name": "anything", "definition": "https://example.org/any"},
            "Sensor": {"name": "Radar", "encodingType": "text/plain", "metadata": {"model": "R1"}},
        },
    ],
}


@pytest.fixture
def lamp(client: Client) -> int:
    """A Thing with a Location and two Datastreams, the first with two Observations."""
    return client.create("Things", LAMP)
