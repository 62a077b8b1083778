"""Services of homes that act no more are noticed: an alarm that is stored and that nobody acts on looks like a quiet home."""

import logging
import time

import msgspec

from dongne.compose.homes import HomeSide
from dongne.model.case_kinds import OPEN
from dongne.model.cases import CaseEvent
from dongne.model.notices import REQUESTED, UNIT, NoticeEvent
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.runtime.ports import Entry, Lane, Transaction

log = logging.getLogger("dongne")
SERVICE = "homes"  # who says so
CARE_UNIT = "care_desk"
EVERY_S = 5.0
_encode = msgspec.msgpack.encode


class HomeWatch:
    """Follows how the services of homes are doing. Where they have stopped, they begin anew from what is stored; where one does not
    act on a home any more, somebody must look after that home until it goes on. Either way a Case is opened and the care unit
    told, once."""

    def __init__(self, side: HomeSide) -> None:
        self._side, self._next_s = side, 0.0
        self.position = 0
        self._told: set[tuple[str, int, str]] = set()

    def step(self) -> bool:
        """Looks, when it is time to; never sooner than EVERY_S after the last time."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            self._look()
        self.position = self._side.store.head()  # it waits for whatever comes next
        return False

    def _look(self) -> None:
        live = self._side.runtime.live
        if live.is_stopped:
            self._say("services_stopped", str(live.position), None, "")
            self._side.runtime.revive()
            return
        for runner in list(live.engine.runners.values()):
            for home, cell in runner.cells.copy().items():
                if cell.parked and (seen := (runner.id, home, cell.parked)) not in self._told:
                    self._say("home_parked", f"{runner.id} {cell.parked.partition(':')[0]}", home, runner.id)
                    self._told.add(seen)

    def _say(self, name: str, once: str, home: int | None, service: str) -> None:
        """Both in one Transaction; said twice it is said once. Why is in the log and on the services page, as it may name values."""
        now = from_us(self._side.clock.now_us())
        values = {"service": service} if service else {}
        key = f"{SERVICE}/{home or 0}/alert/{name}/{once}"
        case = CaseEvent(
            key=key, kind="alert", action=OPEN, name=name, time=now, thing=home, service=SERVICE, values=values,
            severity="extreme", priority=0, unit=CARE_UNIT, access="internal" if home is None else "personal",
            by=f"service:{SERVICE}",
        )  # fmt: skip
        notice = NoticeEvent(
            key=f"{SERVICE}/{home or 0}/{name}/{once}", action=REQUESTED, name=name, time=now, thing=home,
            service=SERVICE, to=f"{UNIT}{CARE_UNIT}", values=values, case=key, urgent=True,
        )  # fmt: skip
        entries = [
            Entry(RecordKind.CASE, _encode(case), origin=SERVICE),
            Entry(RecordKind.NOTICE, _encode(notice), origin=SERVICE),
        ]
        log.error("%s (Thing %s, %s): the care unit is told", name.replace("_", " "), home or "-", once)
        self._side.store.submit(Transaction(entries), Lane.LIFE_SAFETY).result()
