"""Which topic means what (SensorThings 1.1, 18-088, clause 14.2, and the short form for simple devices).

v1.1/Datastreams(7)/Observations    one Observation, the body as for a POST
v1.1/Observations                   the same, with "Datastream": {"@iot.id": 7} in the body
v1.1/CreateObservations             a data array
dongne/7                            a bare number, measured now
v1.1/Tasks(91)/status               what became of a Task: {"state": "accepted"}
v1.1/TaskingCapabilities(3)/Tasks   a new Task (17-079r1, clause 8.4)
v1.1/Tasks                          the same, with "TaskingCapability": {"@iot.id": 3} in the body
homes/gw-17/messages                what the gateway of a home says
"""

import re
from enum import Enum

from dongne.model.errors import BadInput

_MOST_KNOWN = 100_000


class Form(Enum):
    """What the payload is."""

    OBSERVATION = "observation"
    DATA_ARRAY = "data_array"
    NUMBER = "number"
    TASK = "task"
    TASK_STATE = "task_state"
    HOME = "home"


class Topics:
    """Reads topics; those of before are remembered."""

    def __init__(self, root: str, short: str) -> None:
        self._root, self._short = root, short
        self._of_stream = re.compile(re.escape(root) + r"/Datastreams\((\d{1,15})\)/Observations", re.ASCII)
        self._bare = re.compile(re.escape(short) + r"/(\d{1,15})", re.ASCII)
        self._of_capability = re.compile(re.escape(root) + r"/TaskingCapabilities\((\d{1,15})\)/Tasks", re.ASCII)
        self._of_task = re.compile(re.escape(root) + r"/Tasks\((\d{1,15})\)/status", re.ASCII)
        self._of_gateway = re.compile(r"homes/([^/+#]{1,64})/messages")
        self._known: dict[str, tuple[Form, int | None]] = {
            f"{root}/Observations": (Form.OBSERVATION, None),
            f"{root}/CreateObservations": (Form.DATA_ARRAY, None),
            f"{root}/Tasks": (Form.TASK, None),
        }

    @property
    def filters(self) -> list[str]:
        """What to subscribe to at a broker: Tasks that are new are taken only where one knows who sends them."""
        root = self._root
        return [
            f"{root}/Observations", f"{root}/+/Observations", f"{root}/CreateObservations", f"{self._short}/+",
            f"{root}/+/status", "homes/+/messages",
        ]  # fmt: skip

    def is_reserved(self, topic: str) -> bool:
        """Whether others listen there for the city or for devices. No answer goes there: the city may publish where who asks
        for it may not."""
        if topic.startswith(f"{self._root}/errors/"):
            return False
        if topic.startswith("homes/") and topic.endswith("/replies"):
            return False
        return topic.startswith(("$", f"{self._root}/", f"{self._short}/", "homes/"))

    def read(self, topic: str) -> tuple[Form, int | None]:
        """The form of the payload and the id of the Datastream, Task or TaskingCapability, where the topic names it.
        Raises BadInput."""
        found = self._known.get(topic)
        if found is None:
            found = self._parse(topic)
            if len(self._known) < _MOST_KNOWN:
                self._known[topic] = found
        return found

    def _parse(self, topic: str) -> tuple[Form, int]:
        if named := self._of_stream.fullmatch(topic):
            return Form.OBSERVATION, int(named[1])
        if bare := self._bare.fullmatch(topic):
            return Form.NUMBER, int(bare[1])
        if task := self._of_task.fullmatch(topic):
            return Form.TASK_STATE, int(task[1])
        if self._of_gateway.fullmatch(topic):
            return Form.HOME, 0
        if capability := self._of_capability.fullmatch(topic):
            return Form.TASK, int(capability[1])
        raise BadInput(
            f"nothing is taken in on {topic[:80]!r}; publish to {self._root}/Datastreams(id)/Observations, "
            f"{self._root}/Observations, {self._root}/CreateObservations, {self._short}/id, {self._root}/Tasks or "
            f"{self._root}/Tasks(id)/status",
            reason="topic",
        )
