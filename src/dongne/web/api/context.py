"""What the API is given by whoever composes the city."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.scaip import ScaipStatus
from dongne.adapters.webhooks import Webhooks
from dongne.methods.intervals import Grouping
from dongne.model.access import PUBLIC, Sight
from dongne.model.city import CityConfig
from dongne.model.home import NewHome
from dongne.model.records import ObservationExtra
from dongne.model.who import BENCH, Audit, Who, unwritten
from dongne.runtime.care_check import Gap
from dongne.runtime.desk import TaskDesk
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Lane, Store
from dongne.standards.sensorthings.query import Page, Query, ResourcePath, Row
from dongne.web.api.rates import Rates

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Door(Protocol):
    """The quick way in for single Observations."""

    def append(
        self, datastream: int, time_us: int, result: float, extra: ObservationExtra | None = None, token: Any = None
    ) -> None:
        """Queues it; the token comes back with the number. Raises RetryLater when the queue is full."""


class ApiStore(Store, Protocol):
    """A store with a quick way in."""

    def open_door(self, on_commit: Callable[[list[Any], int, Exception | None], None], lane: Lane = ...) -> Door:
        """`on_commit(tokens, first, error)` once per commit, in the writer's thread."""


class Select(Protocol):
    """Who answers queries."""

    def select(self, path: ResourcePath, query: Query, sight: Sight = PUBLIC) -> Page | Row:
        """A Page for a set, a Row for one entity, of what this sight reaches. Raises NotFound, BadInput, RetryLater."""

    def slices(self, path: ResourcePath, query: Query, sight: Sight = PUBLIC) -> Iterator[Page]:
        """All of a set, a page at a time, whatever comes meanwhile."""

    def by_interval(self, datastreams: Sequence[int], start_us: int, end_us: int, grouping: Grouping, most: int) -> Any:
        """An Arrow table: datastream, start, end and the values of each interval of [start, end). Raises BadInput beyond
        `most` rows, RetryLater where it takes too long."""

    def all_of(self, datastreams: Sequence[int], start_us: int, end_us: int, slice_rows: int) -> Iterator[Any]:
        """Arrow tables of all Observations of [start, end), in order and at least one: datastream, phenomenonTime,
        phenomenonTimeEnd, result, other, id."""

    def is_quick(self, path: ResourcePath, query: Query) -> bool:
        """Whether the answer takes no longer than a thread switch."""


class Homes(Protocol):
    """The homes of a city, as this interface needs them."""

    gateways: GatewayDesk

    def add(self, homes: Sequence[NewHome], by: str) -> list[int]:
        """The ids of new homes. Raises BadInput."""

    def list_gaps(self) -> list[Gap]:
        """What keeps a sensor that life may depend on from reaching a human."""

    def verify(self) -> Any:
        """Whether what is kept is as it was written: records, the hash of the last, and what is wrong."""

    def status(self) -> dict[str, Any]:
        """How it is doing; counts that name nobody."""

    def withdraw(self, gateway: str) -> int:
        """The home of this gateway is gone, and nobody can read any more what was kept of it. Raises NotFound."""


def address_of(scope: Scope) -> str:
    """Scheme and host as the client spelled them; where there is no plain Host header, the socket's own."""
    for name, value in scope["headers"]:
        if name == b"host" and _is_plain(value):
            return f"{scope.get('scheme', 'http')}://{value.decode()}"
    host, port = scope.get("server") or ("localhost", None)
    return f"{scope.get('scheme', 'http')}://{host}" + (f":{port}" if port else "")


_HOST_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_")


def _is_plain(host: bytes) -> bool:
    return 0 < len(host) <= 255 and _HOST_BYTES.issuperset(host)


def on_the_bench(scope: Scope) -> Who:
    """Writes are open, and only open data can be seen."""
    return BENCH


def without_mqtt() -> dict[str, Any]:
    """There is no MQTT here."""
    return {}


@dataclass(frozen=True)
class ApiContext:
    """A city's store and rules for the API.

    `public_url(scope)` is scheme and host without a slash at the end; `who_of(scope)` is who asks (raises NotKnown for a
    token that does not hold); `rates` says how much they may; `audit(who, changed)` writes down what was changed, as (put, remove or correct, type, id). `desk`
    takes Tasks, the same for all ways in.
    `max_body_bytes` is the longest body read; `heartbeat_s` seconds lie between the comments that keep an event stream
    open; `mqtt()` is how each way of MQTT is doing, `scaip()` the server for gateways, and `mqtt_endpoints` where its clients connect; `outboxes()` how each outbox is; `event_queue` events wait for a slow listener before it is dropped.
    """

    store: ApiStore
    city: CityConfig
    intake: Intake
    select: Select
    public_url: Callable[[Scope], str] = address_of
    who_of: Callable[[Scope], Who] = on_the_bench
    max_body_bytes: int = 20 << 20
    heartbeat_s: float = 15.0
    event_queue: int = 1_000
    max_listeners: int = 1_000
    max_waiting_reads: int = 64
    version: str = ""
    audit: Audit = unwritten
    desk: TaskDesk | None = None
    mqtt: Callable[[], dict[str, Any]] = without_mqtt
    mqtt_endpoints: tuple[str, ...] = ()
    rates: Rates = field(default_factory=Rates)
    webhooks: Webhooks | None = None
    homes: Homes | None = None
    scaip: Callable[[], ScaipStatus] | None = None
    outboxes: Callable[[], dict[str, Any]] = without_mqtt
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # (what, status) -> how many
