"""What the web is given by whoever composes it."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from dongne.adapters.channels.screen import ScreenBoard
from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.sources import Source
from dongne.adapters.webhooks import Webhooks
from dongne.lab.laboratory import Laboratory
from dongne.lab.simulators.demonstration import Demonstration
from dongne.model.access import Sight
from dongne.model.city import CityConfig
from dongne.model.who import BENCH, Who
from dongne.runtime.answering import AnswerDesk
from dongne.runtime.consents import Consents
from dongne.runtime.ports import Runtime, Store
from dongne.runtime.roster import Roster
from dongne.web.api.context import Select
from dongne.web.api.rates import Rates
from dongne.web.texts import Texts

NODE_MODULES = Path(__file__).parents[3] / "node_modules"
Scope = MutableMapping[str, Any]


class Gate(Protocol):
    """Who comes in, as the pages ask it. `form_key` is what the marks of forms are made with."""

    form_key: bytes

    def who_on_page(self, scope: Scope) -> Who:
        """Who asks for a page, by the token of the Authorization header or of the cookie. Raises NotKnown for one in the
        header that does not hold; one in the cookie that does not hold says nothing."""

    def sign_in(self, token: str, client: str) -> Who | None:
        """Whose token this is, written down; None where it does not hold."""

    def write_down(self, who: Who, what: str, place: str, detail: str = "") -> None:
        """One more entry of the audit log."""

    def note_seen(self, who: Who, what: str, place: str) -> None:
        """The same for what a page shows that fetches itself anew: the same within a minute is one entry."""


class Attachments(Protocol):
    """Where what is attached to Cases is kept, by its SHA-256."""

    def keep(self, body: bytes) -> str:
        """Its SHA-256, once it is durable."""

    def read(self, sha256: str) -> bytes:
        """Raises NotFound."""


class Care(Protocol):
    """A city's homes."""

    @property
    def store(self) -> Store:
        """Where everything about them lies."""

    @property
    def gateways(self) -> GatewayDesk:
        """Where they are heard."""

    @property
    def consents(self) -> Consents:
        """What their people agreed to."""

    @property
    def runtime(self) -> Runtime:
        """The services that act for them."""

    def withdraw(self, gateway: str) -> int:
        """The home of this gateway is gone, with its key. Raises NotFound."""


class OpenGate:
    """Whoever comes may do everything, and sees open data."""

    form_key = b"open"

    def who_on_page(self, scope: Scope) -> Who:
        """Anybody."""
        return BENCH

    def sign_in(self, token: str, client: str) -> Who | None:
        """Nobody has a token here."""
        return None

    def write_down(self, who: Who, what: str, place: str, detail: str = "") -> None:
        """Nobody keeps a log here."""

    def note_seen(self, who: Who, what: str, place: str) -> None:
        """Nobody keeps a log here."""


@dataclass(frozen=True)
class WebContext:
    """One city, as the pages and the API see it.

    `public_url` is how the outside reaches it ("https://dongne.example"); empty means as the request says. `mqtt` is
    "host:port" of the broker that takes values in, empty where there is none. `speed` is the city's clock against the
    wall clock. `lab` works what-ifs out; without it there are none. `basemap` is where
    the PMTiles file of the map is once it is made. `gate` knows who asks, `rates` how much they may.
    `webhooks` are the city's; `status(sight)` is what the API says at /status.
    `homes` is the store of what is known of people in their homes, where the city has one; `attachments` keeps what is attached to Cases; `roster` knows who is on duty.
    `answers` takes what people answer to notices.
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
    select: Select | None = None
    gate: Gate = field(default_factory=OpenGate)
    rates: Rates = field(default_factory=Rates)
    webhooks: Webhooks | None = None
    status: Callable[[Sight], dict[str, Any]] | None = None
    homes: Store | None = None
    care: Care | None = None
    demonstration: Demonstration | None = None
    screens: ScreenBoard = field(default_factory=ScreenBoard)
    link_secret: bytes = b""
    attachments: Attachments | None = None
    roster: Roster = field(default_factory=lambda: Roster({}, {}, ZoneInfo("UTC")))
    answers: AnswerDesk | None = None
    node_modules: Path = NODE_MODULES
