"""How one value is sealed: AES-256-GCM under its subject's key, bound to the place where it lies.

What is bound (the associated data) is the column and the numbers that name the row: a sealed value that somebody moves to
another row, or to another person, does not open there.
"""

from enum import IntEnum
from struct import Struct

from cryptography.exceptions import InvalidTag

from dongne.model.records import Record, RecordKind
from dongne.stores.sealed.keys import NONCE_BYTES, KeyRing, Nonces

_place = Struct("<Bqq").pack
_record_place = Struct("<BqqqqqH").pack
_head = Struct("<BBq")


class Column(IntEnum):
    """Where a sealed value lies. The values are bound to what is stored; never renumber."""

    RECORD = 1
    STATE = 2
    ENTITY = 3
    CASE = 4
    TASK = 5
    NOTICE = 6
    SETTING = 7
    LATEST = 8


class Sealing:
    """Seals and opens with the keys of a ring. Seals in one thread at a time, opens in any."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring, self._nonces = ring, Nonces()
        self._names: dict[str, bytes] = {}
        self.damaged = 0  # values that a key there is did not open

    def seal(self, subject: int, plain: bytes, place: bytes) -> bytes:
        """Nonce, sealed value and tag. The subject has a key."""
        cipher = self._ring.cipher(subject)
        if cipher is None:
            raise KeyError(f"subject {subject} has no key")
        nonce = self._nonces.next()
        return nonce + cipher.encrypt(nonce, plain, place)

    def open(self, subject: int, sealed: bytes, place: bytes) -> bytes | None:
        """What was sealed; None where the key is gone, or the value is not the one that was put there."""
        cipher = self._ring.cipher(subject)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except InvalidTag:
            self.damaged += 1
            return None

    def seal_record(self, subject: int, record: Record, body: bytes, extra: bytes = b"", part: int = 0) -> bytes:
        """The body of a record with its origin and cause; `extra` is what else belongs to it."""
        origin = self._names.get(record.origin)
        if origin is None:
            origin = self._names[record.origin] = record.origin.encode()
        plain = _head.pack(len(origin), len(extra), record.cause) + origin + extra + body
        place = _record_place(Column.RECORD, subject, record.number, record.count, record.kind, record.at_us, part)
        return self.seal(subject, plain, place)

    def open_record(
        self, subject: int, row: tuple[int, int, int, int], sealed: bytes, part: int = 0
    ) -> tuple[Record, bytes] | None:
        """The record of a row (number, count, kind, at_us) and its extra; None where it can't be read any more."""
        number, count, kind, at_us = row
        plain = self.open(subject, sealed, _record_place(Column.RECORD, subject, number, count, kind, at_us, part))
        if plain is None:
            return None
        origin_bytes, extra_bytes, cause = _head.unpack_from(plain)
        at_extra = _head.size + origin_bytes
        at_body = at_extra + extra_bytes
        origin = plain[_head.size : at_extra].decode() if origin_bytes else ""
        record = Record(number, count, RecordKind(kind), at_us, plain[at_body:], origin, cause)
        return record, plain[at_extra:at_body]


def place_of(column: Column, subject: int, number: int = 0, *names: str) -> bytes:
    """What names a row of a table."""
    return _place(column, subject, number) + "\0".join(names).encode()
