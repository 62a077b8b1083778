"""Tasks made, moved on and cancelled over HTTP (17-079r1, clause 8.3)."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import msgspec

from dongne.model.entities import TaskingCapability
from dongne.model.errors import BadInput, NotFound
from dongne.model.records import RecordKind
from dongne.model.tasks import CREATED, Task, TaskEvent, state_named
from dongne.model.times import from_us
from dongne.model.who import Right, Who
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.tasking import check_interlocks, check_parameters
from dongne.standards.sensorthings.decode import draft_of
from dongne.standards.sensorthings.options import parse_path
from dongne.standards.sensorthings.query import Query, ResourcePath, Row
from dongne.standards.sensorthings.schema import TASKING_CAPABILITIES, TASKS
from dongne.web.api.context import ApiContext
from dongne.web.api.ingest import in_loop

PATH = re.compile(r"(?:^|/)Tasks(?:\(\d+\))?/?$")
MOST_REASON = 500


class Tasks:
    """Works requests about Tasks out and stores them."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._one_at_a_time = asyncio.Lock()  # what an interlock saw still holds when the Task is stored

    async def change(self, who: Who, method: str, text: str, document: Any) -> tuple[int, str]:
        """The status, and the address of a new Task below the service root, else "". Raises DongneError."""
        path = parse_path(text)
        if method == "POST":
            async with self._one_at_a_time:
                made = await self._create(who, path, document)
            await self._write_down(who, made)
            return 201, f"Tasks({made})"
        if method == "DELETE":
            document = {"state": "failed", "properties": {"reason": "cancelled"}}
        task = self._task(who, path)
        await self._move(who, task, document)
        await self._write_down(who, task.id)
        return 200, ""

    async def _write_down(self, who: Who, task: int) -> None:
        changed = [("put", TASKS.type_name, task)]
        await asyncio.get_running_loop().run_in_executor(None, self._context.audit, who, changed)

    async def _create(self, who: Who, path: ResourcePath, document: Any) -> int:
        draft = draft_of(document, TASKS, "$", 1)
        if len(path.steps) > 1:
            capability = self._capability(who, ResourcePath(path.steps[:-1]))
        else:
            (link, *_) = draft.links.get("TaskingCapability") or (None,)
            if not isinstance(link, int):
                raise BadInput(
                    '$: a Task names its TaskingCapability: {"TaskingCapability": {"@iot.id": n}}', reason="missing"
                )
            capability = self._capability(who, parse_path(f"{TASKING_CAPABILITIES.name}({link})"))
        who.must(Right.TASK, capability.thing_id)
        parameters = draft.values["taskingParameters"]
        check_parameters(capability, parameters)
        store = self._context.store
        now = from_us(store.clock.now_us())
        check_interlocks(capability, store, now, self._context.city.zone_info)
        return await self._store(
            TaskEvent(
                key=f"api/{uuid4().hex}", thing=capability.thing_id, capability=capability.name, state=CREATED, time=now,
                parameters=parameters, capability_id=capability.id, by=who.name,
                reason=_reason(draft.values.get("properties")),
            )
        )  # fmt: skip

    async def _move(self, who: Who, task: Task, document: Any) -> None:
        who.must(Right.TASK, task.thing)
        if not isinstance(document, dict) or not isinstance(document.get("state"), str):
            raise BadInput('$: say what became of it: {"state": "accepted"}', reason="missing")
        if document.get("taskingParameters") not in (None, task.parameters):
            raise BadInput("$.taskingParameters: what was asked for stays; send another Task", reason="parameters")
        await self._store(
            TaskEvent(
                key=task.key, thing=task.thing, capability=task.capability, state=state_named(document["state"]),
                time=from_us(self._context.store.clock.now_us()), capability_id=task.capability_id, by=who.name,
                reason=_reason(document.get("properties")),
            )
        )  # fmt: skip

    async def _store(self, event: TaskEvent) -> int:
        entry = Entry(RecordKind.TASK, msgspec.msgpack.encode(event))
        receipt = await in_loop(self._context.store.submit(Transaction([entry])))
        return receipt.numbers[0]

    def _capability(self, who: Who, path: ResourcePath) -> TaskingCapability:
        return self._context.store.graph.capabilities[self._resolve(who, path)]

    def _task(self, who: Who, path: ResourcePath) -> Task:
        (task,) = self._context.store.list_tasks_by_id([self._resolve(who, path)])
        return task

    def _resolve(self, who: Who, path: ResourcePath) -> int:
        row = self._context.select.select(path, Query(select=("id",)), who.sight)
        if not isinstance(row, Row):
            raise NotFound("this path leads to no single entity")
        return row.id


def _reason(properties: Any) -> str:
    said = properties.get("reason", "") if isinstance(properties, dict) else ""
    return str(said)[:MOST_REASON]
