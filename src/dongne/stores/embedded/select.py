"""Answers a resource path and its query: one SQL statement per `$expand` level, what memory knows from memory.

Entities come from the graph once SQL has said which and in what order; the latest Observation of Datastreams and an
Observation by its id never touch DuckDB.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from dongne.methods.intervals import Grouping
from dongne.model.access import PUBLIC, Sight, Veil, find_hidden
from dongne.model.errors import BadInput, NotFound, RetryLater
from dongne.model.times import from_us
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.options import is_single, set_of
from dongne.standards.sensorthings.query import Expand, Page, Query, ResourcePath, Row, selected
from dongne.standards.sensorthings.schema import DATASTREAMS, MULTI_DATASTREAMS, OBSERVATIONS, SETS, TASKS, EntitySet
from dongne.stores.embedded.aggregate import by_interval
from dongne.stores.embedded.as_of import History, Past, Pasts
from dongne.stores.embedded.columns import all_of
from dongne.stores.embedded.details import LatestDetails
from dongne.stores.embedded.extents import Extents
from dongne.stores.embedded.links import LINKS, ToOne
from dongne.stores.embedded.listing import list_set, list_under
from dongne.stores.embedded.needs import BY_RESULT, NEWEST_FIRST, asks_newest, reads_observations
from dongne.stores.embedded.rows import Rows, history_rows
from dongne.stores.embedded.shapes import Scene, Shapes
from dongne.stores.embedded.statements import Bound, Parents, bound_statement, count_statement, page_statement
from dongne.stores.embedded.watch import Watch

MOST_TRIES = 5


class Limits(msgspec.Struct, frozen=True):
    """How much one request may ask for. `slowest_s` seconds is the longest a statement runs."""

    default_top: int = 100
    max_top: int = 10_000
    max_rows: int = 100_000
    slice_rows: int = 10_000  # of an answer without end, at once
    slice_rows_expanded: int = 500
    slowest_s: float = 20.0


class Selector:
    """Reads a store as SensorThings asks. Any thread may ask; each question is answered in the asking thread."""

    def __init__(self, store: Store, history: History, limits: Limits | None = None) -> None:
        self._store, self._history = store, history
        self.limits = limits or Limits()
        self._details = LatestDetails(store)
        self._watch = Watch(self.limits.slowest_s)
        self._extents = Extents(store, history)
        self._veil = Veil(store.graph)
        self._pasts = Pasts(store, history)
        self._shapes = Shapes(store.graph, self._extents)

    def close(self) -> None:
        """Stop listening."""
        self._details.stop()
        self._extents.stop()
        self._watch.stop()

    def select(self, path: ResourcePath, query: Query, sight: Sight = PUBLIC) -> Page | Row:
        """What the path leads to: a Page for a set, a Row for one entity. Raises NotFound, BadInput, RetryLater."""
        if query.as_of_us is not None:
            if query.as_of_us > self._store.clock.now_us():
                raise BadInput("$asOf lies in the future; take an instant that has been", reason="query")
            with self._pasts.at(query.as_of_us) as past:
                return self._select(path, query, sight, past)
        return self._select(path, query, sight, None)

    def _select(self, path: ResourcePath, query: Query, sight: Sight, past: Past | None) -> Page | Row:
        for _ in range(MOST_TRIES):
            now = hidden = self._veil.hidden(sight)
            if past:
                hidden = now.and_also(find_hidden(past.graph, sight))
            rows = Rows(self._store, self._details, self._extents, hidden, past)
            scene = Scene(hidden, past.shapes, past.number) if past else Scene(hidden, self._shapes)
            limits = self.limits
            with Question(
                self._store, self._history, limits, self._details, self._watch, rows, scene, past
            ) as question:
                found = question.answer(path, query)
            if self._veil.hidden(sight) == now:  # else something came or went that must not be seen
                return found
        raise RetryLater("what may be seen changes all the time; ask again in a second", reason="access_changes")

    def slices(self, path: ResourcePath, query: Query, sight: Sight = PUBLIC) -> Iterator[Page]:
        """All of a set, a page at a time: what is held never depends on how much that is. What comes meanwhile is left
        out, and nothing comes twice. The last page says `more` where `$top` ends it. Any thread may take the next."""
        size = self.limits.slice_rows_expanded if query.expand else self.limits.slice_rows
        left = query.top
        if set_of(path) is OBSERVATIONS and query.up_to is None:
            query = msgspec.structs.replace(query, up_to=self._store.head())
        while True:
            top = size if left is None else min(size, left)
            page = self.select(path, msgspec.structs.replace(query, top=top, result_format=""), sight)
            assert isinstance(page, Page)
            left = None if left is None else left - top
            yield page
            if not page.more or left == 0:
                return
            query = msgspec.structs.replace(query, skip=0, count=False, after=page.last_key)

    def by_interval(
        self, datastreams: Sequence[int], start_us: int, end_us: int, grouping: Grouping, most: int
    ) -> pa.Table:
        """See aggregate.by_interval."""
        return by_interval(self._history, self._watch, datastreams, start_us, end_us, grouping, most)

    def all_of(self, datastreams: Sequence[int], start_us: int, end_us: int, slice_rows: int) -> Iterator[pa.Table]:
        """See columns.all_of."""
        return all_of(self._history, self._watch, datastreams, start_us, end_us, slice_rows)

    def is_quick(self, path: ResourcePath, query: Query) -> bool:
        """Whether the answer comes from memory alone, so that it need not be waited for in another thread."""
        if query.as_of_us is not None:
            return False
        if is_single(path):
            by_number = path.steps[0].name in (OBSERVATIONS.name, TASKS.name)
            is_known = self._extents.is_ready or set_of(path) not in (DATASTREAMS, MULTI_DATASTREAMS)
            return not query.expand and not by_number and is_known
        is_of_one = len(path.steps) == 2 and path.steps[0].name == DATASTREAMS.name
        return is_of_one and asks_newest(query, set_of(path)) == "phenomenonTime"


class Question:
    """One request's answer: opens history only when something needs it."""

    def __init__(
        self,
        store: Store,
        history: History,
        limits: Limits,
        details: LatestDetails,
        watch: Watch,
        rows: Rows,
        scene: Scene,
        past: Past | None,
    ) -> None:
        self._store, self._history, self._rows, self._past = store, history, rows, past
        self._scene = msgspec.structs.replace(scene, ask=self._run)
        self._limits, self._details, self._watch = limits, details, watch
        self._stack = ExitStack()
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._rows_left = limits.max_rows
        self._now_us = store.clock.now_us()
        self._until: int | None = None  # how far history must have come; None: to the end

    def __enter__(self) -> "Question":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def answer(self, path: ResourcePath, query: Query) -> Page | Row:
        """See Selector.select."""
        target = set_of(path)
        source = set_of(ResourcePath(path.steps[:-1])) if len(path.steps) > 1 else None
        if self._past is None and not reads_observations(source, target, query, is_single(path)):
            self._until = self._details.last_entities
        if is_single(path):
            row = self._row(target, self._resolve(path))
            self._expand([row], target, query)
            return row
        parent = None
        if len(path.steps) > 1:
            before = ResourcePath(path.steps[:-1])
            parent = (set_of(before), self._resolve(before), path.steps[-1].name)
        page = self._page(target, query, parent)
        self._expand(page.rows, target, query)
        return page

    # --- one entity

    def _resolve(self, path: ResourcePath) -> int:
        """The id of the one entity at the end. Raises NotFound, also where a step does not hang on the one before."""
        first = path.steps[0]
        here = SETS[first.name]
        found = self._row(here, int(first.key or 0))
        for step in path.steps[1:]:
            target = SETS[here.navigations[step.name].target]
            if step.key is None:
                linked = self._rows.linked(found, here, step.name)
                if linked is None:
                    raise NotFound(f"{here.name}({found.id}) has no {step.name}")
                found = self._row(target, linked)
            else:
                child = self._row(target, step.key)
                if not self._rows.hangs_on(here, found, step.name, child):
                    raise NotFound(f"{target.name}({step.key}) is not among the {step.name} of {here.name}({found.id})")
                found = child
            here = target
        return found.id

    def _row(self, entity_set: EntitySet, entity_id: int) -> Row:
        row = self._rows.find(entity_set, entity_id)
        if row is None:
            raise NotFound(f"there is no {entity_set.type_name} {entity_id}")
        return row

    # --- sets

    def _top(self, query: Query) -> int:
        return min(self._limits.default_top if query.top is None else query.top, self._limits.max_top)

    def _page(self, target: EntitySet, query: Query, parent: tuple[EntitySet, int, str] | None) -> Page:
        if parent is not None and parent[0] is DATASTREAMS and (by := self._asks_newest(query, target)):
            page = self._newest([parent[1]], by)[parent[1]]
            return msgspec.structs.replace(page, more=True) if by == "phenomenonTime" else page
        parents = None if parent is None else Parents(LINKS[parent[0].name, parent[2]], [parent[1]])
        top = self._top(query)
        ids = self._listed(target, query, parent)
        if ids is not None:
            return self._listed_page(target, query, ids, top)
        rows: list[Row] = []
        found: list[tuple[Any, ...]] = []
        if target is OBSERVATIONS and query.orderby[:1] == (BY_RESULT,) and not self._rows.have_result_times():
            query = msgspec.structs.replace(query, orderby=query.orderby[1:])  # nothing to sort by
        if top:
            bound = self._bound(target, query, top) if parents is None else None
            statement, values = page_statement(
                target, query, parents, top + 1, self._now_us, bound=bound, scene=self._scene
            )
            found = self._run(statement, values)
            rows = self._rows_of(target, found[:top], query)
        more = len(found) > top
        count = None
        if query.count:
            ((_, count),) = self._run(*count_statement(target, query, parents, self._now_us, self._scene)) or (
                (None, 0),
            )
        return Page(target.name, rows, more, count, _key_of(found[:top], target))

    def _listed(self, target: EntitySet, query: Query, parent: tuple[EntitySet, int, str] | None) -> list[int] | None:
        """The ids of a whole set in order, where memory can say them."""
        graph, hidden = self._store.graph, self._scene.hidden
        if self._past:
            return None
        if parent is None:
            return list_set(graph, hidden, target, query)
        source, one, navigation = parent
        under = list_under(graph, hidden, (source.name, navigation), target, query, [one])
        return None if under is None else under[one]

    def _listed_page(self, target: EntitySet, query: Query, ids: list[int], top: int) -> Page:
        chosen = ids[query.skip : query.skip + top]
        rows = self._rows.list_found(target, chosen, selected(query))
        key = (chosen[-1],) * (1 + len(query.orderby)) if chosen else ()
        return Page(target.name, rows, 0 < top < len(ids) - query.skip, len(ids) if query.count else None, key)

    def _bound(self, target: EntitySet, query: Query, top: int) -> Bound | None:
        """For the newest of all: what none of them lies before, from the last numbers that arrived. Where those are late
        data it reaches too far back, and costs time but no row."""
        by = NEWEST_FIRST.get(query.orderby[0]) if query.orderby and target is OBSERVATIONS else None
        if by is None or query.filter is not None or query.up_to is not None or self._past:
            return None
        wanted = query.skip + top + 1
        after = self._store.head() - 2 * wanted
        ((since_us, count, result_us, results),) = self._run(*bound_statement(after, self._scene))
        if by == "resultTime":
            return Bound("result_time", from_us(result_us).replace(tzinfo=None)) if results >= wanted else None
        if count < wanted:
            return None
        if by == "phenomenonTime":
            return Bound("phenomenon_time", from_us(since_us).replace(tzinfo=None))
        return Bound("id", after + 1)

    def _rows_of(self, target: EntitySet, found: Sequence[tuple[Any, ...]], query: Query) -> list[Row]:
        if target is OBSERVATIONS:
            return self._rows.of_multi(history_rows(found))
        return self._rows.list_found(target, [values[1] for values in found], selected(query))

    # --- expansion, a level at a time

    def _expand(self, rows: list[Row], source: EntitySet, query: Query) -> None:
        if not rows:
            return
        for expand in query.expand:
            navigation = source.navigations[expand.navigation]
            target = SETS[navigation.target]
            if navigation.many:
                inner = self._expand_many(rows, source, target, expand)
            else:
                inner = self._expand_one(rows, source, target, expand)
            self._expand(inner, target, expand.query)

    def _expand_one(self, rows: list[Row], source: EntitySet, target: EntitySet, expand: Expand) -> list[Row]:
        leads = [self._rows.linked(row, source, expand.navigation) for row in rows]
        wanted = sorted({linked for linked in leads if linked is not None})
        if expand.query.filter is not None and wanted:
            query = Query(filter=expand.query.filter)
            among = Parents(ToOne("id"), wanted)
            statement, values = page_statement(target, query, among, len(wanted), self._now_us, scene=self._scene)
            wanted = [found[1] for found in self._run(statement, values)]
        found = {row.id: row for row in self._rows.list_found(target, wanted, selected(expand.query))}
        self._spend(len(found))
        for row, linked in zip(rows, leads, strict=True):
            row.expanded[expand.navigation] = found.get(linked or 0)
        return list(found.values())

    def _expand_many(self, rows: list[Row], source: EntitySet, target: EntitySet, expand: Expand) -> list[Row]:
        pages = self._pages(source, target, expand, [row.id for row in rows])
        inner: list[Row] = []
        for row in rows:
            page = pages.get(row.id) or Page(target.name, [], count=0 if expand.query.count else None)
            row.expanded[expand.navigation] = page
            inner.extend(page.rows)
        return inner

    def _pages(self, source: EntitySet, target: EntitySet, expand: Expand, ids: list[int]) -> dict[int, Page]:
        query, top = expand.query, self._top(expand.query)
        if source is DATASTREAMS and (by := self._asks_newest(query, target)):
            return self._newest(ids, by)
        counts, found = self._found(source, target, expand, ids)
        self._spend(len(found))
        there = {row.id: row for row in self._rows_of(target, found, query)}
        some: dict[int, list[Row]] = {}
        for one in found:
            if one[1] in there:
                some.setdefault(one[0], []).append(there[one[1]])
        pages = {
            parent: Page(target.name, rows[:top], len(rows) > top, counts.get(parent, 0))
            for parent, rows in some.items()
        }
        if not query.count:
            return {parent: msgspec.structs.replace(page, count=None) for parent, page in pages.items()}
        return {**{parent: Page(target.name, [], count=n) for parent, n in counts.items()}, **pages}

    def _found(
        self, source: EntitySet, target: EntitySet, expand: Expand, ids: list[int]
    ) -> tuple[dict[int, int], Sequence[tuple[Any, ...]]]:
        """How many each has, where that is asked; and (parent, id, ...) in order, one more of each than fits in a page."""
        query, top = expand.query, self._top(expand.query)
        way = (source.name, expand.navigation)
        graph, hidden = self._store.graph, self._scene.hidden
        listed = None if self._past else list_under(graph, hidden, way, target, query, ids)
        if listed is not None:
            limit = query.skip + top + 1 if top else 0
            pairs = [(parent, one) for parent, under in listed.items() for one in under[query.skip : limit]]
            return {parent: len(under) for parent, under in listed.items() if under}, pairs
        parents = Parents(LINKS[way], ids)
        counts: dict[int, int] = {}
        if query.count:
            counts = dict(self._run(*count_statement(target, query, parents, self._now_us, self._scene)))
        if not top:
            return counts, []
        statement, values = page_statement(
            target, query, parents, top + 1, self._now_us, self._rows_left + 1, scene=self._scene
        )
        return counts, self._run(statement, values)

    def _newest(self, ids: list[int], by: str) -> dict[int, Page]:
        self._spend(len(ids))
        return self._rows.latest(ids) if by == "phenomenonTime" else self._rows.newest(ids, by)

    def _asks_newest(self, query: Query, target: EntitySet) -> str:
        return asks_newest(query, target) if self._past is None else ""

    def _spend(self, rows: int) -> None:
        self._rows_left -= rows
        if self._rows_left < 0:
            raise BadInput(
                f"$expand: the answer would hold more than {self._limits.max_rows} entities; give $top, also inside "
                "$expand(...), or ask for the inner ones on their own",
                reason="query",
            )

    # --- SQL

    def _run(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self._cursor is None:
            self._cursor = cursor = self._stack.enter_context(self._history.reading(until=self._until))
            if self._past:
                self._past.enter(cursor)
                self._stack.callback(self._past.leave, cursor)
        try:
            with self._watch.over(self._cursor.interrupt):
                return self._cursor.execute(statement, values).fetchall()
        except duckdb.InterruptException:
            raise RetryLater(
                f"the answer takes longer than {self._limits.slowest_s:g} s; narrow $filter (a Datastream, a time "
                "range) or leave out $count",
                reason="slow_query",
            ) from None
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
            raise BadInput(f"$filter cannot be computed: {str(error)[:200]}", reason="query") from None


def _key_of(found: Sequence[tuple[Any, ...]], target: EntitySet) -> tuple[Any, ...]:
    """What the last of these rows is sorted by: its values behind its columns, then its id."""
    columns = 9 if target is OBSERVATIONS else 2
    return (*found[-1][columns:], found[-1][1]) if found else ()
