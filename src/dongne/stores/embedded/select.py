"""Answers a resource path and its query: one SQL statement per `$expand` level, what memory knows from memory.

Entities come from the graph once SQL has said which and in what order; the latest Observation of Datastreams and an
Observation by its id never touch DuckDB.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

import duckdb
import msgspec
import numpy as np

from dongne.model.access import PUBLIC, Sight
from dongne.model.errors import BadInput, NotFound, RetryLater
from dongne.model.records import ObservationExtra, decode_batch
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.observations import observation_values, plain_values
from dongne.standards.sensorthings.options import is_single, set_of
from dongne.standards.sensorthings.query import Expand, Order, Page, Path, Query, ResourcePath, Row
from dongne.standards.sensorthings.schema import DATASTREAMS, OBSERVATIONS, SETS, EntitySet, Kind
from dongne.standards.sensorthings.text import expression_text
from dongne.standards.sensorthings.times import format_column
from dongne.stores.embedded.details import LatestDetails
from dongne.stores.embedded.links import LINKS, Of, Pairs, ToOne
from dongne.stores.embedded.statements import Parents, bound_statement, count_statement, page_statement
from dongne.stores.embedded.watch import Watch

LATEST_FIRST = Order(Path((), "phenomenonTime"), descending=True)


class Limits(msgspec.Struct, frozen=True):
    """How much one request may ask for. `slowest_s` seconds is the longest a statement runs."""

    default_top: int = 100
    max_top: int = 10_000
    max_rows: int = 100_000
    slowest_s: float = 20.0


class History(Protocol):
    """The follower, brought up to date."""

    def reading(
        self, timeout_s: float = ..., until: int | None = None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A cursor that sees all that was acknowledged before, or at least all up to `until`."""


class Selector:
    """Reads a store as SensorThings asks. Any thread may ask; each question is answered in the asking thread."""

    def __init__(self, store: Store, history: History, limits: Limits | None = None) -> None:
        self._store, self._history = store, history
        self.limits = limits or Limits()
        self._details = LatestDetails(store)
        self._watch = Watch(self.limits.slowest_s)

    def close(self) -> None:
        """Stop listening."""
        self._details.stop()
        self._watch.stop()

    def select(self, path: ResourcePath, query: Query, sight: Sight = PUBLIC) -> Page | Row:
        """What the path leads to: a Page for a set, a Row for one entity. Raises NotFound, BadInput, RetryLater."""
        with Question(self._store, self._history, self.limits, self._details, self._watch) as question:
            return question.answer(path, query)

    def is_quick(self, path: ResourcePath, query: Query) -> bool:
        """Whether the answer comes from memory alone, so that it need not be waited for in another thread."""
        if is_single(path):
            return not query.expand and path.steps[0].name != OBSERVATIONS.name
        return len(path.steps) == 2 and path.steps[0].name == DATASTREAMS.name and _asks_latest(query, set_of(path))


class Question:
    """One request's answer: opens history only when something needs it."""

    def __init__(self, store: Store, history: History, limits: Limits, details: LatestDetails, watch: Watch) -> None:
        self._store, self._graph, self._history = store, store.graph, history
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
        if not _reads_observations(source, target, query, is_single(path)):
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
                linked = found.links.get(step.name)
                if linked is None:
                    raise NotFound(f"{here.name}({found.id}) has no {step.name}")
                found = self._row(target, linked)
            else:
                child = self._row(target, step.key)
                if not self._hangs_on(here, found, step.name, child):
                    raise NotFound(f"{target.name}({step.key}) is not among the {step.name} of {here.name}({found.id})")
                found = child
            here = target
        return found.id

    def _hangs_on(self, here: EntitySet, parent: Row, navigation: str, child: Row) -> bool:
        match LINKS[here.name, navigation]:
            case Of():
                return child.links.get(here.type_name) == parent.id
            case Pairs(table, source, target):
                found = self._run(
                    f"select 1 from {table} where {source} = $source and {target} = $target limit 1",
                    {"source": parent.id, "target": child.id},
                )
                return bool(found)
            case ToOne():
                return parent.links.get(navigation) == child.id

    def _row(self, entity_set: EntitySet, entity_id: int) -> Row:
        row = self._find_row(entity_set, entity_id)
        if row is None:
            raise NotFound(f"there is no {entity_set.type_name} {entity_id}")
        return row

    def _find_row(self, entity_set: EntitySet, entity_id: int, names: Sequence[str] | None = None) -> Row | None:
        """The entity with these properties, or all of them; None where it is not there."""
        if entity_set.entity_type is None:
            try:
                return self._observation(entity_id)
            except (NotFound, OverflowError):
                return None
        entity = self._graph.entities(entity_set.entity_type).get(entity_id)
        if entity is None:
            return None
        known = entity_set.properties
        values = {
            name: None if known[name].kind is Kind.COMPUTED else getattr(entity, known[name].attribute)
            for name in (known if names is None else names)
        }
        links = {
            name: getattr(entity, link.column)
            for name in entity_set.navigations
            if isinstance(link := LINKS[entity_set.name, name], ToOne)
        }
        return Row(entity_id, values, {}, links)

    def _observation(self, number: int) -> Row:
        record, at = self._store.get_observation(number)
        batch = decode_batch(record.body, record.count)
        return _observation_row(
            number, int(batch.datastream[at]), int(batch.time_us[at]), float(batch.result[at]), batch.extras.get(at)
        )

    # --- sets

    def _top(self, query: Query) -> int:
        return min(self._limits.default_top if query.top is None else query.top, self._limits.max_top)

    def _page(self, target: EntitySet, query: Query, parent: tuple[EntitySet, int, str] | None) -> Page:
        if parent is not None and parent[0] is DATASTREAMS and _asks_latest(query, target):
            return msgspec.structs.replace(self._latest([parent[1]])[parent[1]], more=True)
        parents = None if parent is None else Parents(LINKS[parent[0].name, parent[2]], [parent[1]])
        top = self._top(query)
        rows: list[Row] = []
        if top:
            since_us = self._bound(target, query, top) if parents is None else None
            statement, values = page_statement(target, query, parents, top + 1, self._now_us, since_us=since_us)
            rows = self._rows(target, self._run(statement, values), query)
        more = len(rows) > top
        count = None
        if query.count:
            ((_, count),) = self._run(*count_statement(target, query, parents, self._now_us)) or ((None, 0),)
        return Page(target.name, rows[:top], more, count)

    def _bound(self, target: EntitySet, query: Query, top: int) -> int | None:
        """For the newest of all: an instant before which none of them lies, from the last numbers that arrived. Where
        those are late data it reaches too far back, and costs time but no row."""
        if target is not OBSERVATIONS or query.filter is not None or query.orderby[:1] != (LATEST_FIRST,):
            return None
        wanted = query.skip + top + 1
        ((since_us, count),) = self._run(*bound_statement(self._store.head(), 2 * wanted))
        return since_us if count >= wanted else None

    def _rows(self, target: EntitySet, found: Sequence[tuple[Any, ...]], query: Query) -> list[Row]:
        if target is OBSERVATIONS:
            times = format_column([values[3] for values in found])
            return [_history_row(values, time) for values, time in zip(found, times, strict=True)]
        names = [name for name in query.select if name in target.properties] if query.select else None
        rows = (self._find_row(target, values[1], names) for values in found)
        return [row for row in rows if row is not None]

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
                inner = self._expand_one(rows, target, expand)
            self._expand(inner, target, expand.query)

    def _expand_one(self, rows: list[Row], target: EntitySet, expand: Expand) -> list[Row]:
        wanted = sorted({linked for row in rows if (linked := row.links.get(expand.navigation)) is not None})
        if expand.query.filter is not None and wanted:
            query = Query(filter=expand.query.filter)
            among = Parents(ToOne("id"), wanted)
            statement, values = page_statement(target, query, among, len(wanted), self._now_us)
            wanted = [found[1] for found in self._run(statement, values)]
        found = {linked: row for linked in wanted if (row := self._find_row(target, linked)) is not None}
        self._spend(len(found))
        for row in rows:
            row.expanded[expand.navigation] = found.get(row.links.get(expand.navigation) or 0)
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
        if source is DATASTREAMS and _asks_latest(query, target):
            return self._latest(ids)
        parents = Parents(LINKS[source.name, expand.navigation], ids)
        counts: dict[int, int] = {}
        if query.count:
            counts = dict(self._run(*count_statement(target, query, parents, self._now_us)))
        found: dict[int, list[tuple[Any, ...]]] = {}
        if top:
            statement, values = page_statement(target, query, parents, top + 1, self._now_us, self._rows_left + 1)
            for one in self._run(statement, values):
                found.setdefault(one[0], []).append(one)
        self._spend(sum(map(len, found.values())))
        pages = {
            parent: Page(target.name, self._rows(target, some[:top], query), len(some) > top, counts.get(parent, 0))
            for parent, some in found.items()
        }
        if not query.count:
            return {parent: msgspec.structs.replace(page, count=None) for parent, page in pages.items()}
        return {**{parent: Page(target.name, [], count=n) for parent, n in counts.items()}, **pages}

    def _latest(self, ids: list[int]) -> dict[int, Page]:
        numbers, times, results = (column.tolist() for column in self._store.latest_of(np.array(ids, np.int64)))
        pages = {}
        extra_of = self._details.extra_of
        self._spend(len(ids))
        texts = format_column(times)
        for stream, number, time_us, text, result in zip(ids, numbers, times, texts, results, strict=True):
            rows = []
            if number:
                extra = extra_of(number)
                if extra is None:
                    links = {"Datastream": stream, "FeatureOfInterest": None}
                    rows.append(Row(number, plain_values(text, result), {}, links))
                else:
                    rows.append(_observation_row(number, stream, time_us, result, extra))
            pages[stream] = Page(OBSERVATIONS.name, rows)
        return pages

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
            self._cursor = self._stack.enter_context(self._history.reading(until=self._until))
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


def _asks_latest(query: Query, target: EntitySet) -> bool:
    return (
        target is OBSERVATIONS
        and query.top == 1
        and not query.skip
        and not query.count
        and query.filter is None
        and query.orderby[:1] == (LATEST_FIRST,)
    )


def _reads_observations(source: EntitySet | None, target: EntitySet, query: Query, is_one: bool = False) -> bool:
    """Whether the answer needs Observations from history, and so all of it that there is."""
    if target is OBSERVATIONS and not is_one and not (source is DATASTREAMS and _asks_latest(query, target)):
        return True
    said = [] if query.filter is None else [query.filter]
    said += [order.expression for order in query.orderby]
    if any("Observations/" in expression_text(expression) for expression in said):
        return True
    return any(
        _reads_observations(
            target,
            SETS[target.navigations[expand.navigation].target],
            expand.query,
            not target.navigations[expand.navigation].many,
        )
        for expand in query.expand
    )


def _observation_row(number: int, datastream: int, time_us: int, result: float, extra: ObservationExtra | None) -> Row:
    links = {"Datastream": datastream, "FeatureOfInterest": None if extra is None else extra.feature_id}
    return Row(number, observation_values(time_us, result, extra), {}, links)


_extra_decoder = msgspec.json.Decoder(dict[str, Any])


def _history_row(values: tuple[Any, ...], time: str) -> Row:
    _, number, datastream, time_us, end_us, result, result_time_us, feature, text = values[:9]
    links = {"Datastream": datastream, "FeatureOfInterest": feature}
    if text is None and end_us is None and result_time_us is None and result is not None:
        return Row(number, plain_values(time, result), {}, links)
    inside = _extra_decoder.decode(text) if text else {}
    found = observation_values(
        time_us,
        float("nan") if result is None else result,
        ObservationExtra(
            result=inside.get("result"),
            phenomenon_end_us=end_us,
            result_time_us=result_time_us,
            result_quality=inside.get("resultQuality"),
            parameters=inside.get("parameters"),
        ),
    )
    if valid := inside.get("validTime"):
        found["validTime"] = valid[0] if valid[0] == valid[1] else "/".join(valid)
    return Row(number, found, {}, links)
