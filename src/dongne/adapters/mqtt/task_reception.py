"""Tasks that come over MQTT, and what devices say became of theirs (17-079r1, clauses 8.3 and 8.4)."""

from collections.abc import Callable
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

from dongne.adapters.mqtt.parcels import Parcel
from dongne.adapters.mqtt.topics import Form
from dongne.model.access import PUBLIC
from dongne.model.errors import BadInput, NotAllowed
from dongne.model.who import Audit, Right, Who
from dongne.runtime.desk import TaskDesk, reason_in
from dongne.runtime.ports import Receipt
from dongne.standards.sensorthings.decode import decode_json, draft_of
from dongne.standards.sensorthings.schema import TASKS

BROKER = Who("broker", "device", frozenset({Right.TASK}), None, PUBLIC, is_known=True)
"""Who speaks where a broker's own rules say who may publish: what becomes of Tasks is believed, none is taken."""


class TaskReception:
    """Belongs to the thread of a Reception, but for what `back` is called from: the store's."""

    def __init__(self, desk: TaskDesk, audit: Audit, back: Callable[[Parcel, Future[Receipt]], None]) -> None:
        self._desk, self._audit, self._back = desk, audit, back
        self._about: dict[Parcel, int] = {}  # the Task whose state was said

    def take(self, parcel: Parcel, form: Form, number: int | None, body: bytes) -> None:
        """Hands a Task, or its new state, to the store; `back` when that is done. Raises DongneError."""
        who = parcel.connection.who or BROKER
        document = decode_json(body)
        if form is Form.TASK_STATE:
            task = self._desk.get_task(who, number or 0)
            stored = self._desk.move(who, task, _as_patch(document))
            self._about[parcel] = task.id
        else:
            stored = self._create(who, number, document, parcel)
        stored.add_done_callback(lambda done: self._back(parcel, done))

    def _create(self, who: Who, capability: int | None, document: Any, parcel: Parcel) -> Future[Receipt]:
        if who is BROKER:
            raise NotAllowed(
                "a broker does not say who sends; send Tasks to the city's own MQTT listener or over HTTP",
                reason="right",
            )
        draft = draft_of(document, TASKS, "$", 1)
        if capability is None:
            (link, *_) = draft.links.get("TaskingCapability") or (None,)
            if not isinstance(link, int):
                raise BadInput(
                    '$: a Task names its TaskingCapability: {"TaskingCapability": {"@iot.id": n}}', reason="missing"
                )
            capability = link
        found = self._desk.get_capability(who, capability)
        reason = reason_in(draft.values.get("properties"))
        return self._desk.create(who, found, draft.values["taskingParameters"], reason, _key_of(who, parcel))

    def done(self, parcel: Parcel, number: int) -> None:
        """It is stored: written down."""
        task = self._about.pop(parcel, number)
        if number:
            self._audit(parcel.connection.who or BROKER, [("put", TASKS.type_name, task)])

    def failed(self, parcel: Parcel) -> None:
        """It is not."""
        self._about.pop(parcel, None)


def _key_of(who: Who, parcel: Parcel) -> str:
    """Sent twice by one client, it is one Task; empty where it says nothing to know that by."""
    if not parcel.correlation:
        return ""
    client_id = parcel.connection.session.client_id
    return "mqtt/" + sha256(repr((who.name, client_id, parcel.correlation)).encode()).hexdigest()


def _as_patch(document: Any) -> Any:
    """What a PATCH says; a `message` is the reason, as devices call it."""
    if isinstance(document, dict) and isinstance(document.get("message"), str):
        document = {**document, "properties": {"reason": document["message"], **(document.get("properties") or {})}}
    return document
