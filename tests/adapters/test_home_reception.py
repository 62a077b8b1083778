"""What gateways say over MQTT and has to wait: brought again, each with an outcome of its own."""

from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import msgspec
import pytest

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.mqtt import home_reception
from dongne.adapters.mqtt.home_reception import HomeReception
from dongne.adapters.mqtt.parcels import Parcel
from dongne.adapters.mqtt.wire import Message
from dongne.model.entities import EntityType, Remove, Thing, put
from dongne.model.errors import NotFound
from dongne.model.home import DeviceEvent, GatewayMessage, GatewayReply
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


def test_one_whose_home_is_gone_meanwhile_keeps_no_other_from_being_brought_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EmbeddedStore.open(tmp_path, SimpleNamespace(now_us=lambda: to_us(NOON)), follow=False)

    def change(*changes: object) -> None:
        store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(changes))])).result(20)

    def parcel_of(gateway: str) -> tuple[Parcel, bytes]:
        pressed = DeviceEvent("button-1", "button", NOON, 1.0)
        body = msgspec.json.encode(GatewayMessage(gateway, 1, NOON, (pressed,)))
        return Parcel(
            SimpleNamespace(who=None), Message(f"homes/{gateway}/messages", body, 1, 1, False, False), 1
        ), body

    change(*(put(Thing(id=n, name=f"home {n}", properties={"kind": "home", "gateway": f"gw-{n}"})) for n in (1, 2)))
    desk = GatewayDesk(store)
    back: SimpleQueue[tuple[Parcel, Future[GatewayReply]]] = SimpleQueue()
    reception = HomeReception(desk, lambda parcel, told: back.put((parcel, told)))
    monkeypatch.setattr(home_reception, "PAUSE_S", 0.0)
    parcels = [parcel_of(gateway) for gateway in ("gw-1", "gw-2")]
    for parcel, body in parcels:
        reception._messages[parcel] = desk.decode(body)
        reception.hold(parcel)  # the store could not take it then
    change(Remove(EntityType.THING, 1))
    assert reception.retry() == 2
    came = dict(back.get(timeout=20) for _ in parcels)
    outcomes = [came[parcel].exception(20) for parcel, _ in parcels]
    assert isinstance(outcomes[0], NotFound) and outcomes[1] is None
    assert reception.held_back == 0
    store.close()
