"""What the web is given by whoever composes it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from dongne.adapters.sources import Source
from dongne.lab.laboratory import Laboratory
from dongne.model.city import CityConfig
from dongne.runtime.ports import Runtime, Store
from dongne.web.api.context import Select
from dongne.web.texts import Texts

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
NODE_MODULES = Path(__file__).parents[3] / "node_modules"


def is_from_this_machine(request: Request) -> bool:
    """Whether the request comes over the loopback."""
    return request.client is not None and request.client.host in LOOPBACK


@dataclass(frozen=True)
class WebContext:
    """One city, as the pages and the API see it.

    `public_url` is how the outside reaches it ("https://dongne.example"); empty means as the request says. `mqtt` is
    "host:port" of the broker that takes values in, empty where there is none. `speed` is the city's clock against the
    wall clock. `lab` works what-ifs out; without it there are none. `basemap` is where
    the PMTiles file of the map is once it is made. `may_write` decides who may change cases and settings.
    `select` reads what the API reads; without it the catalogue says nothing of completeness. `node_modules` has the front-end packages; where it is missing the pages do without (system font, still charts and
    map).
    """

    store: Store
    runtime: Runtime
    config: CityConfig
    texts: Texts
    public_url: str = ""
    mqtt: str = ""
    speed: float = 1.0
    sources: tuple[Source, ...] = ()
    lab: Laboratory | None = None
    basemap: Path | None = None
    may_write: Callable[[Request], bool] = is_from_this_machine
    select: Select | None = None
    node_modules: Path = NODE_MODULES
