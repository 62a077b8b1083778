"""frost_sta_client, as it comes from PyPI, against a city over a socket: no step may fail."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import frost_sta_client as fsc
import pytest
from tests.api.conftest import NOW, clock, make_context, selector, store  # noqa: F401  # fixtures
from tests.api.test_socket import Server

from dongne.web.api import ApiContext

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
POINT = {"type": "Point", "coordinates": [24.9, 60.1]}


@pytest.fixture
def service(make_context: Callable[..., ApiContext]) -> Iterator[Any]:  # noqa: F811
    server = Server(make_context())
    yield fsc.SensorThingsService(f"{server.url}/v1.1")
    server.close()


def test_the_clients_everyday_steps_work(service: Any) -> None:
    place = fsc.Location("Place", "where", encoding_type="application/geo+json", location=POINT)
    thing = fsc.Thing("Thing", "a thing", {"kind": "bench"}, [place])
    service.create(thing)
    assert thing.id
    sensor = fsc.Sensor("Sensor", "s", encoding_type="text/html", metadata="m")
    observed = fsc.ObservedProperty("Temperature", "urn:t", "t")
    service.create(sensor)
    service.create(observed)
    unit = fsc.UnitOfMeasurement("degree Celsius", "Cel", "urn:unit")
    stream = fsc.Datastream("Stream", "d", "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement", unit)
    stream.thing, stream.sensor, stream.observed_property = thing, sensor, observed
    service.create(stream)
    start = NOW.replace(hour=0)
    for number in range(12):
        at = start + timedelta(minutes=number)
        service.create(fsc.Observation(phenomenon_time=at.isoformat(), result=float(number), datastream=stream))
    found = service.observations().query().filter("result gt 5").orderby("phenomenonTime", "desc").top(3).list()
    assert [one.result for one in found.entities[:3]] == [11, 10, 9]
    assert sum(1 for _ in service.observations().query().top(5).list()) == 12  # follows the next links
    thing = service.things().find(thing.id)  # the Location it was made with has no id in the client's own copy
    thing.name = "Renamed"
    service.update(thing)
    assert service.things().find(thing.id).name == "Renamed"
    expanded = service.things().query().expand("Datastreams,Locations").list()
    (one,) = list(expanded)
    assert [inner.name for inner in one.datastreams] == ["Stream"]
    assert service.datastreams().query().count().list().count == 1
    stream.description = "changed"
    service.patch(stream, [{"op": "replace", "path": "/description", "value": "patched"}])
    assert service.datastreams().find(stream.id).description == "patched"
    service.delete(stream)
    assert not list(service.observations().query().list())
    service.delete(thing)
    assert not list(service.things().query().list())


def test_the_client_sends_a_data_array(service: Any) -> None:
    unit = fsc.UnitOfMeasurement("percent", "%", "urn:unit")
    kind = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
    stream = fsc.Datastream("Level", "d", kind, unit)
    stream.sensor = fsc.Sensor("Sensor", "s", encoding_type="text/html", metadata="m")
    stream.observed_property = fsc.ObservedProperty("Level", "urn:l", "l")
    place = fsc.Location("Place", "where", encoding_type="application/geo+json", location=POINT)
    stream.thing = fsc.Thing("Thing", "a thing", {}, [place])
    service.create(stream)
    values = fsc.model.ext.data_array_value.DataArrayValue()
    values.datastream = fsc.Datastream(id=stream.id)
    properties = fsc.model.ext.data_array_value.DataArrayValue.Property
    values.components = {properties.PHENOMENON_TIME, properties.RESULT}
    for number in range(50):
        at = (NOW - timedelta(minutes=number)).isoformat()
        values.add_observation(fsc.Observation(phenomenon_time=at, result=float(number)))
    document = fsc.model.ext.data_array_document.DataArrayDocument()
    document.add_data_array_value(values)
    service.observations().create(document)
    assert service.observations().query().count().list().count == 50
