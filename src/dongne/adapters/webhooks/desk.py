"""What people do with webhooks: make, look at, pause, take away; see what arrived and what was given up."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

import msgspec

from dongne.adapters.webhooks.address import read_url
from dongne.adapters.webhooks.post import Came
from dongne.adapters.webhooks.sender import Rules, Sender
from dongne.model.access import Access
from dongne.model.errors import BadInput, Conflict, NotAllowed, NotFound
from dongne.model.who import Right, Who
from dongne.runtime.ports import Store
from dongne.runtime.webhooks import (
    ACCESSES,
    ACTIVE,
    MOST_ATTEMPTS,
    PAUSED,
    Attempt,
    Choice,
    DeadLetter,
    Webhook,
    WebhookBook,
)
from dongne.standards.webhooks import secret_text

MOST_WEBHOOKS = 100
LONGEST_NAME = 100
SECRET_BYTES = 32
OLD_SECRET_S = 86_400


class Owners(Protocol):
    """Who stands behind a webhook."""

    def name_of(self, who: Who) -> str:
        """What is kept of who made one. Raises NotAllowed for whoever can't be found again."""

    def find(self, owner: str) -> Who | None:
        """Who that is now; None where their token holds no more."""


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for. `after`: begin behind this number of the sequence; now where it is left out."""

    url: str
    name: str = ""
    events: tuple[str, ...] = ("observations",)
    datastreams: tuple[int, ...] = ()
    things: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    access: str = "public"
    attempts: int = MOST_ATTEMPTS
    after: int | None = None


class Webhooks:
    """All of a city's webhooks. Everybody sees and changes their own; who may issue tokens, all."""

    def __init__(self, store: Store, book: WebhookBook, owners: Owners, rules: Rules, city: str) -> None:
        self._store, self._book, self._owners, self.rules = store, book, owners, rules
        self._sender = Sender(store, book, owners.find, rules, city)
        self.start = self._sender.start
        self.counts: Callable[[], dict[str, float]] = book.counts

    def close(self) -> None:
        """Stops sending, and lets go of the book."""
        self._sender.close()
        self._book.close()

    def create(self, who: Who, asked: NewWebhook) -> tuple[Webhook, str]:
        """The webhook and its secret, which is never shown again. Raises BadInput, NotAllowed."""
        who.must(Right.WEBHOOK)
        choice = Choice(asked.events, asked.datastreams, asked.things, asked.properties, asked.kinds, asked.services)
        choice.check()
        read_url(asked.url, inside=self.rules.inside)
        head = self._store.head()
        after = head if asked.after is None else asked.after
        if not 1 <= asked.attempts <= 100:
            raise BadInput(f"attempts {asked.attempts} lie out of 1 to 100", reason="webhook")
        if not 0 <= after <= head:
            raise BadInput(f"after {after} lies out of 0 to {head}, the end of the sequence", reason="webhook")
        if asked.access not in ACCESSES:
            raise BadInput(f"access is {', '.join(ACCESSES)}, not {asked.access[:40]!r}", reason="webhook")
        if Access[asked.access.upper()] > who.sight.most:
            raise NotAllowed(f"you may not see what is {asked.access}, so no webhook of yours sends it", reason="right")
        if len(self._book.list_all()) >= MOST_WEBHOOKS:
            raise Conflict(f"there are {MOST_WEBHOOKS} webhooks; delete one first", reason="webhook")
        secret = secrets.token_bytes(SECRET_BYTES)
        made = Webhook(
            id=0, uid=secrets.token_hex(6), name=(asked.name.strip() or asked.url)[:LONGEST_NAME], url=asked.url,
            choice=choice, access=asked.access, owner=self._owners.name_of(who), attempts=asked.attempts, state=ACTIVE,
            why="", created_us=time.time_ns() // 1000, position=after, batch=None, deliveries=0, events=0, failures=0,
        )  # fmt: skip
        webhook = self._book.add(made, secret)
        self._sender.changed()
        return self.get(who, webhook), secret_text(secret)

    def list_for(self, who: Who) -> list[Webhook]:
        """Those that this one may see. Raises NotAllowed."""
        who.must(Right.WEBHOOK)
        return [self._as_of_now(webhook) for webhook in self._book.list_all() if self._is_for(who, webhook)]

    def get(self, who: Who, webhook: int) -> Webhook:
        """Raises NotFound, also for one of somebody else."""
        who.must(Right.WEBHOOK)
        found = self._book.find(webhook)
        if found is None or not self._is_for(who, found):
            raise NotFound(f"there is no webhook {webhook}", reason="webhook")
        return self._as_of_now(found)

    def _as_of_now(self, webhook: Webhook) -> Webhook:
        return msgspec.structs.replace(webhook, position=self._sender.looked_up_to(webhook))

    def _is_for(self, who: Who, webhook: Webhook) -> bool:
        return (who.is_known and who.may(Right.TOKEN)) or webhook.owner == self._owners.name_of(who)

    def pause(self, who: Who, webhook: int) -> None:
        """Nothing is sent; nothing is lost."""
        self.get(who, webhook)
        self._book.set_state(webhook, PAUSED)
        self._sender.changed()

    def resume(self, who: Who, webhook: int) -> None:
        """It goes on where it was, at once."""
        self.get(who, webhook)
        self._book.set_state(webhook, ACTIVE)
        self._sender.changed()

    def delete(self, who: Who, webhook: int) -> None:
        """With its dead letters."""
        self.get(who, webhook)
        self._book.remove(webhook)
        self._sender.changed()

    def test(self, who: Who, webhook: int) -> "Future[Came]":
        """What the receiver says to a test."""
        return self._sender.test(self.get(who, webhook))

    def renew_secret(self, who: Who, webhook: int) -> str:
        """A new secret; both sign for a day, so that the receiver can change over."""
        self.get(who, webhook)
        secret = secrets.token_bytes(SECRET_BYTES)
        self._book.renew_secret(webhook, secret, time.time_ns() // 1000 + OLD_SECRET_S * 1_000_000)
        return secret_text(secret)

    def list_attempts(self, who: Who, webhook: int) -> list[Attempt]:
        """Newest first."""
        self.get(who, webhook)
        return self._book.list_attempts(webhook)

    def list_dead_letters(self, who: Who, webhook: int) -> list[DeadLetter]:
        """Oldest first."""
        self.get(who, webhook)
        return self._book.list_dead_letters(webhook)

    def resend(self, who: Who, webhook: int, letter: int) -> None:
        """The dead letter is sent once more. Raises NotFound, Conflict."""
        if self.get(who, webhook).state != ACTIVE:
            raise Conflict(f"webhook {webhook} sends nothing now; resume it first", reason="webhook")
        found = next((one for one in self._book.list_dead_letters(webhook) if one.id == letter), None)
        if found is None:
            raise _no_letter(webhook, letter)
        if found.last > self._store.head():
            raise Conflict(
                f"dead letter {letter} is of numbers up to {found.last}, and the sequence ends at {self._store.head()}: it is "
                "from before the city was restored; dismiss it",
                reason="webhook",
            )
        if not self._book.ask_again(webhook, letter):
            raise _no_letter(webhook, letter)
        self._sender.changed()

    def dismiss(self, who: Who, webhook: int, letter: int) -> None:
        """The dead letter need not be sent. Raises NotFound."""
        self.get(who, webhook)
        if not self._book.dismiss(webhook, letter):
            raise _no_letter(webhook, letter)


def _no_letter(webhook: int, letter: int) -> NotFound:
    return NotFound(f"webhook {webhook} has no dead letter {letter}", reason="webhook")
