"""Two homes over a real sealed store: one of somebody, one that is simulated."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from little_city import NOW, LittleCity

from dongne.adapters.channels.screen import ScreenBoard
from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.gateways.register import HomeRegister
from dongne.model.cases import Case, CaseEvent
from dongne.model.home import Contact, HomeDevice, NewHome
from dongne.model.notices import Notice, NoticeEvent, event_of
from dongne.model.records import RecordKind
from dongne.model.times import format_instant, from_us, to_us
from dongne.runtime.answering import AnswerDesk
from dongne.runtime.consents import Consents
from dongne.runtime.ports import Entry, Transaction
from dongne.standards.home_links import HomeLink, Use, make_link
from dongne.stores.sealed import SealedStore

REAL = NewHome(
    gateway="gw-zz1", person="zzperson", point=(24.944432, 60.171111), address={"RD": "Zzstreet", "HNO": "7"},
    contacts=(Contact("daughter", "guardian", "Zzdaughter", (("sms", "+8210zz"),)),),
    devices=(HomeDevice("zzsmoke", ("smoke",)), HomeDevice("zzheat", ("heat",))), agrees=("daughter", "medical_note"),
    medical_note="zznote", phone="+82zzphone",
)  # fmt: skip
PLAYED = NewHome(
    gateway="gw-demo", person="qqperson", devices=(HomeDevice("smoke-1", ("smoke",)),), simulated=True,
    contacts=(Contact("son", "guardian", "Qqson", (("sms", "+999"),)),), agrees=("son",),
)  # fmt: skip
PLANTED = (
    "zzperson",
    "gw-zz1",
    "Zzstreet",
    "Zzdaughter",
    "+8210zz",
    "zznote",
    "zzphone",
    "24.944432",
    "60.171111",
    "zzsmoke",
    "zzheat",
)


SECRET = b"a secret of the little homes, long enough"


class HomeClock:
    def __init__(self) -> None:
        self.us = to_us(NOW)

    def now_us(self) -> int:
        return self.us


@dataclass
class Homes:
    """What the pages need of homes, over a real store."""

    store: SealedStore
    clock: HomeClock

    def __post_init__(self) -> None:
        self.screens = ScreenBoard()
        self.answers = AnswerDesk([self.store], SECRET, lambda: "http://testserver")
        self.consents = Consents(self.store)
        self.gateways = GatewayDesk(self.store, self.consents.holds)
        self.real, self.played = HomeRegister(self.store, self.gateways.book).add([REAL, PLAYED], "test")

    @property
    def now(self) -> datetime:
        """By its clock."""
        return from_us(self.clock.us)

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.clock.us += round(seconds * 1e6)

    def answered(self, notice: Notice) -> list[tuple[str, str, str]]:
        """What was answered to it: answer, by whom, by which channel."""
        found = self.store.find_notice(notice.key)
        assert found is not None
        return [(one.answer, one.by, one.channel) for one in found.answers]

    def withdraw(self, gateway: str) -> int:
        home = self.gateways.book.find_home(gateway)
        assert home is not None
        self.store.withdraw(home)
        self.consents.forget(home)
        return home

    def close(self) -> None:
        self.gateways.close()
        self.consents.close()
        self.store.close()


def log_of(city: LittleCity) -> list[tuple[str, str, str, str]]:
    assert city.guard is not None
    city.guard._notes.close()  # what waits is written
    return [(entry.who, entry.what, entry.place, entry.detail) for entry in city.guard.book.list_entries()]


def write(homes: Homes, kind: RecordKind, *events: CaseEvent | NoticeEvent) -> list[int]:
    entries = [Entry(kind, msgspec.msgpack.encode(event)) for event in events]
    return list(homes.store.submit(Transaction(entries)).result().numbers)


def open_alarm(homes: Homes, home: int, once: str = "1", **more: Any) -> Case:
    """A fire in this home, as the service opens it."""
    key = f"home_alarm/{home}/home_alarm/fire/{once}"
    given = {"key": key, "kind": "home_alarm", "action": "open", "name": "fire", "time": homes.now, "thing": home,
             "service": "home_alarm", "priority": 0, "unit": "care_desk", "access": "personal", "by": "service:home_alarm",
             "values": {"raised": format_instant(homes.now - timedelta(seconds=2))}, **more}  # fmt: skip
    write(homes, RecordKind.CASE, msgspec.convert(given, CaseEvent))
    case = homes.store.find_case(key)
    assert case is not None
    return case


def ask(homes: Homes, home: int, name: str = "ask_fire", to: str = "resident", case: str = "", **more: Any) -> Notice:
    """A notice that is requested."""
    given = {"key": f"home_alarm/{home}/{name}/1", "action": "requested", "name": name, "time": homes.now, "thing": home,
             "service": "home_alarm", "to": to, "case": case, "asks": True, "urgent": True, **more}  # fmt: skip
    write(homes, RecordKind.NOTICE, msgspec.convert(given, NoticeEvent))
    found = homes.store.find_notice(given["key"])
    assert found is not None
    return found


def go_on(homes: Homes, notice: Notice, action: str, **more: Any) -> None:
    """The next step of a notice."""
    write(homes, RecordKind.NOTICE, event_of(notice, action, homes.now, **more))


def link_of(homes: Homes, use: Use, home: int, **more: Any) -> str:
    """The path of a page that is opened by a link."""
    now_s = int(homes.now.timestamp())
    given = {"use": use, "home": home, "made_s": now_s, "until_s": now_s + 3_600, **more}
    return f"/homes/{use}/{make_link(SECRET, msgspec.convert(list(given.values()), HomeLink))}"
