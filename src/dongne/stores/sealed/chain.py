"""The hash chain over the sealed sequence: it holds on when keys are destroyed and when bodies are gone."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from struct import Struct

import msgspec

START = bytes(32)
NO_SUBJECT = -(1 << 63)  # a record of several subjects
_link = Struct("<qqqqqq")
_end = Struct("<q32s")
Link = tuple[int, int, int, int, int | None, int, bytes | None, bytes | None, bytes | None]
"""number, count, kind, at_us, subject, before, body, digest, chain: a row of the sequence."""


class ChainReport(msgspec.Struct, frozen=True):
    """What a walk along the chain found. `end` is the hash of the last record: write it down elsewhere, and nobody can put
    another past in the place of this one. `wrong` says in words where it breaks; empty where it holds."""

    records: int
    last: int
    without_body: int
    end: str
    wrong: tuple[str, ...] = ()


def digest_of(body: bytes | None) -> bytes:
    """What the chain holds of a sealed body."""
    return hashlib.sha256(body or b"").digest()


def follow(before: bytes, row: Sequence[int | None], digest: bytes) -> bytes:
    """The hash after a record with this (number, count, kind, at_us, subject, before)."""
    number, count, kind, at_us, subject, last = row
    link = _link.pack(number, count, kind, at_us, NO_SUBJECT if subject is None else subject, last)
    return hashlib.sha256(before + link + digest).digest()


def seal_end(key: bytes, number: int, chain: bytes) -> bytes:
    """The end of the chain with a mark that only who has the common key can make."""
    end = _end.pack(number, chain)
    return end + hmac.digest(key, end, "sha256")


def open_end(end: bytes | None) -> tuple[int, bytes]:
    """Number and hash of the last record."""
    return (0, START) if end is None else _end.unpack_from(end)


def verify(rows: Iterable[Link], end: bytes | None, key: bytes) -> ChainReport:
    """Walks along all records."""
    chain, last, records, without = START, 0, 0, 0
    wrong: list[str] = []
    for row in rows:
        number, count, body, kept, noted = row[0], row[1], row[6], row[7], row[8]
        if number != last + 1:
            wrong.append(f"after {last} comes {number}: records are missing")
        without += body is None
        digest = kept if body is None and kept is not None else digest_of(body)
        chain = follow(chain, row[:6], digest)
        last, records = number + count - 1, records + 1
        if noted is not None and noted != chain:
            wrong.append(f"record {number} or one of its commit is not as it was written")
            chain = noted  # so that what lies behind is looked at for itself
    number, expected = open_end(end)
    if end is not None and not hmac.compare_digest(end, seal_end(key, number, expected)):
        wrong.append("the end of the chain was not written by whoever has the key")
    if (number, expected) != (last, chain):
        wrong.append(f"the chain ends at {last}, and should at {number}")
    return ChainReport(records, last, without, chain.hex(), tuple(wrong[:20]))
