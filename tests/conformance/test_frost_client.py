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
KIND = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
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


def make_stream(service: Any, thing: Any, name: str = "Stream") -> Any:
    """A Datastream of its own Sensor and ObservedProperty, made in one go."""
    stream = fsc.Datastream(name, "d", KIND, fsc.UnitOfMeasurement("degree Celsius", "Cel", "urn:unit"))
    stream.thing = thing
    stream.sensor = fsc.Sensor("Sensor", "s", encoding_type="text/html", metadata="m")
    stream.observed_property = fsc.ObservedProperty("Temperature", "urn:t", "t")
    service.create(stream)
    return stream


def make_thing(service: Any) -> Any:
    place = fsc.Location("Place", "where", encoding_type="application/geo+json", location=POINT)
    thing = fsc.Thing("Thing", "a thing", {"kind": "bench"}, [place])
    service.create(thing)
    return thing


def test_a_whole_tree_is_made_at_once_and_walked(service: Any) -> None:
    thing = fsc.Thing(
        "Deep", "all at once", {}, [fsc.Location("P", "p", encoding_type="application/geo+json", location=POINT)]
    )
    stream = fsc.Datastream("Inner", "d", KIND, fsc.UnitOfMeasurement("percent", "%", "urn:unit"))
    stream.sensor = fsc.Sensor("Sensor", "s", encoding_type="text/html", metadata="m")
    stream.observed_property = fsc.ObservedProperty("Share", "urn:s", "s")
    stream.observations = [
        fsc.Observation(phenomenon_time=(NOW - timedelta(hours=n)).isoformat(), result=float(n)) for n in (1, 2, 3)
    ]
    thing.datastreams = [stream]
    service.create(thing)
    (found,) = list(service.things().query().expand("Datastreams/Observations,Locations").list())
    (inner,) = found.datastreams
    assert sorted(one.result for one in inner.observations) == [1, 2, 3]
    stream = service.datastreams().find(inner.id)
    assert sorted(one.result for one in stream.get_observations().query().list()) == [1, 2, 3]
    assert [one.name for one in found.locations] == ["P"]
    (whole,) = list(service.datastreams().query().expand("Thing,Sensor").list())
    assert (whole.thing.name, whole.sensor.name) == ("Deep", "Sensor")


def test_every_kind_of_entity_is_fetched_changed_and_kept(service: Any) -> None:
    thing = make_thing(service)
    stream = make_stream(service, thing)
    feature = fsc.FeatureOfInterest("Feature", "f", encoding_type="application/geo+json", feature=POINT)
    service.create(feature)
    observation = fsc.Observation(
        phenomenon_time=NOW.isoformat(), result=3.5, datastream=stream, feature_of_interest=feature
    )
    service.create(observation)
    for kind in ("things", "locations", "sensors", "observed_properties", "datastreams", "features_of_interest"):
        (entity,) = [one for one in getattr(service, kind)().query().list() if one.name != "Elsewhere"][:1]
        again = getattr(service, kind)().find(entity.id)
        again.description = f"changed {kind}"
        service.update(again)
        assert getattr(service, kind)().find(entity.id).description == f"changed {kind}"
    found = service.observations().find(observation.id)
    found.result = 4.5
    service.update(found)
    assert service.observations().find(observation.id).result == 4.5
    (past,) = list(service.historical_locations().query().list())
    service.update(service.historical_locations().find(past.id))
    moved = service.things().find(thing.id)
    moved.locations = [fsc.Location("Elsewhere", "there", encoding_type="application/geo+json", location=POINT)]
    service.create(moved.locations.entities[0])
    service.update(moved)
    assert [one.name for one in service.things().find(thing.id).get_locations().query().list()] == ["Elsewhere"]


def test_a_thing_is_changed_by_the_copy_with_which_it_was_made(service: Any) -> None:
    thing = make_thing(service)
    thing.description = "changed at once"
    service.update(thing)
    found = service.things().find(thing.id)
    assert found.description == "changed at once"
    assert [one.name for one in found.get_locations().query().list()] == ["Place"]
    assert len(list(service.locations().query().list())) == 1


def test_queries_of_every_form_are_answered(service: Any) -> None:
    stream = make_stream(service, make_thing(service))
    for n in range(5):
        at = (NOW - timedelta(hours=n)).isoformat()
        service.create(fsc.Observation(phenomenon_time=at, result=n, datastream=stream))
    observations = service.observations()
    found = (
        observations.query()
        .filter("result ge 1 and Datastream/name eq 'Stream'")
        .orderby("result", "desc")
        .skip(1)
        .top(2)
    )
    assert [one.result for one in found.list().entities[:2]] == [3, 2]
    latest = service.datastreams().query().expand("Observations($orderby=phenomenonTime desc;$top=1),Thing").list()
    assert [one.result for one in next(iter(latest)).observations] == [0]
    assert observations.query().count().filter("result lt 3").list().count == 3
    chosen = list(observations.query().select("result", "phenomenonTime").orderby("result", "asc").list())
    assert [one.result for one in chosen] == [0, 1, 2, 3, 4]
    assert [one.result for one in observations.query().orderby("result").list()] == [4, 3, 2, 1, 0]  # sends DESC
    assert len(list(service.things().query().filter("Datastreams/any(d:d/name eq 'Stream')").list())) == 1


def test_multi_datastreams_are_filled_and_read(service: Any) -> None:
    """The client can't make one itself: since Python 3.11 it sends null for the units."""
    thing = make_thing(service)
    units = [{"name": name, "symbol": name, "definition": f"urn:{name}"} for name in ("m/s", "deg")]
    observed = [{"name": name, "description": "", "definition": f"urn:{name}"} for name in ("speed", "direction")]
    wind = {
        "name": "Wind", "description": "d", "unitOfMeasurements": units, "multiObservationDataTypes": [KIND, KIND],
        "Sensor": {"name": "S", "description": "", "encodingType": "text/html", "metadata": "m"},
        "ObservedProperties": observed, "Thing": {"@iot.id": thing.id},
    }  # fmt: skip
    service.execute("post", f"{service.url}/MultiDatastreams", json=wind)
    (multi,) = list(service.multi_datastreams().query().list())
    service.create(fsc.Observation(phenomenon_time=NOW.isoformat(), result=[3.5, 270.0], multi_datastream=multi))
    found = service.observations().query().filter(f"MultiDatastream/id eq {multi.id}").list()
    assert [one.result for one in found] == [[3.5, 270.0]]
