"""The screen at home as a way to who lives there. A message has arrived when the screen's page says that it shows it."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from dongne.runtime.channels import Message, Outcome

ON_S = 30.0  # a screen that was not heard for so long is off
WAIT_S = 15.0
LOOK_S = 0.1
KEPT = 50_000


class ScreenBoard:
    """Which screens are on, and what they have shown; told by the pages, asked by the channel."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._on: OrderedDict[int, float] = OrderedDict()
        self._shown: OrderedDict[str, None] = OrderedDict()

    def note_on(self, home: int) -> None:
        """The screen of this home has just asked what there is."""
        with self._lock:
            self._on[home] = self._clock_s()
            self._on.move_to_end(home)
            while len(self._on) > KEPT:
                self._on.popitem(last=False)

    def note_shown(self, key: str) -> None:
        """It shows the notice of this key."""
        with self._lock:
            self._shown[key] = None
            while len(self._shown) > KEPT:
                self._shown.popitem(last=False)

    def is_on(self, home: int) -> bool:
        """Whether it asked lately."""
        with self._lock:
            return self._clock_s() - self._on.get(home, -ON_S) < ON_S

    def has_shown(self, key: str) -> bool:
        """Whether it was shown."""
        with self._lock:
            return key in self._shown


class ScreenChannel:
    """Waits until the screen at home has shown a message; it finds messages itself, among the notices of its home."""

    name = "screen"

    def __init__(self, board: ScreenBoard, wait_s: float = WAIT_S) -> None:
        self._board, self._wait_s = board, wait_s

    def find_obstacle(self, to: str) -> str:
        """A screen that is off."""
        return "" if not to.isdigit() or self._board.is_on(int(to)) else "no screen is on at this home"

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt. `to` is the home's Thing."""
        if message.notice is None or not message.to.isdigit():
            return Outcome(ok=False, error="a screen is the Thing of a home, and shows a notice", is_final=True)
        if obstacle := self.find_obstacle(message.to):
            return Outcome(ok=False, error=obstacle)
        end_s = time.monotonic() + self._wait_s
        while not self._board.has_shown(message.notice.key):
            if time.monotonic() > end_s:
                return Outcome(ok=False, error=f"the screen did not show it within {self._wait_s:g} s")
            await asyncio.sleep(LOOK_S)
        return Outcome(ok=True, receipt="shown")

    async def close(self) -> None:
        """Nothing is open."""
