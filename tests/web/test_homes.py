"""The pages of homes: who may open them, why, and what is written down; whatever they show of one home, in its order."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from little_city import NOW, Browser, LittleCity, open_little_city, visiting

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.gateways.register import HomeRegister
from dongne.model.cases import CaseEvent
from dongne.model.home import Contact, HomeDevice, NewHome
from dongne.model.notices import NoticeEvent
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.model.who import BENCH, Right, Who
from dongne.runtime.consents import Consents
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.sealed import SealedStore
from dongne.web.homes_sight import HomesSight

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
        self.consents = Consents(self.store)
        self.gateways = GatewayDesk(self.store, self.consents.holds)
        self.real, self.played = HomeRegister(self.store, self.gateways.book).add([REAL, PLAYED], "test")

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


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    clock = HomeClock()
    made = Homes(SealedStore.open(tmp_path / "homes", clock), clock)
    yield made
    made.close()


@pytest.fixture
def city(tmp_path: Path, homes: Homes) -> Iterator[LittleCity]:
    with open_little_city(tmp_path / "store", guarded_at="0.0.0.0", homes=homes.store, care=homes) as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path, homes: Homes) -> Iterator[LittleCity]:
    """As `dongne run` is at an address of this machine only."""
    with open_little_city(tmp_path / "bench", guarded_at="127.0.0.1", homes=homes.store, care=homes) as made:
        yield made


def log_of(city: LittleCity) -> list[tuple[str, str, str, str]]:
    assert city.guard is not None
    city.guard._notes.close()  # what waits is written
    return [(entry.who, entry.what, entry.place, entry.detail) for entry in city.guard.book.list_entries()]


def write(homes: Homes, kind: RecordKind, *events: CaseEvent | NoticeEvent) -> list[int]:
    entries = [Entry(kind, msgspec.msgpack.encode(event)) for event in events]
    return list(homes.store.submit(Transaction(entries)).result().numbers)


def test_who_may_not_see_homes_is_told_what_to_do_and_nothing_of_them(city: LittleCity, homes: Homes) -> None:
    for role, status in (("", 401), ("operator", 403), ("auditor", 403), ("planner", 403), ("device", 403)):
        with visiting(city, role) as who:
            for road in (
                "/homes",
                f"/homes/{homes.real}",
                f"/homes/{homes.played}",
                f"/homes/{homes.real}/now.json",
                "/homes/999",
            ):
                found = who.get(road)
                assert found.status_code == status and "ask a carer" in found.text, (role, road)
                assert not any(planted in found.text for planted in (*PLANTED, "qqperson")), (role, road)


def test_an_open_bench_sees_simulated_homes_and_never_a_real_one(bench: LittleCity, homes: Homes) -> None:
    headers = {"accept-language": "en", "host": "127.0.0.1"}
    with visiting(bench) as elsewhere:  # under a name that is not this machine's
        assert elsewhere.get("/homes").status_code == 401
    with contextlib.closing(Browser(bench, **headers)) as whoever:
        page = whoever.get("/homes").text
        assert "qqperson" in page and "open bench" in page
        assert whoever.get(f"/homes/{homes.played}").status_code == 200
        for road in (
            "/homes",
            "/homes?q=zz",
            "/cases",
            "/cases?show=all",
            "/",
            f"/homes/{homes.real}",
            f"/homes/{homes.real}/now.json",
        ):
            assert not any(planted in whoever.get(road).text for planted in PLANTED), road
        assert whoever.get(f"/homes/{homes.real}").status_code == 404
    assert HomesSight(homes.store).find(Who()) is None
    assert HomesSight(homes.store).find(Who("x", "operator", frozenset({Right.CASE}), is_known=True)) is None
    sight = HomesSight(homes.store).find(BENCH)
    assert sight is not None and sight.things == {homes.played} and not sight.is_all


def test_each_view_of_a_home_has_a_purpose_and_is_in_the_audit_log(city: LittleCity, homes: Homes) -> None:
    road = f"/homes/{homes.real}"
    with visiting(city, "carer") as carer:  # its token says "rounds"
        for _ in range(2):
            assert "zznote" in carer.get(road).text
        carer.get(road, headers={"sec-fetch-dest": "empty"})
    seen = [entry for entry in log_of(city) if entry[1] == "home seen"]
    assert seen[:2] == [("carer kim", "home seen", road, "carer rounds")] * 2 and len(seen) == 3
