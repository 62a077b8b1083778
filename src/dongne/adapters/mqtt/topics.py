"""Which topic means what (SensorThings 1.1, 18-088, clause 14.2, and the short form for simple devices).

v1.1/Datastreams(7)/Observations    one Observation, the body as for a POST
v1.1/Observations                   the same, with "Datastream": {"@iot.id": 7} in the body
v1.1/CreateObservations             a data array
dongne/7                            a bare number, measured now
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


class Topics:
    """Reads topics; those of before are remembered."""

    def __init__(self, root: str, short: str) -> None:
        self._root, self._short = root, short
        self._of_stream = re.compile(re.escape(root) + r"/Datastreams\((\d{1,15})\)/Observations", re.ASCII)
        self._bare = re.compile(re.escape(short) + r"/(\d{1,15})", re.ASCII)
        self._known: dict[str, tuple[Form, int | None]] = {
            f"{root}/Observations": (Form.OBSERVATION, None),
            f"{root}/CreateObservations": (Form.DATA_ARRAY, None),
        }

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        root = self._root
        return [f"{root}/Observations", f"{root}/+/Observations", f"{root}/CreateObservations", f"{self._short}/+"]

    def read(self, topic: str) -> tuple[Form, int | None]:
        """The form of the payload and the Datastream, where the topic names it. Raises BadInput."""
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
        raise BadInput(
            f"nothing is taken in on {topic[:80]!r}; publish to {self._root}/Datastreams(id)/Observations, "
            f"{self._root}/Observations, {self._root}/CreateObservations or {self._short}/id",
            reason="topic",
        )
