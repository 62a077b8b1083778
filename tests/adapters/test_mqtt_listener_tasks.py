"""Tasks made, heard and answered at the listener."""

import json
from collections.abc import Iterator
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.adapters.listening import (
    ROOT,
    Client,
    Connect,
    change,
    connect,
    listen,
    selector,
    store,
    until,
    who_of,
)

from dongne.adapters.mqtt.listener import ListenConfig, MqttListener
from dongne.model.access import Access, Sight
from dongne.model.entities import (
    Actuator,
    TaskingCapability,
)
from dongne.model.who import ROLES, Who
from dongne.runtime.desk import SAME_S, TaskDesk
from dongne.runtime.intake import Intake
from dongne.stores.embedded.select import Selector
from dongne.stores.embedded.store import EmbeddedStore

__all__ = ["connect", "listen", "selector", "store"]  # fixtures

# --- Tasks

SCHEMA = {"type": "object", "properties": {"level": {"type": "number", "maximum": 100}}, "required": ["level"]}
OPERATOR = Who("kim", "operator", ROLES["operator"][0], None, Sight(Access.INTERNAL), is_known=True)


@pytest.fixture
def tasked(store: EmbeddedStore) -> EmbeddedStore:
    """A store with a Thing that can be told how bright to be, and a personal one."""
    change(
        store,
        Actuator(id=1, name="driver"),
        TaskingCapability(id=3, name="light", tasking_parameters=SCHEMA, thing_id=1, actuator_id=1),
        TaskingCapability(id=4, name="door", tasking_parameters=SCHEMA, thing_id=2, actuator_id=1),
        TaskingCapability(
            id=5, name="slow", tasking_parameters=SCHEMA, thing_id=1, actuator_id=1,
            properties={"interlocks": [{"min_interval_s": 600}]},
        ),
    )  # fmt: skip
    return store


@pytest.fixture
def audit() -> list[tuple[str, list[tuple[str, str, int]]]]:
    return []


@pytest.fixture
def listen_tasks(tasked: EmbeddedStore, selector: Selector, audit: list[Any]) -> Iterator[MqttListener]:
    def who(token: str | None) -> Who:
        return OPERATOR if token == "kim" else who_of(token)

    config = ListenConfig(port=0, service_root=ROOT, check_every_s=0.05)
    desk = TaskDesk(tasked, ZoneInfo("UTC"))

    def write(who: Who, changed: list[tuple[str, str, int]]) -> None:
        audit.append((who.name, changed))

    listener = MqttListener(tasked, Intake(tasked), selector.select, who, config, desk=desk, audit=write)
    listener.start()
    yield listener
    listener.close()


def test_a_task_is_made_heard_done_and_written_down_over_mqtt(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect, audit: list[Any]
) -> None:
    device, kim = connect(listen_tasks, token="gate"), connect(listen_tasks, token="kim")
    kim.subscribe("answers")
    device.subscribe("v1.1/TaskingCapabilities(3)/Tasks?$select=id,taskingParameters,state")
    kim.say("v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 40}}, answer_to="answers")
    task = until(device.documents, "the device hears it")[0]
    assert (task["taskingParameters"], task["state"]) == ({"level": 40}, "created")
    number = task["@iot.id"]
    assert until(kim.documents, "answered") == [{"code": 201, "@iot.id": number}]
    late = connect(listen_tasks, token="gate")
    late.subscribe("v1.1/TaskingCapabilities(3)/Tasks")
    assert until(lambda: late.heard, "who comes late gets what is open")[0].retain
    kim.subscribe(f"v1.1/Tasks({number})/state")
    device.say(f"v1.1/Tasks({number})/status", {"state": "executing"})
    device.say(f"v1.1/Tasks({number})/status", {"state": "failed", "message": "no power"})
    until(lambda: [d for d in kim.documents() if d.get("state") == "failed"], "who asked hears what became of it")
    states = [d["state"] for d in kim.documents() if "state" in d]
    assert states == ["created", "executing", "failed"]
    (found,) = tasked.list_tasks_by_id([number])
    assert (found.by, found.changed_by, found.reason) == ("kim", "gate", "no power")
    assert audit == [(name, [("put", "Task", number)]) for name in ("kim", "gate", "gate")]
    assert listen_tasks.status().observations_stored == 0


@pytest.mark.parametrize(
    ("token", "topic", "body", "code"),
    [
        ("kim", "v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 140}}, 400),
        ("kim", "v1.1/Tasks", {"taskingParameters": {"level": 40}}, 400),
        ("kim", "v1.1/TaskingCapabilities(4)/Tasks", {"taskingParameters": {"level": 40}}, 404),
        ("other", "v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 40}}, 403),
        ("", "v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 40}}, 401),
        ("kim", "v1.1/Tasks(77)/status", {"state": "done"}, 404),
        ("kim", "v1.1/Tasks", "nonsense", 400),
    ],
)  # fmt: skip
def test_a_task_that_may_not_be_is_refused_with_the_reason(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect, token: str, topic: str, body: Any, code: int
) -> None:
    client = connect(listen_tasks, token=token)
    client.subscribe("answers")
    client.say(topic, body, answer_to="answers")
    assert until(client.documents, "refused")[0]["code"] == code
    assert tasked.list_tasks() == []


def test_interlocks_hold_also_for_tasks_that_come_at_once(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect
) -> None:
    client = connect(listen_tasks, token="kim")
    client.subscribe("answers")
    for _ in range(5):
        said = Properties(PacketTypes.PUBLISH)
        said.ResponseTopic = "answers"
        document = {"taskingParameters": {"level": 1}, "TaskingCapability": {"@iot.id": 5}}
        client.client.publish("v1.1/Tasks", json.dumps(document), 1, properties=said)
    until(lambda: len(client.heard) == 5, "all answered")
    assert sorted(d["code"] for d in client.documents()) == [201, 409, 409, 409, 409]
    assert len(tasked.list_tasks()) == 1


def test_a_task_sent_again_is_the_same_one_also_where_an_interlock_would_refuse_it(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect
) -> None:
    def say(client: Client, level: int, capability: int = 3) -> int:
        before = len(client.heard)
        topic = f"v1.1/TaskingCapabilities({capability})/Tasks"
        client.say(topic, {"taskingParameters": {"level": level}}, answer_to=topics[client])
        until(lambda: len(client.heard) > before, "answered")
        return int(client.documents()[-1]["code"])

    one, two = (connect(listen_tasks, token="kim", name=name) for name in ("one", "two"))
    topics = {one: "answers/one", two: "answers/two"}
    for client, topic in topics.items():
        client.subscribe(topic)
    assert [say(one, 40), say(one, 40), say(two, 40)] == [201, 200, 201]
    assert [say(one, 41), say(one, 41)] == [201, 200]  # a client that counts from 1 again asks for something else
    assert [say(one, 1, 5), say(one, 1, 5), say(two, 1, 5)] == [201, 200, 409]
    assert len(tasked.list_tasks()) == 4


def test_after_a_while_the_same_again_is_another_task(tasked: EmbeddedStore) -> None:
    class Later:
        """The store, and a clock that is ahead."""

        def __init__(self, ahead_s: float) -> None:
            self.clock, self._ahead_us = self, int(ahead_s * 1_000_000)

        def now_us(self) -> int:
            return tasked.clock.now_us() + self._ahead_us

        def __getattr__(self, name: str) -> Any:
            return getattr(tasked, name)

    def create(ahead_s: float) -> int:
        capability = tasked.graph.capabilities[3]
        desk = TaskDesk(cast(EmbeddedStore, Later(ahead_s)), ZoneInfo("UTC"))
        return desk.create(OPERATOR, capability, {"level": 4}, key="k").result().numbers[0]

    first, again, later = create(0), create(SAME_S - 10), create(SAME_S + 10)
    assert first and not again and later > first
