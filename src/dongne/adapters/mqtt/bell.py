"""Wakes the adapter's thread out of its wait for the network."""

import contextlib
import socket


class Bell:
    """Costs next to nothing while it rings already."""

    def __init__(self) -> None:
        self._hear, self._pull = socket.socketpair()
        self._hear.setblocking(False)
        self._pull.setblocking(False)
        self._rung = False

    def fileno(self) -> int:
        """To wait on."""
        return self._hear.fileno()

    def ring(self) -> None:
        """From any thread: there is something to do."""
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):  # full, so it rings; or closed, so nobody listens
                self._pull.send(b"\0")

    def hush(self) -> None:
        """Before looking at what there is to do."""
        with contextlib.suppress(BlockingIOError):
            self._hear.recv(64)
        self._rung = False

    def close(self) -> None:
        """No more."""
        self._hear.close()
        self._pull.close()
