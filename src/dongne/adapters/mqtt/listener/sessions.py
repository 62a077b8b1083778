"""The sessions of a listener by who uses them, with those that are away; what lasts is kept in a file too.

After a kill the file may be some seconds old: then a session goes on at an earlier number, and hears some again.
"""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dongne.adapters.mqtt.listener.config import ListenConfig
from dongne.adapters.mqtt.listener.filters import read_filter
from dongne.adapters.mqtt.listener.packets import BUSY, TAKEN_OVER, Refusal
from dongne.adapters.mqtt.listener.session import Session, Subscription
from dongne.model.errors import DongneError
from dongne.model.who import Who

log = logging.getLogger(__name__)


class KeptSubscription(msgspec.Struct, frozen=True):
    """A subscription in the file."""

    filter: str
    qos: int
    no_local: bool


class KeptSession(msgspec.Struct, frozen=True):
    """A session in the file. `left_s`: how long it stays, while its client is away."""

    client_id: str
    who: str
    position: int
    expiry_s: float
    left_s: float
    subscriptions: list[KeptSubscription]


class Sessions:
    """Belongs to the listener's thread."""

    def __init__(self, config: ListenConfig) -> None:
        self._config = config
        self._by_name: dict[tuple[str, str], Session] = {}  # (name of who, client id)
        self._saved = b""
        self.delivered_before = 0  # by those which are no more

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def take(self, client_id: str, who: Who, head: int, *, clean: bool) -> tuple[Session, bool]:
        """The session of a client that connects, and whether it was there. Raises Refusal where there are too many."""
        key = who.name, client_id
        session = self._by_name.get(key)
        if session is not None and session.link is not None:
            lasts = session.lasts
            session.link.end(TAKEN_OVER, f"another client calls itself {client_id[:80]!r}")
            clean = clean or not lasts
        if session is not None and not clean:
            return session, True
        if session is not None and key in self._by_name:
            self.forget(session)
        self._make_room()
        session = self._by_name[key] = Session(client_id, who, head)
        return session, False

    def _make_room(self) -> None:
        if len(self._by_name) < self._config.most_sessions:
            return
        away = [session for session in self if session.link is None]
        if not away:
            raise Refusal(BUSY, f"{self._config.most_sessions} sessions are kept; come back later")
        self.forget(min(away, key=lambda session: session.ends_at_s))

    def forget(self, session: Session) -> None:
        """It is over."""
        self.delivered_before += session.delivered
        self._by_name.pop((session.who.name, session.client_id), None)

    def prune(self, now_s: float) -> None:
        """Forgets those which were away too long."""
        for session in self:
            if session.link is None and session.ends_at_s <= now_s:
                self.forget(session)

    # --- the file

    def save(self, file: Path, head: int) -> None:
        """Writes what lasts, where it changed."""
        now_s = time.monotonic()
        kept = [
            KeptSession(
                session.client_id, session.who.name, session.resumes_after(head), session.expiry_s,
                session.expiry_s if session.link else session.ends_at_s - now_s,
                [KeptSubscription(one.asked.filter, one.qos, one.no_local) for one in session.subscriptions.values()],
            )
            for session in self
            if session.lasts
        ]  # fmt: skip
        body = msgspec.json.encode(kept)
        if body == self._saved or (not kept and not self._saved):
            return
        self._saved = body
        partial = file.with_suffix(".new")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(body)
        partial.replace(file)

    def load(self, file: Path, head: int) -> None:
        """What `save` wrote; a file that can't be read is left aside, and said."""
        if not file.exists():
            return
        try:
            self._saved = file.read_bytes()
            found = msgspec.json.decode(self._saved, type=list[KeptSession])
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            log.warning("the MQTT sessions in %s can't be read (%s); clients subscribe anew", file, error)
            return
        for kept in found:
            session = Session(kept.client_id, Who(kept.who), min(kept.position, head))
            session.behind, session.expiry_s = True, kept.expiry_s
            session.ends_at_s = time.monotonic() + kept.left_s
            for one in kept.subscriptions:
                try:
                    asked = read_filter(one.filter, self._config.root, self._config.short)
                except DongneError:  # of an earlier version
                    continue
                session.subscriptions[one.filter] = Subscription(asked, one.qos, no_local=one.no_local)
            self._by_name[kept.who, kept.client_id] = session
