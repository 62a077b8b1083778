"""Webhooks: who gets what of the sequence by POST, in which batches, and when it is tried again.

The sequence is the memory: a webhook keeps its position and the extent of the batch under way, so nothing of what is
sent lies anywhere else, and what its owner may see is worked out when it is sent. A batch is the numbers first..last;
its message id says so, and is the same at every attempt, also after a restart.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from dongne.model.access import Access, Sight
from dongne.model.errors import BadInput
from dongne.model.times import format_instant, from_us
from dongne.model.who import Who
from dongne.runtime.ports import Store
from dongne.runtime.wanted import Told, Wanted, WantedAll, WantedCases, WantedObservations, WantedTasks, records_after

ACTIVE, PAUSED, STOPPED = "active", "paused", "stopped"
DELIVERED, FAILED, DEAD = "delivered", "failed", "dead"
EVENTS = ("observations", "cases", "tasks")
ACCESSES = tuple(access.name.lower() for access in Access)
MOST_EVENTS = 500  # in one delivery
READ_RECORDS = 50  # at once
READ_TURNS = 20  # without an event, before the position is looked at again
MOST_ATTEMPTS = 55  # about two days
MOST_LETTERS = 200  # dead letters of a webhook; then it stops
FIRST_WAIT_S, FACTOR, LONGEST_WAIT_S = 5.0, 3.0, 3_600.0


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a webhook is about; where nothing is chosen, all of its events."""

    events: tuple[str, ...] = ("observations",)
    datastreams: tuple[int, ...] = ()
    things: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # of cases
    services: tuple[str, ...] = ()  # that cases and Tasks come from

    def check(self) -> None:
        """Raises BadInput."""
        unknown = [name for name in self.events if name not in EVENTS]
        if unknown or not self.events:
            raise BadInput(f"events are {', '.join(EVENTS)}; {unknown or 'none'} was asked for", reason="webhook")

    def wanted(self, store: Store, sight: Sight) -> Wanted:
        """What is told of it to this sight."""
        graph, things, services = store.graph, set(self.things), set(self.services)
        parts: list[Wanted] = []
        if "observations" in self.events:
            parts.append(WantedObservations(graph, set(self.datastreams), things, set(self.properties), sight))
        if "cases" in self.events:
            parts.append(WantedCases(store, set(self.kinds), things, services, sight))
        if "tasks" in self.events:
            parts.append(WantedTasks(graph, things, services, sight))
        return WantedAll(parts)


class Batch(msgspec.Struct, frozen=True):
    """The numbers of one delivery, and how often it was tried; not again before `next_us`."""

    first: int
    last: int
    events: int
    attempts: int = 0
    began_us: int = 0
    next_us: int = 0


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription. `uid` is in its messages' ids; `owner` is whose sight holds; `access` the closest class it ever
    sends. `state` is active, paused (by somebody) or stopped (`why`: gone, owner)."""

    id: int
    uid: str
    name: str
    url: str
    choice: Choice
    access: str
    owner: str
    attempts: int
    state: str
    why: str
    created_us: int
    position: int
    batch: Batch | None
    deliveries: int
    events: int
    failures: int
    dead_letters: int = 0

    def sight(self, owner: Who) -> Sight:
        """What it may be told: up to its own class, and no more than its owner may see."""
        most = Access(min(owner.sight.most, Access[self.access.upper()]))
        return Sight(most, owner.sight.things if most is not Access.PUBLIC else frozenset())


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that was given up; it is sent again where somebody asks (`again`)."""

    id: int
    webhook: int
    message: str
    first: int
    last: int
    events: int
    attempts: int
    died_us: int
    error: str
    again: bool = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver: `status` is the receiver's, 0 where it gave none."""

    message: str
    first: int
    last: int
    events: int
    attempt: int
    at_us: int
    took_ms: int
    status: int
    outcome: str
    error: str


class WebhookBook(Protocol):
    """Where webhooks are kept; durable when a call returns. Any thread may ask."""

    def add(self, webhook: Webhook, secret: bytes) -> int:
        """Its id."""

    def find(self, webhook: int) -> Webhook | None:
        """None where it is gone."""

    def list_all(self) -> list[Webhook]:
        """By id."""

    def remove(self, webhook: int) -> None:
        """With its dead letters and the notes on its deliveries."""

    def set_state(self, webhook: int, state: str, why: str = "") -> None:
        """The batch under way is due at once when it goes on."""

    def secrets(self, webhook: int, now_us: int) -> tuple[bytes, ...]:
        """The secret, and the one before while that still holds."""

    def renew_secret(self, webhook: int, secret: bytes, old_until_us: int) -> None:
        """Both hold until then."""

    def begin(self, webhook: int, batch: Batch) -> None:
        """The batch that is sent from now on."""

    def advance(self, webhook: int, position: int) -> None:
        """Nothing for it up to here."""

    def delivered(self, webhook: int, attempt: Attempt) -> None:
        """The batch is with the receiver; the position goes on behind it."""

    def failed(self, webhook: int, attempt: Attempt, batch: Batch) -> None:
        """It is tried again, as the batch says."""

    def given_up(self, webhook: int, attempt: Attempt) -> None:
        """The batch becomes a dead letter, and the next one is sent."""

    def list_attempts(self, webhook: int, limit: int = 50) -> list[Attempt]:
        """Newest first."""

    def list_dead_letters(self, webhook: int) -> list[DeadLetter]:
        """Oldest first."""

    def ask_again(self, webhook: int, letter: int) -> bool:
        """Whether the letter is there; it is sent again."""

    def find_asked(self, webhook: int) -> DeadLetter | None:
        """The oldest letter that somebody asked to be sent again."""

    def resent(self, webhook: int, letter: int, attempt: Attempt) -> None:
        """What came of it: a delivered one is none any more."""

    def dismiss(self, webhook: int, letter: int) -> bool:
        """Whether the letter was there; somebody decided that it need not be sent."""

    def close(self) -> None:
        """Lets go of it."""

    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page."""


def message_id(webhook: Webhook, first: int, last: int) -> str:
    """The same at every attempt of these numbers (Standard Webhooks, "Webhook metadata"); it has no full stop."""
    return f"msg_{webhook.uid}_{first}_{last}"


def wait_s(message: str, attempts: int, asked_s: float = 0.0) -> float:
    """How long after so many attempts the next one comes: longer each time up to an hour, between 3/4 and 5/4 of that by
    the message's own hash, so that not all come back at once; not sooner than the receiver asked, but within a day."""
    plain_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * FACTOR ** (max(1, attempts) - 1)) if attempts < 20 else LONGEST_WAIT_S
    digest = hashlib.sha256(f"{message}.{attempts}".encode()).digest()
    share = 0.75 + 0.5 * int.from_bytes(digest[:4], "big") / 0xFFFFFFFF
    return max(plain_s * share, min(asked_s, 86_400.0))


class Gathered(msgspec.Struct, frozen=True):
    """Events ready to be sent, everything up to the number `last` having been looked at; `at_us` of the last record."""

    events: list[dict[str, Any]]
    last: int
    at_us: int


def gather(store: Store, wanted: Wanted, after: int) -> Gathered:
    """The next events after a number; none where there are none in the next many records."""
    events: list[dict[str, Any]] = []
    last, at_us = after, 0
    for _ in range(READ_TURNS):
        before = last
        for record in records_after(store, last, READ_RECORDS):
            told = wanted.told(record, None, last, MOST_EVENTS - len(events))
            events += _events(told)
            at_us = record.at_us
            if len(events) >= MOST_EVENTS:
                return Gathered(events, told[-1][0], at_us)
            last = record.last
        if last == before or events:
            break
    return Gathered(events, last, at_us)


def gather_again(store: Store, wanted: Wanted, first: int, last: int) -> Gathered:
    """The events of these numbers, as far as they may be told now."""
    events: list[dict[str, Any]] = []
    after, at_us = first - 1, 0
    while after < last:
        before = after
        for record in records_after(store, after, READ_RECORDS):
            if record.number > last:
                return Gathered(events, last, at_us)
            events += _events([told for told in wanted.told(record, None, after) if told[0] <= last])
            after, at_us = record.last, record.at_us
        if after == before:
            break
    return Gathered(events, last, at_us)


def _events(told: Sequence[Told]) -> list[dict[str, Any]]:
    return [{"number": number, "event": name, "data": document} for number, name, document in told]


def body_of(webhook: Webhook, city: str, first: int, gathered: Gathered) -> dict[str, Any]:
    """What is sent (Standard Webhooks, "Payload structure")."""
    return {
        "type": "records.stored",
        "timestamp": format_instant(from_us(gathered.at_us)),
        "data": {
            "city": city,
            "webhook": webhook.id,
            "first": first,
            "last": gathered.last,
            "events": gathered.events,
        },
    }


def shown(webhook: Webhook) -> dict[str, Any]:
    """A webhook as the API and pages show it: never its secret."""
    document: dict[str, Any] = msgspec.to_builtins(webhook)
    batch = document.pop("batch")
    del document["uid"]
    document["choice"] = {"events": list(webhook.choice.events), **document["choice"]}
    document["created"] = format_instant(from_us(document.pop("created_us")))
    document["under_way"] = None
    if batch is not None:
        document["under_way"] = {
            "message": message_id(webhook, batch["first"], batch["last"]),
            "first": batch["first"],
            "last": batch["last"],
            "events": batch["events"],
            "attempts": batch["attempts"],
            "next": format_instant(from_us(batch["next_us"])),
        }
    return document


def shown_times(rows: Sequence[msgspec.Struct]) -> list[dict[str, Any]]:
    """Attempts or dead letters as the API shows them."""
    found = []
    for row in rows:
        document: dict[str, Any] = msgspec.to_builtins(row)
        for name in ("at_us", "died_us"):
            if name in document:
                document[name.removesuffix("_us")] = format_instant(from_us(document.pop(name)))
        found.append(document)
    return found
