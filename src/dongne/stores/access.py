"""Who may come in, and what they did: tokens and the audit log, in `access.db` of a city's folder.

A token is 256 random bits, shown once; its SHA-256 is kept (nothing can be guessed that a slow hash would have to protect).
Each entry of the audit log carries the hash of the one before, so that a changed or missing one shows.
"""

import hashlib
import secrets
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec

from dongne.model.access import EVERYTHING, Sight
from dongne.model.errors import BadInput, NotFound
from dongne.model.who import ROLES, Who

SCHEMA = """
create table if not exists tokens (
  id integer primary key, name text not null, role text not null, things text not null, digest blob not null unique,
  purpose text not null, created_us integer not null, expires_us integer, revoked_us integer);
create table if not exists audit (
  number integer primary key, at_us integer not null, who text not null, what text not null, place text not null,
  detail text not null, hash text not null);
"""
PREFIX = "dgn_"  # so that one is recognised where it should not lie
MOST_KNOWN = 10_000


class Token(msgspec.Struct, frozen=True):
    """What is kept of a token. `things`: ids it is for; None means all. Instants in microseconds."""

    id: int
    name: str
    role: str
    things: tuple[int, ...] | None
    purpose: str
    created_us: int
    expires_us: int | None
    revoked_us: int | None


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what to which thing, with the hash over it and all before."""

    number: int
    at_us: int
    who: str
    what: str
    place: str
    detail: str
    hash: str


class AccessBook:
    """The file; any thread may ask, and other processes may write beside (a token revoked there does not hold here at
    once)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / "access.db", isolation_level=None, check_same_thread=False, timeout=10
        )
        for pragma in ("journal_mode=wal", "synchronous=full"):
            self._connection.execute(f"pragma {pragma}").fetchall()
        self._connection.executescript(SCHEMA)
        (folder / "access.db").chmod(0o600)
        self._version = (-1, -1)
        self._known: dict[str, tuple[Who, int | None]] = {}

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    # --- tokens

    def issue(
        self, name: str, role: str, things: tuple[int, ...] | None, expires_us: int | None, purpose: str, now_us: int
    ) -> str:
        """A new token, to be shown once. Raises BadInput for a role that is none, or a name in use."""
        if role not in ROLES or role == "public":
            raise BadInput(f"there is no role {role!r}; roles: {', '.join(r for r in ROLES if r != 'public')}")
        if any(token.name == name and token.revoked_us is None for token in self.list_tokens()):
            raise BadInput(f"a token {name!r} is there already; revoke it or take another name")
        text = PREFIX + secrets.token_urlsafe(32)
        with self._lock:
            self._connection.execute(
                "insert into tokens (name, role, things, digest, purpose, created_us, expires_us) values (?, ?, ?, ?, ?, ?, ?)",
                (name, role, msgspec.json.encode(things).decode(), _digest(text), purpose, now_us, expires_us),
            )
        self.write("command line", "token issued", name, f"{role} {_reach(things)} {purpose}".strip(), now_us)
        return text

    def list_tokens(self) -> list[Token]:
        """All there ever were, by id."""
        sql = "select id, name, role, things, purpose, created_us, expires_us, revoked_us from tokens order by id"
        with self._lock:
            rows = self._connection.execute(sql).fetchall()
        return [_token(row) for row in rows]

    def revoke(self, name: str, now_us: int) -> None:
        """The token does not hold any more. Raises NotFound."""
        with self._lock:
            found = self._connection.execute(
                "update tokens set revoked_us = ? where revoked_us is null and (name = ? or cast(id as text) = ?)",
                (now_us, name, name),
            )
        if not found.rowcount:
            raise NotFound(f"there is no token {name!r} that holds; `dongne token list` shows them")
        self.write("command line", "token revoked", name, "", now_us)

    def find_who(self, text: str, now_us: int) -> Who | None:
        """Whose token this is; None where it does not hold."""
        with self._lock:
            (version,) = self._connection.execute("pragma data_version").fetchone()
            changes = self._connection.total_changes
            if (version, changes) != self._version or len(self._known) > MOST_KNOWN:
                self._version, self._known = (version, changes), {}
            found = self._known.get(text)
            if found is None:
                found = self._look_up(text)
                if found is None:
                    return None
                self._known[text] = found
        who, expires_us = found
        return who if expires_us is None or now_us < expires_us else None

    def _look_up(self, text: str) -> tuple[Who, int | None] | None:
        sql = (
            "select id, name, role, things, purpose, created_us, expires_us, revoked_us from tokens "
            "where digest = ? and revoked_us is null"
        )
        row = self._connection.execute(sql, (_digest(text),)).fetchone()
        if row is None:
            return None
        token = _token(row)
        return _who(token), token.expires_us

    def find_token_id(self, name: str) -> int | None:
        """The id of the token of this name that holds; ids are never used again, names may be."""
        return next((token.id for token in self.list_tokens() if token.name == name and token.revoked_us is None), None)

    def find_who_of(self, token_id: int, now_us: int) -> Who | None:
        """Whose token has this id; None where it does not hold."""
        found = next((token for token in self.list_tokens() if token.id == token_id), None)
        if (
            found is None
            or found.revoked_us is not None
            or (found.expires_us is not None and now_us >= found.expires_us)
        ):
            return None
        return _who(found)

    # --- the audit log

    def write(self, who: str, what: str, place: str, detail: str, at_us: int) -> None:
        """One more entry."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                last = self._connection.execute(
                    "select number, hash from audit order by number desc limit 1"
                ).fetchone()
                number, before = (last[0] + 1, last[1]) if last else (1, "")
                digest = chain(before, number, at_us, who, what, place, detail)
                self._connection.execute(
                    "insert into audit values (?, ?, ?, ?, ?, ?, ?)", (number, at_us, who, what, place, detail, digest)
                )
                self._connection.execute("commit")
            except BaseException:
                self._connection.execute("rollback")
                raise

    def list_entries(self, after: int = 0) -> list[AuditEntry]:
        """All entries behind this number, oldest first."""
        sql = "select number, at_us, who, what, place, detail, hash from audit where number > ? order by number"
        with self._lock:
            return [AuditEntry(*row) for row in self._connection.execute(sql, (after,)).fetchall()]

    def find_fault(self, head: str = "") -> str:
        """What is wrong with the log, in words; empty where each entry is as it was written and none is missing, up to the
        `head` that somebody noted elsewhere."""
        before, expected = "", 1
        seen = not head
        for entry in self.list_entries():
            if entry.number != expected:
                return f"entry {expected} is missing"
            if chain(before, *_parts(entry)) != entry.hash:
                return f"entry {entry.number} is not as it was written"
            before, expected = entry.hash, expected + 1
            seen = seen or before == head
        return "" if seen else f"no entry has the hash {head[:16]}...: the end was cut off, or it is another city's"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _token(row: tuple[Any, ...]) -> Token:
    number, name, role, things, *rest = row
    found = msgspec.json.decode(things, type=tuple[int, ...] | None)
    return Token(number, name, role, found, *rest)


def _reach(things: tuple[int, ...] | None) -> str:
    return "all Things" if things is None else f"Things {', '.join(map(str, things))}"


def _who(token: Token) -> Who:
    rights, most = ROLES[token.role]
    things = None if token.things is None else frozenset(token.things)
    sight = EVERYTHING if most is EVERYTHING.most and things is None else Sight(most, things or frozenset())
    return Who(token.name, token.role, rights, things, sight, is_known=True, purpose=token.purpose)


def _parts(entry: AuditEntry) -> tuple[int, int, str, str, str, str]:
    return entry.number, entry.at_us, entry.who, entry.what, entry.place, entry.detail


def chain(before: str, *parts: int | str) -> str:
    """SHA-256 over the hash before and the entry as JSON."""
    return hashlib.sha256(before.encode() + msgspec.json.encode(parts)).hexdigest()
