"""Whole statements: the page of a set, alone or for many parents at once, and its counts.

Observations lie in two tables. A limit is pushed into both: sorting their union would read all of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dongne.standards.sensorthings.query import Query
from dongne.standards.sensorthings.schema import OBSERVATIONS, EntitySet
from dongne.stores.embedded.links import OBSERVATION_TABLES, TABLES, About, Of, Pairs, ToOne, about
from dongne.stores.embedded.shapes import Scene
from dongne.stores.embedded.sql import Compiler
from dongne.stores.embedded.terms import Bindings

Statement = tuple[str, dict[str, Any]]
FEW_IDS = 500
ANYWHERE = Scene()
_OBSERVATION_NAMES = ("datastream_id", "time_us", "end_us", "result", "result_time_us", "feature_id", "extra")


@dataclass(frozen=True)
class Parents:
    """What the wanted entities hang on: the way, and the ids at its start. ToOne("id") means: these themselves."""

    link: ToOne | Of | Pairs | About
    ids: Sequence[int]


@dataclass(frozen=True)
class Bound:
    """It is known that of the wanted Observations none has less than this in a column."""

    column: str
    least: Any


@dataclass(frozen=True)
class _Parts:
    """A compiled query: joins, conditions and sort keys with their directions, over a table with the alias `b`."""

    parent: str
    joins: str
    where: str
    keys: list[tuple[str, bool]]


def page_statement(
    target: EntitySet,
    query: Query,
    parents: Parents | None,
    limit: int,
    now_us: int,
    most: int | None = None,
    bound: Bound | None = None,
    scene: Scene = ANYWHERE,
) -> Statement:
    """Rows (parent, id, for Observations also their columns; not of several parents at once: what they are sorted by) in
    order: at most `limit` of each parent after `$skip`, and `most` in all."""
    bindings = Bindings(scene)
    parts = _compile(target, query, parents, bindings, now_us)
    if bound is not None:
        condition = f"b.{bound.column} >= {bindings.bind(bound.least)}"
        parts = replace(parts, where=f"{parts.where} and {condition}" if parts.where else f" where {condition}")
    if query.after is not None:
        condition = _following(parts.keys, query.after, bindings)
        parts = replace(parts, where=f"{parts.where} and {condition}" if parts.where else f" where {condition}")
    tables = _tables(target, bindings, parents)
    each = parents is not None and len(parents.ids) > 1 and not isinstance(parents.link, ToOne)
    make = _of_each if each else _of_one
    if not each and len(tables) == 1:
        return bindings.statement(make(tables[0], target, parts, limit) + f" offset {query.skip}")
    branches = [make(table, target, parts, limit + query.skip) for table in tables]
    union = " union all ".join(f"({branch})" for branch in branches)
    columns = ", ".join(("parent", "id", *(_OBSERVATION_NAMES if target is OBSERVATIONS else ())))
    order = _ordered([(f"k{place}", down) for place, (_, down) in enumerate(parts.keys)], "id")
    if not each:
        columns = ", ".join((columns, *(f"k{place}" for place in range(len(parts.keys)))))
        return bindings.statement(f"select {columns} from ({union}) order by {order} limit {limit} offset {query.skip}")
    ranked = f"select *, row_number() over (partition by parent order by {order}) as place from ({union})"
    text = (
        f"select {columns} from ({ranked}) where place > {query.skip} and place <= {query.skip + limit} "
        f"order by parent, place" + ("" if most is None else f" limit {most}")
    )
    return bindings.statement(text)


def bound_statement(after: int, scene: Scene) -> Statement:
    """(earliest phenomenonTime in microseconds, how many, earliest resultTime, how many have one) of the numbers after
    this one: no later page of the newest `how many` Observations can reach further back."""
    bindings = Bindings(scene)
    since = bindings.bind(after)
    branches = " union all ".join(
        f"(select phenomenon_time as p, result_time as r from {bindings.table(table)} where id > {since})"
        for table in OBSERVATION_TABLES
    )
    return bindings.statement(f"select epoch_us(min(p)), count(*), epoch_us(min(r)), count(r) from ({branches})")


def _tables(target: EntitySet, bindings: Bindings, parents: Parents | None) -> list[str]:
    names = OBSERVATION_TABLES if target is OBSERVATIONS else (TABLES[target.name],)
    # whoever came as far as the Datastream may see what it has
    is_open = target is OBSERVATIONS and parents is not None and parents.link == Of("datastream_id")
    return [bindings.table(name, is_open=is_open) for name in names]


def count_statement(
    target: EntitySet, query: Query, parents: Parents | None, now_us: int, scene: Scene = ANYWHERE
) -> Statement:
    """Rows (parent, how many)."""
    bindings = Bindings(scene)
    parts = _compile(target, Query(filter=query.filter, up_to=query.up_to), parents, bindings, now_us)
    tables = _tables(target, bindings, parents)
    group = "" if parts.parent == "null" else " group by all"
    branches = [
        f"select {parts.parent} as parent, count(*) as n from {table} b {parts.joins}{parts.where}{group}"
        for table in tables
    ]
    union = " union all ".join(f"({branch})" for branch in branches)
    return bindings.statement(f"select parent, cast(sum(n) as bigint) from ({union}) group by parent")


def _of_one(table: str, target: EntitySet, parts: _Parts, limit: int) -> str:
    order = _ordered(parts.keys, "b.id")
    return f"select {_columns(target, parts)} from {table} b {parts.joins}{parts.where} order by {order} limit {limit}"


def _of_each(table: str, target: EntitySet, parts: _Parts, limit: int) -> str:
    order = _ordered(parts.keys, "b.id")
    place = f"row_number() over (partition by {parts.parent} order by {order})"
    return f"select {_columns(target, parts)} from {table} b {parts.joins}{parts.where} qualify {place} <= {limit}"


def _columns(target: EntitySet, parts: _Parts) -> str:
    names = [f"{parts.parent} as parent", "b.id as id"]
    if target is OBSERVATIONS:
        names = [
            f"{parts.parent} as parent",
            "b.id as id",
            "b.datastream_id as datastream_id",
            "epoch_us(b.phenomenon_time) as time_us",
            "epoch_us(b.phenomenon_end) as end_us",
            "b.result as result",
            "epoch_us(b.result_time) as result_time_us",
            "b.feature_id as feature_id",
            "b.extra as extra",
        ]
    names += [f"{key} as k{place}" for place, (key, _) in enumerate(parts.keys)]
    return ", ".join(names)


def _ordered(keys: list[tuple[str, bool]], number: str) -> str:
    """Ties by the number."""
    return ", ".join((*(_direction(key, down) for key, down in keys), number))


def _following(keys: list[tuple[str, bool]], after: tuple[Any, ...], bindings: Bindings) -> str:
    """The condition for what comes later in this order than the row with these values and this id; what is missing is
    below all else."""
    same: list[str] = []
    ways = []
    for (key, down), value in zip(keys, after[:-1], strict=True):
        if value is None:
            ways.append([*same, "false" if down else f"{key} is not null"])
            same.append(f"{key} is null")
            continue
        place = bindings.bind(value)
        ways.append([*same, f"({key} < {place} or {key} is null)" if down else f"{key} > {place}"])
        same.append(f"{key} = {place}")
    ways.append([*same, f"b.id > {bindings.bind(after[-1])}"])
    return "(" + " or ".join(f"({' and '.join(way)})" for way in ways) + ")"


def _direction(key: str, descending: bool) -> str:
    return f"{key} {'desc nulls last' if descending else 'asc nulls first'}"  # 18-088, 9.3.3.1


def _compile(target: EntitySet, query: Query, parents: Parents | None, bindings: Bindings, now_us: int) -> _Parts:
    joins: list[str] = []
    where: list[str] = []
    parent = "null"
    if parents is not None:
        parent = _scope(parents, bindings, joins, where)
    if query.filter is not None:
        compiler = Compiler(target, bindings, now_us)
        condition = compiler.condition(query.filter)
        if compiler.joins.many:  # a join would give an entity once for each of the many
            table = bindings.all_observations() if target is OBSERVATIONS else bindings.table(TABLES[target.name])
            where.append(f"b.id in (select b.id from {table} b {' '.join(compiler.joins.tables)} where {condition})")
        else:
            joins += compiler.joins.tables
            where.append(condition)
    if query.up_to is not None:
        where.append(f"b.id <= {bindings.bind(query.up_to)}")
    sorter = Compiler(target, bindings, now_us, prefix="o")
    keys = [(key, order.descending) for order in query.orderby for key in sorter.sort_key(order.expression)]
    if not keys and parents is not None and isinstance(parents.link, Pairs) and parents.link.place:
        keys.append((f"p.{parents.link.place}", False))
    joins += sorter.joins.tables
    return _Parts(parent, " ".join(joins), " where " + " and ".join(where) if where else "", keys)


def _scope(parents: Parents, bindings: Bindings, joins: list[str], where: list[str]) -> str:
    """Adds what ties the rows to their parents; returns the parent's id in SQL."""
    match parents.link:
        case ToOne(column):
            where.append(_among(f"b.{column}", parents.ids, bindings))
            return "null"
        case About():
            feature = "coalesce(b.feature_id, fe.feature_id)"
            joins.append(about("b", "fe"))
            where.append(_among(feature, parents.ids, bindings))
            return feature
        case Of(column):
            where.append(_among(f"b.{column}", parents.ids, bindings))
            return f"b.{column}"
        case Pairs(table, source, pair_target):
            joins.append(f"join {table} p on p.{pair_target} = b.id")
            where.append(_among(f"p.{source}", parents.ids, bindings))
            return f"p.{source}"


def _among(column: str, ids: Sequence[int], bindings: Bindings) -> str:
    if len(ids) == 1:
        return f"{column} = {bindings.bind(ids[0])}"
    if len(ids) <= FEW_IDS:
        return f"{column} in ({', '.join(bindings.bind(one) for one in ids)})"
    return f"{column} in (select unnest({bindings.bind(list(ids))}::bigint[]))"
