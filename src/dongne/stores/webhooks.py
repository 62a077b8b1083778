"""Webhooks, how far each has come, and what was given up: `webhooks.db` of a city's folder, which only its user can read.

A secret must be used at each delivery, so it lies there as it is; no page or answer shows it again. Of what is sent
nothing lies here: a batch is a range of numbers of the sequence.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from dongne.runtime.webhooks import DELIVERED, Attempt, Batch, Choice, DeadLetter, Webhook

SCHEMA = """
create table if not exists webhooks (
  id integer primary key autoincrement, uid text not null, name text not null, url text not null, choice text not null,
  access text not null, owner text not null, attempts integer not null, state text not null, why text not null,
  created_us integer not null, position integer not null, batch text, deliveries integer not null default 0,
  events integer not null default 0, failures integer not null default 0,
  secret blob not null, old_secret blob, old_until_us integer not null default 0);
create table if not exists attempts (
  number integer primary key, webhook integer not null, message text not null, first integer not null,
  last integer not null, events integer not null, attempt integer not null, at_us integer not null,
  took_ms integer not null, status integer not null, outcome text not null, error text not null);
create index if not exists attempts_of on attempts (webhook, number);
create table if not exists dead_letters (
  id integer primary key autoincrement, webhook integer not null, message text not null, first integer not null,
  last integer not null, events integer not null, attempts integer not null, died_us integer not null,
  error text not null, again integer not null default 0);
create table if not exists totals (name text primary key, value integer not null);
"""
COLUMNS = (
    "id, uid, name, url, choice, access, owner, attempts, state, why, created_us, position, batch, deliveries, events, "
    "failures, (select count(*) from dead_letters d where d.webhook = webhooks.id)"
)
ATTEMPT = "message, first, last, events, attempt, at_us, took_ms, status, outcome, error"
LETTER = "id, webhook, message, first, last, events, attempts, died_us, error, again"
KEPT_ATTEMPTS = 200  # of each webhook


class WebhookFile:
    """See `runtime.webhooks.WebhookBook`."""

    def __init__(self, folder: Path) -> None:
        file = folder / "webhooks.db"
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
        for pragma in ("journal_mode=wal", "synchronous=full"):
            self._connection.execute(f"pragma {pragma}").fetchall()
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._connection.close()

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _together(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    # --- webhooks

    def add(self, webhook: Webhook, secret: bytes) -> int:
        """See WebhookBook."""
        values = (
            webhook.uid, webhook.name, webhook.url, msgspec.json.encode(webhook.choice).decode(), webhook.access,
            webhook.owner, webhook.attempts, webhook.state, webhook.why, webhook.created_us, webhook.position, secret,
        )  # fmt: skip
        with self._together() as connection:
            made = connection.execute(
                "insert into webhooks (uid, name, url, choice, access, owner, attempts, state, why, created_us, position, "
                "secret) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return int(made.lastrowid or 0)

    def find(self, webhook: int) -> Webhook | None:
        """See WebhookBook."""
        found = self._rows(f"select {COLUMNS} from webhooks where id = ?", webhook)
        return _webhook(found[0]) if found else None

    def list_all(self) -> list[Webhook]:
        """See WebhookBook."""
        return [_webhook(row) for row in self._rows(f"select {COLUMNS} from webhooks order by id")]

    def remove(self, webhook: int) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            for table, column in (("webhooks", "id"), ("attempts", "webhook"), ("dead_letters", "webhook")):
                connection.execute(f"delete from {table} where {column} = ?", (webhook,))

    def set_state(self, webhook: int, state: str, why: str = "") -> None:
        """See WebhookBook."""
        with self._together() as connection:
            connection.execute("update webhooks set state = ?, why = ? where id = ?", (state, why, webhook))
            for (body,) in connection.execute(
                "select batch from webhooks where id = ? and batch is not null", (webhook,)
            ).fetchall():
                due = msgspec.structs.replace(msgspec.json.decode(body, type=Batch), next_us=0)
                _keep_batch(connection, webhook, due)

    def secrets(self, webhook: int, now_us: int) -> tuple[bytes, ...]:
        """See WebhookBook."""
        rows = self._rows("select secret, old_secret, old_until_us from webhooks where id = ?", webhook)
        return tuple(s for secret, old, until_us in rows for s in (secret, old if now_us < until_us else None) if s)

    def renew_secret(self, webhook: int, secret: bytes, old_until_us: int) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            connection.execute(
                "update webhooks set old_secret = secret, secret = ?, old_until_us = ? where id = ?",
                (secret, old_until_us, webhook),
            )

    # --- deliveries

    def begin(self, webhook: int, batch: Batch) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            _keep_batch(connection, webhook, batch)

    def advance(self, webhook: int, position: int) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            connection.execute("update webhooks set position = ? where id = ? and batch is null", (position, webhook))

    def delivered(self, webhook: int, attempt: Attempt) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            _note(connection, webhook, attempt)
            connection.execute(
                "update webhooks set position = ?, batch = null, deliveries = deliveries + 1, events = events + ? where id = ?",
                (attempt.last, attempt.events, webhook),
            )
            _add(connection, deliveries=1, events=attempt.events)

    def failed(self, webhook: int, attempt: Attempt, batch: Batch) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            _note(connection, webhook, attempt)
            _keep_batch(connection, webhook, batch)
            connection.execute("update webhooks set failures = failures + 1 where id = ?", (webhook,))
            _add(connection, failures=1)

    def given_up(self, webhook: int, attempt: Attempt) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            _note(connection, webhook, attempt)
            there = connection.execute(
                "update webhooks set position = ?, batch = null, failures = failures + 1 where id = ?",
                (attempt.last, webhook),
            )
            if there.rowcount:
                connection.execute(
                    "insert into dead_letters (webhook, message, first, last, events, attempts, died_us, error) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?)",
                    (webhook, attempt.message, attempt.first, attempt.last, attempt.events, attempt.attempt, attempt.at_us,
                     attempt.error),
                )  # fmt: skip
                _add(connection, failures=1, given_up=1)

    def list_attempts(self, webhook: int, limit: int = 50) -> list[Attempt]:
        """See WebhookBook."""
        sql = f"select {ATTEMPT} from attempts where webhook = ? order by number desc limit ?"
        names = ATTEMPT.split(", ")
        return [Attempt(**dict(zip(names, row, strict=True))) for row in self._rows(sql, webhook, limit)]

    # --- dead letters

    def list_dead_letters(self, webhook: int) -> list[DeadLetter]:
        """See WebhookBook."""
        sql = f"select {LETTER} from dead_letters where webhook = ? order by id"
        return [_letter(row) for row in self._rows(sql, webhook)]

    def ask_again(self, webhook: int, letter: int) -> bool:
        """See WebhookBook."""
        with self._together() as connection:
            sql = "update dead_letters set again = 1 where webhook = ? and id = ?"
            return connection.execute(sql, (webhook, letter)).rowcount > 0

    def find_asked(self, webhook: int) -> DeadLetter | None:
        """See WebhookBook."""
        sql = f"select {LETTER} from dead_letters where webhook = ? and again = 1 order by id limit 1"
        found = self._rows(sql, webhook)
        return _letter(found[0]) if found else None

    def resent(self, webhook: int, letter: int, attempt: Attempt) -> None:
        """See WebhookBook."""
        with self._together() as connection:
            _note(connection, webhook, attempt)
            if attempt.outcome == DELIVERED:
                connection.execute("delete from dead_letters where webhook = ? and id = ?", (webhook, letter))
                connection.execute(
                    "update webhooks set deliveries = deliveries + 1, events = events + ? where id = ?",
                    (attempt.events, webhook),
                )
                _add(connection, deliveries=1, events=attempt.events, resent=1)
                return
            connection.execute(
                "update dead_letters set again = 0, attempts = ?, died_us = ?, error = ? where webhook = ? and id = ?",
                (attempt.attempt, attempt.at_us, attempt.error, webhook, letter),
            )
            _add(connection, failures=1)

    def dismiss(self, webhook: int, letter: int) -> bool:
        """See WebhookBook."""
        with self._together() as connection:
            gone = connection.execute("delete from dead_letters where webhook = ? and id = ?", (webhook, letter))
            if gone.rowcount:
                _add(connection, dismissed=1)
            return gone.rowcount > 0

    def counts(self) -> dict[str, float]:
        """See WebhookBook."""
        found: dict[str, float] = dict.fromkeys(
            ("deliveries", "events", "failures", "given_up", "resent", "dismissed"), 0.0
        )
        found |= {name: float(value) for name, value in self._rows("select name, value from totals")}
        found |= {"active": 0.0, "paused": 0.0, "stopped": 0.0}
        found |= {
            state: float(n)
            for state, n in self._rows("select state, count(*) from webhooks group by state order by state")
        }
        found["dead_letters"] = float(self._rows("select count(*) from dead_letters")[0][0])
        return found


def _webhook(row: tuple[Any, ...]) -> Webhook:
    names = [*COLUMNS.partition(", (")[0].split(", "), "dead_letters"]
    values = dict(zip(names, row, strict=True))
    values["choice"] = msgspec.json.decode(values["choice"], type=Choice)
    values["batch"] = None if values["batch"] is None else msgspec.json.decode(values["batch"], type=Batch)
    return Webhook(**values)


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    values = dict(zip(LETTER.split(", "), row, strict=True))
    return DeadLetter(**{**values, "again": bool(values["again"])})


def _keep_batch(connection: sqlite3.Connection, webhook: int, batch: Batch) -> None:
    body = msgspec.json.encode(batch).decode()
    connection.execute("update webhooks set batch = ? where id = ?", (body, webhook))


def _note(connection: sqlite3.Connection, webhook: int, attempt: Attempt) -> None:
    values = [getattr(attempt, name) for name in ATTEMPT.split(", ")]
    marks = ", ".join("?" * (len(values) + 1))
    connection.execute(f"insert into attempts (webhook, {ATTEMPT}) values ({marks})", (webhook, *values))
    connection.execute(
        "delete from attempts where webhook = ? and number <= (select number from attempts where webhook = ? "
        "order by number desc limit 1 offset ?)",
        (webhook, webhook, KEPT_ATTEMPTS),
    )


def _add(connection: sqlite3.Connection, **more: int) -> None:
    for name, value in more.items():
        connection.execute(
            "insert into totals values (?, ?) on conflict (name) do update set value = value + excluded.value",
            (name, value),
        )
