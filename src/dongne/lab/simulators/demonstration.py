"""The demonstration: simulated homes whose gateways speak as real ones do, and in which a fire, a fall or a call is played.

Everything that a gateway says goes in by the door for all gateways; nothing here writes anything else.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dongne.lab.simulators.home_life import Life, list_devices, list_standing, live, play_events
from dongne.model.errors import BadInput, DongneError
from dongne.model.home import DeviceEvent, GatewayMessage, GatewayReply, NewHome
from dongne.model.notices import FINE, HELP
from dongne.model.times import from_us, to_us

log = logging.getLogger(__name__)
LOOK_S = 0.25
ANSWERS = (FINE, HELP, "")  # what the simulated person says when asked; "" is nothing
CLOSE_S = 3.0
SHOWN = ("smoke", "heat", "carbon_monoxide", "gas", "fall", "button", "help_call")  # what "clear" takes back

Tell = Callable[[GatewayMessage], "Future[GatewayReply]"]
Answer = Callable[[str, str], None]  # the key of a notice, what is said to it


class Room:
    """One simulated home: its gateway's number of the next message, and what it will say."""

    def __init__(self, home_id: int, home: NewHome, life: Life, zone: ZoneInfo, now: datetime) -> None:
        self.id, self.home = home_id, home
        self._life = live(life, home, zone, now)
        self._next = next(self._life)
        self._seq = 0
        self.script: list[DeviceEvent] = list_standing(life, home, zone, now)
        self.beat_at = now
        self.play = self.answer = ""
        self.asked: list[tuple[datetime, str]] = []

    def list_due(self, now: datetime) -> list[DeviceEvent]:
        """What is to be said by now."""
        found = []
        while self._next.time <= now:
            found.append(self._next)
            self._next = next(self._life)
        while self.script and self.script[0].time <= now:
            found.append(self.script.pop(0))
        return found

    def message(self, now: datetime, events: Sequence[DeviceEvent]) -> GatewayMessage:
        """The next one of its gateway."""
        self._seq = max(self._seq + 1, to_us(now) // 1_000)  # goes on after a restart
        return GatewayMessage(self.home.gateway, self._seq, now, tuple(events))


class Demonstration:
    """Lets these homes live from `start` on. `home` is the one in which a fire is played by itself, once. `tell` is the door of
    gateways, `answer` takes what somebody at home answers; `pages` is where other simulators show what they got."""

    def __init__(
        self, homes: dict[int, NewHome], life: Life, zone: ZoneInfo, now_us: Callable[[], int], tell: Tell, answer: Answer,
    ) -> None:  # fmt: skip
        """Raises BadInput where a home is not simulated, or there is none."""
        if not homes or any(not home.simulated for home in homes.values()):
            raise BadInput(
                "a demonstration is of simulated homes only; say simulated: true of each", reason="simulated"
            )
        self._life, self._now_us, self._tell, self._answer = life, now_us, tell, answer
        self.home = next(iter(homes))
        self.pages: dict[str, str] = {}  # of simulators beside it: what they got
        self.fire_is_measured = False  # elsewhere, and replayed here
        now = self._now()
        self._rooms = {home_id: Room(home_id, home, life, zone, now) for home_id, home in homes.items()}
        self._first_fire = now + timedelta(seconds=life.first_fire_s)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demonstration", daemon=True)

    def start(self) -> None:
        """They live."""
        self._thread.start()

    def close(self) -> None:
        """They say no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def plays_at(self, home: int) -> bool:
        """Whether this home is one of them."""
        return home in self._rooms

    @property
    def plays(self) -> list[str]:
        """What can be played."""
        return list(self._life.plays)

    def playing_at(self, home: int) -> tuple[str, str]:
        """What was played last in this home ("" for nothing), and what the person answers."""
        room = self._rooms[home]
        return room.play, room.answer

    def play(self, home: int, play: str, answer: str = "") -> None:
        """From now on. Raises BadInput for what can't be played here."""
        if home not in self._rooms or play not in self._life.plays or answer not in ANSWERS:
            raise BadInput(
                f"{play[:40]!r} with {answer[:40]!r} can't be played there; plays: {', '.join(self.plays)}",
                reason="play",
            )
        room, now = self._rooms[home], self._now()
        with self._lock:
            room.play, room.answer, room.asked = play, answer, []
            room.script = play_events(self._life, room.home, play, now)
            self._first_fire = datetime.max.replace(tzinfo=now.tzinfo)  # somebody plays themselves

    def clear(self, home: int) -> None:
        """All that a play raised is cleared. Raises BadInput for another home."""
        if home not in self._rooms:
            raise BadInput("nothing is played there", reason="play")
        room, now = self._rooms[home], self._now()
        with self._lock:
            room.play, room.asked = "", []
            room.script = [
                DeviceEvent(device, key, now, 0.0) for key in SHOWN for device in list_devices(room.home, key)
            ]

    def ask(self, notice: str, home: int | None) -> None:
        """Somebody at home is asked by the notice of this key: they answer after a while, if they were told to."""
        room = self._rooms.get(home or 0)
        if room is not None and room.answer:
            with self._lock:
                room.asked.append((self._now() + timedelta(seconds=self._life.answers_after_s), notice))

    # --- the thread

    def _now(self) -> datetime:
        return from_us(self._now_us())

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self._step(self._now())
            except DongneError as error:
                log.warning("the demonstration waits: %s", error.message)
            except Exception:  # what is only shown must not take the city with it
                log.exception("the demonstration has failed; it goes on")

    def _step(self, now: datetime) -> None:
        if now >= self._first_fire:
            self.play(self.home, "fire")
        for room in self._rooms.values():
            with self._lock:
                due = room.list_due(now)
                answers = [notice for at, notice in room.asked if at <= now]
                room.asked = [one for one in room.asked if one[0] > now]
            if due or now >= room.beat_at:
                room.beat_at = now + timedelta(seconds=self._life.heartbeat_s)
                self._send(room.message(now, due))
            for notice in answers:
                self._answer(notice, room.answer)

    def _send(self, message: GatewayMessage) -> None:
        """What is not told ok is said in the log."""

        def told(done: "Future[GatewayReply]") -> None:
            if (error := done.exception()) is not None:
                log.warning("a simulated gateway was not told ok: %s", error)

        with suppress(DongneError):
            self._tell(message).add_done_callback(told)
