"""frost_sta_client's Tasking, as it comes from PyPI, against a city over a socket."""

from collections.abc import Callable, Iterator
from typing import Any

import frost_sta_client as fsc
import pytest
from tests.api.conftest import clock, make_context, selector, store  # noqa: F401  # fixtures
from tests.api.test_socket import Server

from dongne.web.api import ApiContext

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own


@pytest.fixture
def service(make_context: Callable[..., ApiContext]) -> Iterator[Any]:  # noqa: F811
    server = Server(make_context())
    yield fsc.SensorThingsService(f"{server.url}/v1.1")
    server.close()


def test_the_client_makes_a_capability_and_sends_a_task(service: Any) -> None:
    thing = fsc.Thing("Lamp", "a lamp", {})
    service.create(thing)
    actuator = fsc.Actuator("Driver", "d", encoding_type="text/plain", metadata="m")
    service.create(actuator)
    capability = fsc.TaskingCapability("level", "how bright")
    level = {"name": "level", "type": "Quantity", "constraint": {"interval": [[0, 100]]}}
    capability.tasking_parameters = {"type": "DataRecord", "field": [level]}
    capability.thing, capability.actuator = thing, actuator
    service.create(capability)
    task = fsc.Task(tasking_parameters={"level": 40})
    task.tasking_capability = capability
    service.create(task)
    found = service.tasks().find(task.id)
    assert found.tasking_parameters == {"level": 40}
    assert found.creation_time
    (one,) = list(service.tasking_capabilities().query().expand("Actuator").list())
    assert one.actuator.name == "Driver"
    assert [inner.id for inner in service.tasks().query().filter("state eq 'created'").list()] == [task.id]
