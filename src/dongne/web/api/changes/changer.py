"""Requests that change entities, from method, path and body to a Transaction."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from dongne.model.access import EVERYTHING, may_see
from dongne.model.entities import EntityType
from dongne.model.errors import BadInput, DongneError, TooMany
from dongne.model.who import Right, Who
from dongne.runtime.ledger import Way
from dongne.runtime.ports import Receipt
from dongne.standards.sensorthings.decode import decode_json, draft_of, entity_id
from dongne.standards.sensorthings.options import is_single, parse_path, parse_query, set_of
from dongne.standards.sensorthings.query import Query, ResourcePath, Row, Step, Want
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet
from dongne.web.api.changes import editing
from dongne.web.api.changes.creation import create
from dongne.web.api.changes.methods import check_method
from dongne.web.api.changes.removal import remove
from dongne.web.api.changes.ties import way_back
from dongne.web.api.changes.work import Sees, Work
from dongne.web.api.context import ApiContext
from dongne.web.api.ingest import in_loop

MOST_DELETED = 100_000
JSON_PATCH = "application/json-patch+json"
MOST_WAITING = 1_000  # changes behind the one that is being made
_PAGE = 10_000
Found = TypeVar("Found")


class Asked(msgspec.Struct, frozen=True):
    """A request that changes something: `path` is decoded and below the service root, `document` decoded JSON."""

    method: str
    path: str
    options: list[tuple[str, str]]
    document: Any = None
    content_type: str = "application/json"

    @property
    def is_observation(self) -> bool:
        """Whether it sends an Observation."""
        return self.method == "POST" and self.path.rstrip("/").rpartition("/")[2] == OBSERVATIONS.name


class Outcome(msgspec.Struct, frozen=True):
    """What a change gives: the status, and the set and id of what was made. `is_row`: the id is that of a row of this
    Work's Observations, which gets its number when it is stored. `deleted`: how many a filter deleted."""

    status: int
    made_in: str = ""
    made: int = 0
    is_row: bool = False
    deleted: int | None = None

    @property
    def body(self) -> bytes:
        """What the answer holds."""
        return b"" if self.deleted is None else b'{"deleted": %d}' % self.deleted

    def address(self, root: str, first: int) -> str:
        """Where the new entity is; `first` is the number of the Work's first Observation."""
        return f"{root}/{self.made_in}({self.made + (first if self.is_row else 0)})"


class Changer:
    """Works requests out and stores them."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._one_at_a_time = asyncio.Lock()  # what a change saw still holds when it is stored
        self._waiting = 0

    async def run(
        self, who: Who, steps: Callable[[Work], Found], way: str, *, only_observations: bool = False
    ) -> tuple[Found, Receipt | None]:
        """What the steps give, and the receipt once it is durable; Observations are counted in this way's account. One
        change after the other; Observations, which change no entity, side by side. Raises DongneError with nothing stored."""
        account = self._context.intake.ledger.way(way)
        if only_observations:
            work = self._begin(who)
            found = _work_out(work, steps, account)
            if not work.has_entities:
                return found, await self._store(work, account)
        if self._waiting >= MOST_WAITING:
            raise TooMany(f"{self._waiting} changes wait for another; send it again in a second", reason="busy")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                work = self._begin(who)
                found = await asyncio.get_running_loop().run_in_executor(None, _work_out, work, steps, account)
                return found, await self._store(work, account)
        finally:
            self._waiting -= 1

    def _begin(self, who: Who) -> Work:
        return Work(self._context.store, self._context.intake, who, self._list_about, self._sees(who))

    def _sees(self, who: Who) -> Sees:
        """Without it a link to what is hidden would bring it to light."""

        graph = self._context.store.graph
        return lambda kind, entity_id: may_see(graph, who.sight, kind, entity_id)

    def _list_about(self, feature: int) -> list[int]:
        path = ResourcePath((Step("FeaturesOfInterest", feature), Step(OBSERVATIONS.name)))
        return self._list_ids(path, Query())

    def _list_ids(self, path: ResourcePath, query: Query, who: Who | None = None) -> list[int]:
        found: list[int] = []
        sight = EVERYTHING if who is None else who.sight
        while True:
            part = msgspec.structs.replace(query, top=_PAGE, skip=len(found), select=("id",))
            page = self._context.select.select(path, part, sight)
            assert not isinstance(page, Row)
            found += [row.id for row in page.rows]
            if not page.more:
                return found
            if len(found) >= MOST_DELETED:
                raise BadInput(f"more than {MOST_DELETED} would go; delete in parts by $filter", reason="query")

    async def _store(self, work: Work, account: Way) -> Receipt | None:
        """Stores a Work; counts its Observations."""
        rows = len(work.rows)
        account.count_received(rows)
        if work.is_empty:
            return None
        try:
            receipt = await in_loop(self._context.store.submit(work.transaction()))
        except DongneError as error:
            account.count_rejected(error.reason, rows, received=False)
            raise
        account.count_stored(rows)
        if work.has_entities:
            await asyncio.get_running_loop().run_in_executor(None, self._context.audit, work.who, work.list_changed())
        return receipt

    def apply(self, work: Work, asked: Asked) -> Outcome:
        """Works one request into the Work. Raises DongneError."""
        check_method(asked.method, asked.path)
        path = parse_path(asked.path)
        if path.want is Want.REFERENCES:
            return self._link(work, asked, path)
        if asked.method == "POST":
            return self._create(work, asked, path)
        _must_model(work)
        if asked.method == "DELETE" and not is_single(path):
            return self._delete_many(work, asked, path)
        target, found = set_of(path), self._resolve(work, path)
        match asked.method:
            case "DELETE":
                remove(work, target, found)
            case "PUT":
                editing.replace(work, target, found, asked.document)
            case _ if asked.content_type.startswith(JSON_PATCH):
                editing.patch(work, target, found, asked.document)
            case _:
                editing.change(work, target, found, asked.document)
        return Outcome(200)

    def _resolve(self, work: Work, path: ResourcePath) -> int:
        """The id of the one entity at the end of a path. Raises NotFound, also for what may not be seen."""
        step = path.steps[0]
        kind = SETS[step.name].entity_type
        if len(path.steps) == 1 and kind is not None and step.key is not None and self._is_new(work, kind, step.key):
            return step.key
        row = self._context.select.select(path, Query(select=("id",)), work.who.sight)
        assert isinstance(row, Row)
        return row.id

    def _is_new(self, work: Work, kind: EntityType, entity: int) -> bool:
        return entity not in self._context.store.graph.entities(kind) and work.find(kind, entity) is not None

    def _create(self, work: Work, asked: Asked, path: ResourcePath) -> Outcome:
        target = set_of(path)
        if target is OBSERVATIONS:
            work.tried += 1
        else:
            _must_model(work)
        draft = draft_of(asked.document, target, "$", 1)
        if len(path.steps) > 1:
            before = ResourcePath(path.steps[:-1])
            _, back = way_back(set_of(before), path.steps[-1].name)
            draft.links[back] = [self._resolve(work, before)]
        made = create(work, draft)
        return Outcome(201, target.name, made, target is OBSERVATIONS)

    def _delete_many(self, work: Work, asked: Asked, path: ResourcePath) -> Outcome:
        target = set_of(path)
        query = parse_query(asked.options, target)
        if any(name != "$filter" for name, _ in asked.options):
            raise BadInput("DELETE takes $filter and no other option; say there what is meant", reason="query")
        if query.filter is None:
            raise BadInput("$filter is required for collection delete", reason="query")
        numbers = self._list_ids(path, query, work.who)
        if target is OBSERVATIONS:
            if work.who.things is not None:
                for number in numbers:
                    work.must_correct(number)
            if numbers:
                work.remove_observations(numbers)
        else:
            for found in numbers:
                remove(work, target, found)
        return Outcome(200, deleted=len(numbers))

    # --- $ref

    def _link(self, work: Work, asked: Asked, path: ResourcePath) -> Outcome:
        _must_model(work)
        last = path.steps[-1]
        before = ResourcePath(path.steps[:-1])
        source, source_id = set_of(before), self._resolve(work, before)
        if asked.method == "DELETE":
            editing.unlink(
                work, source, source_id, last.name, last.key or _target_of(dict(asked.options), source, last)
            )
        else:
            editing.link(work, source, source_id, last.name, _linked(asked.document, source, last.name))
        return Outcome(204)


def _work_out(work: Work, steps: Callable[[Work], Found], account: Way) -> Found:
    try:
        return steps(work)
    except DongneError as error:
        account.count_rejected(error.reason, work.tried)
        raise


def _must_model(work: Work) -> None:
    """Before anything is looked up: who may change nothing at all hears that first."""
    if Right.MODEL not in work.who.rights:
        work.must(Right.MODEL)


def _linked(document: Any, source: EntitySet, navigation: str) -> int:
    """The id in {"@iot.id": 3} or {"@odata.id": ".../Locations(3)"}."""
    if isinstance(document, dict):
        for name in ("@iot.id", "@odata.id", "@id", "@iot.selfLink"):
            if isinstance(said := document.get(name), str):
                return _id_in(said, source, navigation)
            if said is not None:
                return entity_id(said, "$")
    raise BadInput('$: a link is {"@iot.id": 3} or {"@odata.id": "Locations(3)"}', reason="json")


def _target_of(options: dict[str, str], source: EntitySet, last: Step) -> int | None:
    said = options.get("$id")
    return None if said is None else _id_in(said, source, last.name)


def _id_in(address: str, source: EntitySet, navigation: str) -> int:
    target = source.navigations[navigation].target
    step = parse_path(address.rstrip("/").rpartition("/")[2]).steps[0]
    if step.name != target or step.key is None:
        raise BadInput(f"{address[:80]!r} is none of the {target}", reason="path")
    return step.key


def decoded(body: bytes, method: str) -> Any:
    """The document of a request. Raises BadInput."""
    if not body and method == "DELETE":
        return None
    return decode_json(body)
