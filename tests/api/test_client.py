"""The Python client against a real city over a real socket."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.api.conftest import NOW
from tests.api.test_socket import Server

from dongne.client import (
    AsyncCity,
    BadRequest,
    City,
    Datastream,
    Location,
    NoSuchThing,
    Observation,
    ObservedProperty,
    Sensor,
    Thing,
    TryLater,
    Unit,
)
from dongne.client.events import EventReader
from dongne.web.api import ApiContext

START = NOW - timedelta(days=1)


@pytest.fixture
def server(make_context: Callable[..., ApiContext]) -> Iterator[Server]:
    opened = Server(make_context())
    yield opened
    opened.close()


@pytest.fixture
def city(server: Server) -> Iterator[City]:
    with City(server.url) as opened:
        yield opened


def basket(number: int) -> Thing:
    return Thing(
        name=f"Basket {number}",
        properties={"kind": "waste_basket", "number": number},
        locations=[Location(name="here", location={"type": "Point", "coordinates": [0.5, 0.5]})],
        datastreams=[
            Datastream(
                name="how full",
                unit_of_measurement=Unit(name="percent", symbol="%", definition="ucum:%"),
                sensor=Sensor(name="ultrasound"),
                observed_property=ObservedProperty(name="fill_level", definition="urn:fill"),
            )
        ],
    )


def test_a_thing_made_with_all_that_hangs_on_it_comes_back_typed(city: City) -> None:
    made = city.create(basket(1))
    found = city.get(Thing, made, expand="Locations,Datastreams($expand=Sensor,ObservedProperty)")
    assert (found.id, found.name, found.properties) == (made, "Basket 1", {"kind": "waste_basket", "number": 1})
    assert found.locations[0].location == {"type": "Point", "coordinates": [0.5, 0.5]}
    (stream,) = found.datastreams
    assert stream.sensor is not None and stream.sensor.name == "ultrasound"
    assert stream.unit_of_measurement == Unit(name="percent", symbol="%", definition="ucum:%")


def test_an_entity_with_an_id_inside_a_new_one_is_a_link(city: City) -> None:
    thing = city.create(basket(1))
    sensor = city.create(Sensor(name="a second one"))
    seen = city.create(ObservedProperty(name="temperature", definition="urn:t"))
    stream = city.create(
        Datastream(
            name="t", thing=Thing(id=thing), sensor=Sensor(id=sensor), observed_property=ObservedProperty(id=seen)
        )
    )
    assert city.count(Thing) == 1
    assert {found.id for found in city.list(Datastream, under=Thing(id=thing))} >= {stream}


def test_a_list_goes_on_over_all_pages(city: City) -> None:
    for number in range(7):
        city.create(basket(number))
    names = [found.name for found in city.list(Thing, orderby="name", top=3)]
    assert names == [f"Basket {number}" for number in range(7)]
    assert city.count(Thing, filter="properties/number ge 5") == 2
    found = city.find(Thing, "properties/number eq 4")
    assert found is not None and found.name == "Basket 4"
    assert city.find(Thing, "name eq 'nobody'") is None


def test_what_is_sent_is_there_and_what_is_refused_says_why(city: City) -> None:
    city.create(basket(1))
    assert city.observe(1, 40.0, START) > 0
    rows: dict[int, list[tuple[datetime | str, float]]] = {
        1: [(START + timedelta(seconds=number), number % 100) for number in range(1, 12_001)],
        99: [(START, 1.0)],
    }
    sent = city.observe_many(rows)
    assert len(sent.ids) == 12_001 and len(set(sent.ids)) == 12_001
    assert list(sent.errors) == [12_000] and "no Datastream 99" in sent.errors[12_000]
    assert city.count(Observation) == 12_001
    newest = next(iter(city.list(Observation, under=Datastream(id=1), orderby="phenomenonTime desc", top=1)))
    assert newest.result == 0


def test_changes_and_deletions_reach_the_city(city: City) -> None:
    made = city.create(basket(1))
    city.change(Thing, made, name="Basket by the door")
    assert city.get(Thing, made).name == "Basket by the door"
    city.delete(Thing, made)
    with pytest.raises(NoSuchThing) as caught:
        city.get(Thing, made)
    assert caught.value.status == 404


def test_errors_are_the_citys_own_words(city: City) -> None:
    with pytest.raises(BadRequest, match="there is no option"):
        list(city.list(Thing, nonsense=1))
    with pytest.raises(BadRequest, match="says no zone"):
        city.observe(1, 1.0, datetime(2026, 1, 1))  # noqa: DTZ001  # that is the fault
    with City("http://127.0.0.1:1") as nowhere, pytest.raises(TryLater, match="is the city running"):
        nowhere.count(Thing)


def test_tables_come_as_arrow_and_as_frames(city: City) -> None:
    city.create(basket(1))
    city.observe_many({1: [(START + timedelta(minutes=number), float(number % 60)) for number in range(180)]})
    table = city.observations(1, since=START, until=START + timedelta(hours=3))
    assert len(table) == 180
    hours = city.aggregates(
        1, interval="PT1H", since=START, until=START + timedelta(hours=3), values=("n", "mean", "p50")
    )
    frame = hours.pandas()
    assert frame["n"].tolist() == [60, 60, 60]
    assert frame["mean"].tolist() == pytest.approx([29.5] * 3)
    assert len(city.latest(1)) == 1


def test_listening_goes_on_where_the_connection_was_lost(city: City, server: Server) -> None:
    city.create(basket(1))
    numbers = [city.observe(1, float(value), START + timedelta(seconds=value)) for value in range(5)]
    heard = []
    events = city.listen(datastreams=[1], after=0)
    for event in events:
        heard.append(event.number)
        if len(heard) == 3:
            break
    again = city.listen(datastreams=[1], after=heard[-1])
    heard += [next(again).number, next(again).number]
    assert heard == numbers


def test_events_are_whole_however_the_bytes_come() -> None:
    wire = b'retry: 2000\n: hello\n\nevent: observation\nid: 7\ndata: {"result": 1}\n\nevent: observation\nid: 9\ndata: {}\n\n'
    reader = EventReader()
    found = [event for at in range(len(wire)) for event in reader.take(wire[at : at + 1])]
    assert [(event.number, event.data) for event in found] == [(7, {"result": 1}), (9, {})]
    assert reader.begin() == {"last-event-id": "9"}


def test_the_asynchronous_client_does_the_same(server: Server) -> None:
    async def work() -> tuple[list[str], list[int], int]:
        async with AsyncCity(server.url) as city:
            for number in range(4):
                await city.create(basket(number))
            names = [found.name async for found in city.list(Thing, top=3, orderby="name")]
            sent = await city.observe_many({1: [(START, 1.0), (START + timedelta(seconds=1), 2.0)]})
            heard = []
            async for event in city.listen(after=0):
                heard.append(event.number)
                if len(heard) == 2:
                    break
            return names, heard, sent.ids[0]

    names, heard, first = asyncio.run(work())
    assert names == [f"Basket {number}" for number in range(4)]
    assert heard == [first, first + 1]


def test_many_threads_share_one_client(city: City) -> None:
    city.create(basket(1))
    failed: list[Any] = []

    def send(worker: int) -> None:
        try:
            for number in range(20):
                city.observe(1, float(worker), START + timedelta(seconds=worker * 100 + number))
        except Exception as error:  # noqa: BLE001  # the test says which
            failed.append(error)

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert city.count(Observation) == 80
