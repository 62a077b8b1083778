"""Tasks made, moved on and cancelled over HTTP (17-079r1, clause 8.3)."""

import asyncio
import re
from typing import Any

from dongne.model.entities import TaskingCapability
from dongne.model.errors import BadInput, NotFound
from dongne.model.tasks import Task
from dongne.model.who import Who
from dongne.runtime.desk import TaskDesk, reason_in
from dongne.standards.sensorthings.decode import draft_of
from dongne.standards.sensorthings.options import parse_path
from dongne.standards.sensorthings.query import Query, ResourcePath, Row
from dongne.standards.sensorthings.schema import TASKING_CAPABILITIES, TASKS
from dongne.web.api.context import ApiContext
from dongne.web.api.ingest import in_loop

PATH = re.compile(r"(?:^|/)Tasks(?:\(\d+\))?/?$")


class Tasks:
    """Works requests about Tasks out and stores them."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._desk = context.desk or TaskDesk(context.store, context.city.zone_info)

    async def change(self, who: Who, method: str, text: str, document: Any) -> tuple[int, str]:
        """The status, and the address of a new Task below the service root, else "". Raises DongneError."""
        path = parse_path(text)
        if method == "POST":
            made = await self._create(who, path, document)
            await self._write_down(who, made)
            return 201, f"Tasks({made})"
        if method == "DELETE":
            document = {"state": "failed", "properties": {"reason": "cancelled"}}
        task = self._task(who, path)
        await in_loop(self._desk.move(who, task, document))
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
        reason = reason_in(draft.values.get("properties"))
        receipt = await in_loop(self._desk.create(who, capability, draft.values["taskingParameters"], reason))
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
