"""What a Reception needs of a store, and of the connection a message came by."""

from collections.abc import Callable
from typing import Any, Protocol

from dongne.adapters.mqtt.parcels import Parcel
from dongne.model.errors import DongneError
from dongne.model.records import ObservationExtra
from dongne.model.who import Who
from dongne.runtime.ports import Lane, Store


class Door(Protocol):
    """The quick way in for single Observations."""

    def append(
        self, datastream: int, time_us: int, result: float, extra: ObservationExtra | None = None, token: Any = None
    ) -> None:
        """Queues it; the token comes back with the number. Raises RetryLater when the queue is full."""


class DoorStore(Store, Protocol):
    """A store with a quick way in."""

    def open_door(self, on_commit: Callable[[list[Any], int, Exception | None], None], lane: Lane = ...) -> Door:
        """`on_commit(tokens, first, error)` once per commit, in the writer's thread."""


class Line(Protocol):
    """The connection a message came by. `who` sends, where that is known; None: a broker, which has rules of its own.
    `own`: where it is a set, what came by this connection and has no outcome yet is put there."""

    is_up: bool
    who: Who | None
    own: set[Parcel] | None

    def acknowledge(self, mid: int, refusal: DongneError | None = None) -> None:
        """It need not be sent again; `refusal`: because it will never be taken."""
