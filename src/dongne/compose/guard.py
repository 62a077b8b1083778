"""Who asks a running city, and what of that is written down."""

import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from dongne.compose.opened import RunOptions
from dongne.model.access import EVERYTHING, Access, Hidden, Sight, Veil
from dongne.model.entities import EntityType
from dongne.model.errors import NotKnown
from dongne.model.who import ANYBODY, BENCH, ROLES, Who
from dongne.stores.access import AccessBook
from dongne.web.api.context import Scope
from dongne.web.api.http import token_of
from dongne.web.api.rates import LOOPBACK
from dongne.web.forms import COOKIE

SAFE = ("GET", "HEAD")
DATA_ROADS = ("/v1.1", "/api/", "/events/")
NOT_DATA = ("/assets/", "/sign-in", "/sign-out", "/preferences", "/favicon", "/cases/watch.json")
WALKS = (
    "/walk",
    "/answers/calm_walk",
    "/answers/find_place",
    "/ogc/routes",
)  # where somebody goes is written down nowhere
ONCE_IN_S = 60.0  # the same again within this time is not written down again
MOST_REFUSED = 60  # tokens refused that are written down within that time
MOST_SAID = 10_000
MOST_HOSTS = 1_000
INTERNAL = Sight(Access.INTERNAL)
_KINDS = (EntityType.THING, EntityType.DATASTREAM, EntityType.FEATURE_OF_INTEREST)


class Guard:
    """Who asks. At an address of this machine only, or with `--open`, whoever brings no token may write, and sees open data;
    elsewhere they may read those. The token in the data folder's `token` file is the administrator's.

    Scripts of other sites may write as nobody, also where the browser that runs them is on this machine: what comes from
    another site than ours (by Origin), or was asked of a name that is not this machine's, is anybody's.
    """

    def __init__(self, options: RunOptions, veil: Veil | None = None, write_origins: tuple[str, ...] = ()) -> None:
        self._is_local = options.host in LOOPBACK and not options.public_url
        self._always_open = options.open
        self._is_open = options.open or self._is_local
        self._names = {b"localhost", b"127.0.0.1", b"[::1]", options.host.encode()}
        self._hosts = set(self._names)  # with the ports by which somebody asked
        self._origins = {origin.encode() for origin in write_origins}
        self._veil = veil
        self.book = AccessBook(options.folder)
        file = options.folder / "token"
        if not file.exists():
            write_note(file, secrets.token_urlsafe(24))
        self.token = file.read_text(encoding="utf-8").strip().strip('"')
        self.form_key = sha256(b"forms " + self.token.encode()).digest()
        rights, _ = ROLES["admin"]
        self.admin = Who("folder", "admin", rights, None, EVERYTHING, is_known=True)
        self._reaches: dict[Sight, tuple[Hidden, Hidden, bool]] = {}
        self._notes = Notes(self.book)

    def is_open(self) -> bool:
        """Whether whoever brings no token may write."""
        return self._is_open

    def close(self) -> None:
        """All is written down."""
        self._notes.close()
        self.book.close()

    # --- who

    def who_of(self, scope: Scope) -> Who:
        """Raises NotKnown for a token that does not hold. A cookie says who reads, never who writes: a browser sends it
        also where another site has it write."""
        headers = dict(scope["headers"])
        token = token_of(scope) if b"authorization" in headers else None
        if token is not None:
            who = self._holder(token, scope)
        elif b"cookie" in headers and scope.get("method") in SAFE:
            who = self._cookie_holder(scope) or self._nobody(headers)
        else:
            return self._nobody(headers)
        if who.is_known:
            self._note_read(who, scope)
        return who

    def who_on_page(self, scope: Scope) -> Who:
        """The same for a page, whose forms have a mark: the cookie says who writes too."""
        token = token_of(scope)
        if token is None:
            who = self._cookie_holder(scope) or self._nobody(dict(scope["headers"]))
        else:
            who = self._holder(token, scope)
        if who.is_known and not scope["path"].startswith((*NOT_DATA, *WALKS)):
            self._note_read(who, scope, is_page=True)
        return who

    def mqtt_who_of(self, host: str) -> Callable[[str | None], Who]:
        """Who brings this password over MQTT to a listener at this address. It raises NotKnown."""
        is_open = self._always_open or (host in LOOPBACK and self._is_open)

        def who_with(token: str | None) -> Who:
            if token is None:
                return BENCH if is_open else ANYBODY
            return self._holder(token, {})

        return who_with

    def find_who(self, token: str) -> Who | None:
        """Whose token this is; None where it does not hold."""
        if secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
            return self.admin
        return self.book.find_who(token, _now_us())

    def _holder(self, token: str, scope: Scope) -> Who:
        who = self.find_who(token)
        if who is None:
            self._note_refused(_client_of(scope))
            raise NotKnown(
                "this token does not hold: it is not known here, has expired or was revoked; `dongne token issue` makes one",
                reason="token",
            )
        return who

    def _cookie_holder(self, scope: Scope) -> Who | None:
        token = cookie_of(scope)
        return self.find_who(token) if token else None

    def _nobody(self, headers: dict[bytes, bytes]) -> Who:
        if not self._is_open:
            return ANYBODY
        host, origin = headers.get(b"host"), headers.get(b"origin")
        if origin is not None and origin not in self._origins and origin.partition(b"://")[2] != host:
            return ANYBODY
        if self._is_local and host is not None and host not in self._hosts:
            if _name_of(host) not in self._names:
                return ANYBODY  # a name of somebody else's that leads here (DNS rebinding)
            if len(self._hosts) < MOST_HOSTS:
                self._hosts.add(host)
        return BENCH

    # --- what is written down

    def sign_in(self, token: str, client: str) -> Who | None:
        """Whose token this is, written down; None where it does not hold."""
        who = self.find_who(token)
        if who is None:
            self._note_refused(client)
        else:
            self.write_down(who, "signed in", client, who.role)
        return who

    def write_down(self, who: Who, what: str, place: str, detail: str = "") -> None:
        """One more entry of the audit log."""
        self.book.write(who.name or "anybody", what, place, detail or who.role, _now_us())

    def note_seen(self, who: Who, what: str, place: str) -> None:
        """The same, written by a thread of its own, and once within a minute."""
        self._notes.once(who.name or "anybody", what, place, f"{who.role} {who.purpose}".strip())

    def audit(self, who: Who, changed: list[tuple[str, str, int]]) -> None:
        """Entities and Observations that somebody changed; many of one sort are one entry."""
        groups: dict[tuple[str, str], list[int]] = {}
        for what, kind, number in changed:
            groups.setdefault((what, kind), []).append(number)
        for (what, kind), numbers in groups.items():
            shown = ", ".join(map(str, numbers[:20])) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
            self.write_down(who, f"{kind} {what}", shown)

    def _note_read(self, who: Who, scope: Scope, *, is_page: bool = False) -> None:
        """Who reaches personal data is written down with what was asked for, and what the token was issued for."""
        if not self._reaches_personal(who.sight):
            return
        path: str = scope.get("path", "")
        reads = scope.get("method") in SAFE or path.rstrip("/").endswith("$batch")
        if reads and (is_page or path.startswith(DATA_ROADS)):
            query = scope.get("query_string", b"").decode("latin-1")
            place = (f"{path}?{query}" if query else path)[:300]
            self._notes.once(who.name, "personal data asked for", place, f"{who.role} {who.purpose}".strip())

    def note_subscribed(self, who: Who, topic: str) -> None:
        """Who reaches personal data is written down with what they subscribe to over MQTT."""
        if who.is_known and self._reaches_personal(who.sight):
            place = f"mqtt {topic}"[:300]
            self._notes.once(who.name, "personal data asked for", place, f"{who.role} {who.purpose}".strip())

    def _reaches_personal(self, sight: Sight) -> bool:
        if sight.most is not Access.PERSONAL and not sight.things:
            return False
        if self._veil is None:
            return True
        staff, own = self._veil.hidden(INTERNAL), self._veil.hidden(sight)
        known = self._reaches.get(sight)
        if known is None or known[0] is not staff or known[1] is not own:
            if len(self._reaches) > MOST_SAID:
                self._reaches = {}
            reaches = any(staff.of(kind) - own.of(kind) for kind in _KINDS)
            known = self._reaches[sight] = (staff, own, reaches)
        return known[2]

    def _note_refused(self, client: str) -> None:
        self._notes.once("anybody", "token refused", client, "", most=MOST_REFUSED)


class Notes:
    """Entries of the audit log that nobody waits for, written one after the other in a thread; the same one once a
    minute."""

    def __init__(self, book: AccessBook) -> None:
        self._book = book
        self._said: dict[tuple[str, str, str], float] = {}
        self._counts: dict[str, tuple[float, int]] = {}
        self._queue: queue.SimpleQueue[tuple[str, str, str, str, int] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def once(self, who: str, what: str, place: str, detail: str, most: int = 0) -> None:
        """Writes this down, where it was not within the last minute; at most so many of this sort in it."""
        now_s = time.monotonic()
        key = who, what, place
        with self._lock:
            if now_s - self._said.get(key, -ONCE_IN_S) < ONCE_IN_S or (most and not self._counted(what, now_s, most)):
                return
            if len(self._said) >= MOST_SAID:
                self._said = {}
            self._said[key] = now_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
                self._thread.start()
        self._queue.put((who, what, place, detail, _now_us()))

    def _counted(self, what: str, now_s: float, most: int) -> bool:
        since_s, count = self._counts.get(what, (now_s, 0))
        if now_s - since_s >= ONCE_IN_S:
            since_s, count = now_s, 0
        self._counts[what] = (since_s, count + 1)
        return count < most

    def _write(self) -> None:
        while (entry := self._queue.get()) is not None:
            self._book.write(*entry)

    def close(self) -> None:
        """What waits is written."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None


def cookie_of(scope: Scope) -> str:
    """The token a browser keeps; empty where there is none."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, text = part.strip().partition("=")
                if key == COOKIE:
                    return str(text).strip('"')
    return ""


def _client_of(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _name_of(host: bytes) -> bytes:
    """The host without its port."""
    return host if host.endswith(b"]") else host.rpartition(b":")[0] or host


def _now_us() -> int:
    return time.time_ns() // 1_000


def write_note(file: Path, content: Any) -> None:
    """Writes JSON that only this user can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(msgspec.json.encode(content))
