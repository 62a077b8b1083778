"""What somebody agreed to holds until it is withdrawn, from that commit on and after a restart."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dongne.model.cases import CaseEvent
from dongne.model.entities import Thing, put
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.consents import KIND, Consents, consent_key
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


class FixedClock:
    def now_us(self) -> int:
        return to_us(NOON)


def step(store: EmbeddedStore, what: str, action: str, round_: int = 1, **more: object) -> None:
    event = CaseEvent(
        key=consent_key(1, what, round_), kind=KIND, action=action, name=KIND, time=NOON, thing=1, by="carer",
        values={"what": what} if action == "open" else {}, **more,
    )  # fmt: skip
    store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))])).result()


def test_a_consent_holds_until_it_is_withdrawn_and_can_be_given_anew(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path, FixedClock(), follow=False)
    home = Thing(id=1, name="home", properties={"kind": "home"})
    store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(home)]))])).result()
    consents = Consents(store)
    assert not consents.holds(1, "motion")
    step(store, "motion", "open")
    step(store, "daughter", "open")
    assert consents.list_given(1) == ["daughter", "motion"]
    step(store, "motion", "withdraw", cause="by_person")
    assert not consents.holds(1, "motion") and consents.holds(1, "daughter")
    consents.close()
    store.close()
    store = EmbeddedStore.open(tmp_path, FixedClock(), follow=False)
    consents = Consents(store)
    assert consents.list_given(1) == ["daughter"]
    step(store, "daughter", "withdraw", cause="by_guardian")
    step(store, "motion", "open", 2)
    assert consents.list_given(1) == ["motion"]
    store.close()


def test_a_withdrawal_that_names_no_home_holds_too(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path, FixedClock(), follow=False)
    consents = Consents(store)
    step(store, "motion", "open")
    event = CaseEvent(
        key=consent_key(1, "motion"), kind=KIND, action="withdraw", name=KIND, time=NOON, cause="by_person"
    )
    store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))])).result()
    assert not consents.holds(1, "motion")
    store.close()


def test_a_home_is_forgotten_while_others_say_what_they_agree_to(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path, FixedClock(), follow=False)
    consents = Consents(store)
    events = [
        CaseEvent(
            key=consent_key(home, "motion"), kind=KIND, action="open", name=KIND, time=NOON, thing=home, by="carer",
            values={"what": "motion"},
        )
        for home in range(1, 2_001)
    ]  # fmt: skip
    entries = [Entry(RecordKind.CASE, msgspec.msgpack.encode(event)) for event in events]
    told = [store.submit(Transaction(entries[at : at + 50])) for at in range(0, 2_000, 50)]
    while not told[-1].done():
        consents.forget(9_999)
    assert all(consents.holds(home, "motion") for home in range(1, 2_001))
    store.close()
