"""Tasks as SensorThings Part 2 JSON (17-079r1, clause 8.2.4), with what a city knows of them beyond it."""

from typing import Any

from dongne.model.tasks import Task
from dongne.model.times import to_us
from dongne.standards.sensorthings.times import format_us

_ROOT = "http://www.opengis.net/spec/iot_tasking/1.0/req/"
CONFORMANCE = tuple(_ROOT + name for name in ("tasking-capability", "task", "actuator", "create-tasks"))
MQTT_CONFORMANCE = tuple(_ROOT + name for name in ("create-tasks-via-mqtt", "receive-updates-via-mqtt"))


def task_values(task: Task) -> dict[str, Any]:
    """A Task's own properties by wire name."""
    return {
        "creationTime": format_us(to_us(task.created)),
        "taskingParameters": task.parameters,
        "state": task.state,
        "stateTime": format_us(to_us(task.changed)),
        "properties": task.properties,
    }
