"""A city as it was: its entities from the records up to a number, as a graph and as tables of their own beside history.

Observations are not copied: those with higher numbers are left out. What was removed since is gone here too, and what was
corrected since is as corrected.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import duckdb
import msgspec

from dongne.model.entities import EntityChange, EntityType, put
from dongne.model.graph import ThingGraph
from dongne.model.records import RecordKind
from dongne.runtime.ports import Store
from dongne.stores.embedded.extents import Extent, Periods
from dongne.stores.embedded.links import OBSERVATION_TABLES
from dongne.stores.embedded.shapes import Shapes
from dongne.stores.embedded.tables import COLUMNS, TABLES, mirror_entities

MOST_KEPT = 3
_READ = 1_000
_changes = msgspec.msgpack.Decoder(list[EntityChange])


class History(Protocol):
    """The follower."""

    def reading(
        self, timeout_s: float = ..., until: int | None = None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A cursor that sees all that was acknowledged before, or at least all up to `until`."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor, outside of any transaction."""


class PastExtents:
    """What `Extents` says, as of a number; asked of history each time."""

    def __init__(self, history: History, number: int) -> None:
        self._history, self._number = history, number

    def of(self, datastreams: Sequence[int]) -> list[Extent | None]:
        """The extent of each; None where it had no Observations."""
        found = self._ask(" and datastream_id in (select unnest($ids::integer[]))", {"ids": list(datastreams)})
        return [found.get(stream) for stream in datastreams]

    def all(self) -> dict[int, Extent]:
        """Those of all Datastreams that had Observations."""
        return self._ask("", {})

    def periods(self, *, of_results: bool) -> Periods:
        """See Extents."""
        found = self.all()
        if not of_results:
            return list(found), [one.first_us for one in found.values()], [one.last_us for one in found.values()]
        made = {s: (e.result_first_us, e.result_last_us) for s, e in found.items()}
        some = [(s, begin, end) for s, (begin, end) in made.items() if begin is not None and end is not None]
        return [s for s, _, _ in some], [begin for _, begin, _ in some], [end for _, _, end in some]

    def _ask(self, condition: str, values: dict[str, Any]) -> dict[int, Extent]:
        rows = " union all ".join(
            f"(select datastream_id as s, phenomenon_time as a, coalesce(phenomenon_end, phenomenon_time) as b, "
            f"result_time as r, feature_id as f from {table} where id <= $number{condition})"
            for table in OBSERVATION_TABLES
        )
        text = (
            "select s, epoch_us(min(a)), epoch_us(max(b)), epoch_us(min(r)), epoch_us(max(r)), "
            f"list(distinct f) filter (f is not null) from ({rows}) group by s"
        )
        with self._history.reading() as cursor:
            found = cursor.execute(text, {"number": self._number, **values}).fetchall()
        return {
            stream: Extent(first, last, begin, end, frozenset(features or ()))
            for stream, first, last, begin, end, features in found
        }


class Past:
    """The city as of `number`; `schema` is the name of the database in memory that has its entities."""

    def __init__(self, history: History, number: int, made: "_Made") -> None:
        self.number, self.graph, self.schema = number, made.graph, made.schema
        self.extents = PastExtents(history, number)
        self.shapes = Shapes(self.graph, self.extents)

    def enter(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Makes the names of entity tables mean those of then, for this cursor."""
        ((here,),) = cursor.execute("select current_database()").fetchall()
        cursor.execute(f"set search_path = '{self.schema}.main,{here}.main'").fetchall()

    @staticmethod
    def leave(cursor: duckdb.DuckDBPyConnection) -> None:
        """Makes them mean those of now again."""
        cursor.execute("reset search_path").fetchall()


class _Made:
    def __init__(self, mark: int, graph: ThingGraph) -> None:
        self.mark, self.graph, self.schema = mark, graph, f"as_of_{mark}"
        self.users = 0


class Pasts:
    """The last few that were asked for."""

    def __init__(self, store: Store, history: History) -> None:
        self._store, self._history = store, history
        self._lock = threading.Lock()  # one is made at a time
        self._marks: list[int] = []  # the numbers of all records about entities, as far as they were read
        self._made: dict[int, _Made] = {}

    @contextmanager
    def at(self, at_us: int) -> Iterator[Past]:
        """The city as of this instant."""
        number = self._store.find_number_at(at_us + 1)
        with self._lock:
            made = self._get(number)
            made.users += 1
        try:
            yield Past(self._history, number, made)
        finally:
            with self._lock:
                made.users -= 1

    def _get(self, number: int) -> _Made:
        self._read_marks(number)
        place = bisect_right(self._marks, number)
        mark = self._marks[place - 1] if place else 0
        made = self._made.pop(mark, None) or _Made(mark, self._graph_at(mark))
        self._made[mark] = made  # the last in order is the last that was asked for
        with self._history.reading(until=0):  # opens it, where it is not
            pass
        cursor = self._history.cursor()
        if not cursor.execute("select 1 from duckdb_databases() where database_name = ?", [made.schema]).fetchall():
            _attach(cursor, made)
        for old in [one for one in self._made.values() if not one.users and one is not made][: -(MOST_KEPT - 1)]:
            del self._made[old.mark]
            cursor.execute(f"detach {old.schema}").fetchall()
        return made

    def _read_marks(self, number: int) -> None:
        while (after := self._marks[-1] if self._marks else 0) < number:
            records = self._store.read(after, number, _READ, [RecordKind.ENTITIES])
            self._marks += [record.number for record in records]
            if len(records) < _READ:
                return

    def _graph_at(self, mark: int) -> ThingGraph:
        graph, after = ThingGraph(), 0
        while after < mark:
            for record in self._store.read(after, mark, _READ, [RecordKind.ENTITIES]):
                graph.apply(_changes.decode(record.body))
                after = record.number
        return graph


def _attach(cursor: duckdb.DuckDBPyConnection, made: _Made) -> None:
    cursor.execute(f"attach ':memory:' as {made.schema}").fetchall()
    try:
        cursor.execute(f"set search_path = '{made.schema}.main'").fetchall()
        for kind, table in TABLES.items():
            columns = ", ".join(f"{name} {sql}" for name, (sql, _) in COLUMNS[kind].items())
            cursor.execute(f"create table {table} ({columns})").fetchall()
        cursor.execute("create table thing_locations (thing_id BIGINT, location_id BIGINT)").fetchall()
        entities = [entity for kind in EntityType for entity in made.graph.entities(kind).values()]
        mirror_entities(cursor, [put(entity) for entity in entities])
    except BaseException:
        Past.leave(cursor)
        cursor.execute(f"detach {made.schema}").fetchall()
        raise
    Past.leave(cursor)
