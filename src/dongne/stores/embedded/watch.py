"""Stops what runs too long."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """Interrupts what runs too long: one thread for all statements."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._running: dict[int, tuple[float, Callable[[], None]]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dongne-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Calls `interrupt` where the block takes too long."""
        key = threading.get_ident()
        self._running[key] = (time.monotonic() + self._longest_s, interrupt)
        try:
            yield
        finally:
            self._running.pop(key, None)

    def _run(self) -> None:
        while not self._stopped.wait(min(0.25, self._longest_s / 4)):
            now_s = time.monotonic()
            for until_s, interrupt in list(self._running.values()):
                if now_s > until_s:
                    interrupt()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
