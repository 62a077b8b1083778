"""Which lasting identities may be in the tables: most that are asked for are new, and nobody need look for those in the file."""

from collections.abc import Sequence
from struct import Struct

import numpy as np

BITS = 1 << 27  # 16 MiB; with ten million identities it says "perhaps" of a new one once in 200 times
MASK = BITS - 1
AT_ONCE = 1 << 16
_words = Struct("<4I").unpack


class Known:
    """A Bloom filter over hashes of 16 bytes. Put by one thread, asked by any."""

    def __init__(self) -> None:
        self._bits = np.zeros(BITS >> 3, np.uint8)
        self._at = self._bits.data  # the same memory: reading and writing one byte is quicker than through numpy

    def put(self, hashed: bytes) -> None:
        """One more."""
        at = self._at
        for word in _words(hashed):
            at[(word & MASK) >> 3] |= 1 << (word & 7)

    def put_many(self, hashes: Sequence[bytes]) -> None:
        """All of these."""
        for start in range(0, len(hashes), AT_ONCE):
            words = np.frombuffer(b"".join(hashes[start : start + AT_ONCE]), "<u4")
            np.bitwise_or.at(self._bits, (words & MASK) >> 3, (1 << (words & 7)).astype(np.uint8))

    def may_have(self, hashed: bytes) -> bool:
        """False: it was never put."""
        at, (one, two, three, four) = self._at, _words(hashed)
        return bool(
            at[(one & MASK) >> 3] >> (one & 7)
            & at[(two & MASK) >> 3] >> (two & 7)
            & at[(three & MASK) >> 3] >> (three & 7)
            & at[(four & MASK) >> 3] >> (four & 7)
            & 1
        )
