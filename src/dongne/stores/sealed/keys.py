"""The keys: one for each person, wrapped by the master key, in a file of fixed slots.

It is no SQLite file on purpose. A key must be gone when it is destroyed: here it lies in one place, which is overwritten,
while SQLite's WAL or rollback journal would keep the page as it was before.

    slot 0     magic, identity of the truth these keys belong to
    slot n     subject, when it was made, when it was destroyed (0: it holds), wrapped key, CRC-32

A slot is 128 bytes at a multiple of 128, so that it never lies across two sectors of a disk.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dongne.model.errors import BadSetup
from dongne.stores.synced import sync_path

SLOT_BYTES = 128
MAGIC = b"dongne keys 1\0\0\0"
KEY_BYTES, NONCE_BYTES, WRAPPED_BYTES = 32, 12, 60
MOST_CIPHERS = 2_000  # made and kept; each takes 2.5 kB, and more of them made nothing quicker
COMMON = 0  # the subject of what belongs to nobody
_slot = Struct("<qqq60s")
_crc = Struct("<I")
_subject = Struct("<q")
_GONE = bytes(WRAPPED_BYTES)


class Nonces:
    """Random nonces of 96 bits, drawn many at a time.

    Random and not counted: a number of the sequence is used again after a commit that failed, and the same nonce twice
    under one key would give both texts away. NIST SP 800-38D (8.3) allows 2^32 random ones for each key.
    """

    def __init__(self) -> None:
        self._pool, self._at = b"", 0

    def next(self) -> bytes:
        """One that was never given before."""
        at = self._at
        if at >= len(self._pool):
            self._pool, at = os.urandom(NONCE_BYTES * 1024), 0
        self._at = at + NONCE_BYTES
        return self._pool[at : at + NONCE_BYTES]


class KeyRing:
    """The keys of one store in memory, and their file. One thread at a time may make or destroy; any may look up.

    Raises BadSetup where the master key is not the one that wrapped them, or the file belongs to another store.
    """

    def __init__(self, file: Path, master: bytes, identity: str) -> None:
        self._master, self._identity = AESGCM(master), identity.encode()
        self._keys: dict[int, bytes] = {}
        self._slots: dict[int, int] = {}
        self._ciphers: dict[int, AESGCM] = {}
        self._nonces = Nonces()
        self.destroyed: dict[int, int] = {}  # subject -> when, in microseconds
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._end = self._read(file)
            if COMMON not in self._keys:
                self.make((COMMON,), 0)
        except BaseException:
            self.close()
            raise

    def _read(self, file: Path) -> int:
        """All slots; the number of the first free one."""
        head = MAGIC + self._identity[:SLOT_BYTES].ljust(SLOT_BYTES - len(MAGIC), b"\0")
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        if not content:
            os.pwrite(self._file, head, 0)
            os.fsync(self._file)
            sync_path(file.parent)
            return 1
        if content[:SLOT_BYTES] != head:
            raise BadSetup(f"{file} holds the keys of another store; put back the one that lay beside this truth.db")
        for at in range(1, len(content) // SLOT_BYTES):
            slot = content[at * SLOT_BYTES : (at + 1) * SLOT_BYTES]
            subject, _made_us, destroyed_us, wrapped = _slot.unpack_from(slot)
            if _crc.unpack_from(slot, _slot.size)[0] != zlib.crc32(slot[: _slot.size]):
                continue  # half written when the power failed: nothing was ever sealed with it
            self._slots[subject] = at
            if destroyed_us:
                self.destroyed[subject] = destroyed_us
            else:
                self._keys[subject] = self._unwrap(subject, wrapped, file)
        return len(content) // SLOT_BYTES + (len(content) % SLOT_BYTES > 0)

    def _unwrap(self, subject: int, wrapped: bytes, file: Path) -> bytes:
        bound = self._identity + _subject.pack(subject)
        try:
            return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
        except InvalidTag:
            raise BadSetup(
                f"the master key does not open {file}; name the file of the one that was used when it was made"
            ) from None

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, subject: int) -> bool:
        return subject in self._keys

    def is_known(self, subject: int) -> bool:
        """Whether it has, or once had, a key here."""
        return subject in self._slots

    def cipher(self, subject: int) -> AESGCM | None:
        """What seals and opens this subject's data; None where it has no key (any more)."""
        found = self._ciphers.get(subject)
        if found is None:
            key = self._keys.get(subject)
            if key is None:
                return None
            if len(self._ciphers) >= MOST_CIPHERS:
                self._ciphers = {}  # whoever asks about more asks in turn, and no other choice would be better
            found = self._ciphers[subject] = AESGCM(key)
            if subject not in self._keys:  # destroyed meanwhile
                self._ciphers.pop(subject, None)
                return None
        return found

    def make(self, subjects: Iterable[int], now_us: int) -> None:
        """New keys for those that never had one, durable when this returns."""
        new = [subject for subject in dict.fromkeys(subjects) if subject not in self._slots]
        if not new:
            return
        keys = {subject: os.urandom(KEY_BYTES) for subject in new}
        body = b"".join([self._slot_of(subject, now_us, 0, self._wrap(subject, key)) for subject, key in keys.items()])
        self._write(self._end, body)
        for subject, key in keys.items():
            self._slots[subject], self._keys[subject] = self._end, key
            self._end += 1

    def destroy(self, subject: int, now_us: int) -> None:
        """Overwrites the key, durable when this returns. A subject that never had one gets none from here on."""
        at = self._slots.get(subject, self._end)
        self._write(at, self._slot_of(subject, now_us, max(now_us, 1), _GONE))
        if at == self._end:
            self._end += 1
        self._slots[subject] = at
        self.destroyed[subject] = max(now_us, 1)
        self._keys.pop(subject, None)
        self._ciphers.pop(subject, None)

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes for another purpose, from the common key."""
        return HKDF(SHA256(), 32, None, b"dongne " + purpose).derive(self._keys[COMMON])

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)

    def _wrap(self, subject: int, key: bytes) -> bytes:
        nonce = self._nonces.next()
        return nonce + self._master.encrypt(nonce, key, self._identity + _subject.pack(subject))

    @staticmethod
    def _slot_of(subject: int, made_us: int, destroyed_us: int, wrapped: bytes) -> bytes:
        body = _slot.pack(subject, made_us, destroyed_us, wrapped)
        return (body + _crc.pack(zlib.crc32(body))).ljust(SLOT_BYTES, b"\0")

    def _write(self, at: int, body: bytes) -> None:
        done = os.pwrite(self._file, body, at * SLOT_BYTES)
        if done != len(body):
            raise OSError(28, f"only {done} of {len(body)} bytes of keys were written")
        os.fsync(self._file)


def load_master(file: Path, *, may_make: bool) -> bytes:
    """The master key in this file (64 hexadecimal digits), made where there is none and that may be.

    Raises BadSetup where it is missing, malformed, or others may read it.
    """
    try:
        with file.open("rb") as opened:
            mode, text = os.fstat(opened.fileno()).st_mode, opened.read(200)
    except FileNotFoundError:
        if not may_make:
            raise BadSetup(f"the master key {file} is missing, and without it the homes' data can't be read") from None
        return _make_master(file)
    if mode & 0o077:
        raise BadSetup(f"others may read the master key {file}; take that away: chmod 600 {file}")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadSetup(f"{file} holds no master key; it is 64 hexadecimal digits")
    return key


def _make_master(file: Path) -> bytes:
    key = os.urandom(KEY_BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(opened, key.hex().encode() + b"\n")
        os.fsync(opened)
    finally:
        os.close(opened)
    sync_path(file.parent)
    return key
