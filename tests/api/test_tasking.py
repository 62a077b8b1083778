"""Tasks over HTTP: checked against the capability's schema and interlocks, moved on by the device, found by queries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.api.conftest import CITY, NOW, Client, StandingClock

from dongne.model.entities import put
from dongne.model.records import RecordKind
from dongne.model.tasks import TaskEvent
from dongne.model.who import ANYBODY, Right, Who
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.web.api import ApiContext, create_api

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"level": {"type": "number", "minimum": 0, "maximum": 100}},
    "required": ["level"],
    "additionalProperties": False,
}
RECORD: dict[str, Any] = {
    "type": "DataRecord",
    "field": [
        {
            "name": "status",
            "label": "On/Off status",
            "type": "Category",
            "constraint": {"type": "AllowedTokens", "value": ["on", "off"]},
        },
        {"name": "level", "type": "Quantity", "constraint": {"interval": [[0, 100]]}, "optional": True},
    ],
}


def capability(schema: dict[str, Any] = SCHEMA, **properties: Any) -> dict[str, Any]:
    return {
        "name": "light_level",
        "description": "How bright it is set",
        "taskingParameters": schema,
        "properties": properties,
        "Actuator": {"name": "Driver", "description": "", "encodingType": "text/plain", "metadata": "D4i"},
    }


def send(client: Client, made: int, **parameters: Any) -> Any:
    document = {"taskingParameters": parameters, "TaskingCapability": {"@iot.id": made}}
    return client.post("/v1.1/Tasks", json=document)


def test_a_task_is_taken_and_read_back_by_every_way(client: Client, lamp: int) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability())
    first = send(client, made, level=40)
    assert first.status_code == 201
    assert first.headers["location"].startswith("http://city.test/v1.1/Tasks(")
    number = int(first.headers["location"].rpartition("(")[2].rstrip(")"))
    found = client.json(f"Tasks({number})")
    assert (found["taskingParameters"], found["state"]) == ({"level": 40}, "created")
    assert found["creationTime"] == found["stateTime"]
    second = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 90}})
    assert client.json(f"Tasks({number})/TaskingCapability")["@iot.id"] == made
    assert client.json(f"TaskingCapabilities({made})/Tasks({second})")["taskingParameters"] == {"level": 90}
    listed = client.json("Tasks", filter="taskingParameters/level gt 50", count="true", expand="TaskingCapability")
    assert [one["@iot.id"] for one in listed["value"]] == [second]
    assert listed["value"][0]["TaskingCapability"]["name"] == "light_level"
    newest = client.json("Tasks", orderby="creationTime desc,id desc", top="1")
    assert newest["value"][0]["@iot.id"] == second
    tree = client.json(f"Things({lamp})", expand="TaskingCapabilities($expand=Tasks($count=true))")
    assert tree["TaskingCapabilities"][0]["Tasks@iot.count"] == 2


@pytest.mark.parametrize(
    ("schema", "parameters", "says"),
    [
        (SCHEMA, {"level": 140}, "$.taskingParameters.level"),
        (SCHEMA, {"level": "much"}, "is not of type 'number'"),
        (SCHEMA, {}, "'level' is a required property"),
        (SCHEMA, {"level": 5, "colour": "red"}, "colour"),
        (RECORD, {"status": "dim"}, "$.taskingParameters.status"),
        (RECORD, {"level": 5}, "'status' is a required property"),
        (RECORD, {"status": "on", "level": 101}, "$.taskingParameters.level"),
    ],
)
def test_parameters_that_the_schema_does_not_allow_are_refused_by_their_place(
    client: Client, lamp: int, schema: dict[str, Any], parameters: dict[str, Any], says: str
) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(schema))
    refused = send(client, made, **parameters)
    assert refused.status_code == 400
    assert says in refused.json()["message"]
    assert client.json("Tasks")["value"] == []


def test_the_data_record_of_the_standards_examples_is_read_as_a_schema(client: Client, lamp: int) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(RECORD))
    assert send(client, made, status="on").status_code == 201
    assert client.json(f"TaskingCapabilities({made})")["taskingParameters"] == RECORD


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (capability({"type": "strange"}), "$.taskingParameters"),
        (capability({"$ref": "https://example.org/schema.json"}), "leads elsewhere"),
        (capability({"type": "DataRecord", "field": [{"type": "Text"}]}), "needs a 'name'"),
        (capability(interlocks=[{"perhaps": 1}]), "$.properties.interlocks[0]"),
        (capability(interlocks=[{"hours": ["late", "22:00"]}]), "hours"),
        (capability({"enum": ["x" * 70_000]}), "make it shorter"),
    ],
)
def test_a_capability_that_cannot_be_used_is_refused(
    client: Client, lamp: int, document: dict[str, Any], says: str
) -> None:
    refused = client.post(f"/v1.1/Things({lamp})/TaskingCapabilities", json=document)
    assert refused.status_code == 400
    assert says in refused.json()["message"]


def test_a_task_moves_by_its_steps_only(client: Client, lamp: int) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability())
    number = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 1}})

    def move(state: str, **more: Any) -> int:
        return client.request("PATCH", f"/v1.1/Tasks({number})", json={"state": state, **more}).status_code

    assert [move("accepted"), move("executing"), move("executing"), move("accepted")] == [200, 200, 200, 409]
    assert move("perhaps") == 400
    assert client.json("Tasks", filter="state eq 'executing'", count="true")["@iot.count"] == 1
    assert move("failed", properties={"reason": "no power"}) == 200
    found = client.json(f"Tasks({number})")
    assert (found["state"], found["properties"]["reason"]) == ("failed", "no power")
    assert client.request("DELETE", f"/v1.1/Tasks({number})").status_code == 200  # it has failed already
    other = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 2}})
    assert client.request("DELETE", f"/v1.1/Tasks({other})").status_code == 200
    assert client.json(f"Tasks({other})")["properties"]["reason"] == "cancelled"
    assert client.request("PATCH", "/v1.1/Tasks(9999)", json={"state": "done"}).status_code == 404


def test_interlocks_refuse_and_say_which(client: Client, lamp: int, clock: StandingClock) -> None:
    bright = {"when": {"datastream": 1, "above": 70}, "refuse": "it is bright enough"}
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(interlocks=[bright, {"min_interval_s": 60}]))
    other = client.create(f"Things({lamp})/TaskingCapabilities", capability(interlocks=[{"not_while_task": made}]))
    refused = send(client, made, level=5)  # the lamp's last value is 80.5
    assert refused.status_code == 409
    assert "interlock 0" in refused.json()["message"] and "bright enough" in refused.json()["message"]
    client.create("Datastreams(1)/Observations", {"result": 20, "phenomenonTime": clock.now.isoformat()})
    assert send(client, made, level=5).status_code == 201
    assert "interlock 1" in send(client, made, level=5).json()["message"]
    assert "is not done" in send(client, other, level=5).json()["message"]
    clock.now += timedelta(seconds=61)
    assert send(client, made, level=5).status_code == 201
    for task in client.json("Tasks")["value"]:
        client.request("PATCH", f"/v1.1/Tasks({task['@iot.id']})", json={"state": "done"})
    assert send(client, other, level=5).status_code == 201


def test_an_interlock_that_cannot_be_known_refuses(client: Client, lamp: int) -> None:
    interlock = {"when": {"datastream": 2, "above": 1}}
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(interlocks=[interlock]))
    assert "has no value" in send(client, made, level=5).json()["message"]


def test_tasks_go_with_their_capability_and_are_hidden_with_their_thing(
    client: Client, lamp: int, store: EmbeddedStore
) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability())
    number = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 1}})
    hide = {"properties": {"access": "personal"}}
    assert client.request("PATCH", f"/v1.1/Things({lamp})", json=hide).status_code == 200
    assert client.json("Tasks", count="true")["@iot.count"] == 0
    assert client.get(f"/v1.1/Tasks({number})").status_code == 404
    assert send(client, made, level=1).status_code == 404
    shown = msgspec.structs.replace(store.graph.things[lamp], properties={})
    store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(shown)]))])).result()
    assert client.json("Tasks", count="true")["@iot.count"] == 1
    assert client.request("DELETE", f"/v1.1/TaskingCapabilities({made})").status_code == 200
    assert client.json("Tasks", count="true")["@iot.count"] == 0
    assert client.get(f"/v1.1/Tasks({number})").status_code == 404


def test_tasks_recorded_with_the_names_of_before_are_read(client: Client, lamp: int, store: EmbeddedStore) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability())
    for state in ("created", "delivered", "completed"):
        event = TaskEvent(key="old", thing=lamp, capability="x", state=state, time=NOW, capability_id=made)
        store.submit(Transaction([Entry(RecordKind.TASK, msgspec.msgpack.encode(event))])).result()
    assert [one["state"] for one in client.json("Tasks")["value"]] == ["done"]
    store.rebuild_history()
    assert client.json("Tasks", filter="state eq 'done'", count="true")["@iot.count"] == 1


def test_the_root_lists_the_sets_of_tasking_where_the_city_says_so(
    client: Client, lamp: int, make_context: Callable[..., ApiContext]
) -> None:
    names = {one["name"] for one in client.json("")["value"]}
    assert not names & {"Actuators", "TaskingCapabilities", "Tasks"}
    listing = Client(create_api(make_context(city=msgspec.structs.replace(CITY, lists_tasking=True))))
    root = listing.json("")
    listing.close()
    assert {one["name"] for one in root["value"]} == names | {"Actuators", "TaskingCapabilities", "Tasks"}
    assert any(one.endswith("iot_tasking/1.0/req/task") for one in root["serverSettings"]["conformance"])


def test_who_may_not_task_a_thing_is_refused_and_who_did_is_known(
    lamp: int, client: Client, make_context: Callable[..., ApiContext]
) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability())
    rights = frozenset({Right.TASK})
    for who, status in (
        (ANYBODY, 401),
        (Who("meter", "device", rights, frozenset({lamp + 1}), is_known=True), 403),
        (Who("lamp", "device", rights, frozenset({lamp}), is_known=True), 201),
    ):
        asking = Client(create_api(make_context(who_of=lambda _scope, who=who: who)))
        assert send(asking, made, level=5).status_code == status
        asking.close()
    (task,) = client.json("Tasks")["value"]
    assert task["properties"] == {"by": "lamp"}
