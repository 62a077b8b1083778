"""The tables that a condition or sort key needs beside its own: along navigations, and values worked out for each entity."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.functions import Gives
from dongne.standards.sensorthings.query import Call, Geometry, Literal, Path
from dongne.standards.sensorthings.schema import SETS, EntitySet
from dongne.stores.embedded.links import LINKS, About, Of, Pairs, ToOne, about
from dongne.stores.embedded.shapes import WHERE, Geometries, KnowsExtents, compute, read_wkt
from dongne.stores.embedded.terms import Bindings, Term, shown

DEEPEST = 6
MOST_JOINS = 12
MOST_PAIRS = 200_000  # of places compared with each other in one condition


class Joins:
    """`tables` are the joins in order, over rows with the alias `base` of `entity_set`; `many`: one of them multiplies
    rows."""

    def __init__(self, entity_set: EntitySet, bindings: Bindings, prefix: str, base: str = "b") -> None:
        self.entity_set, self.base = entity_set, base
        self._bindings, self._prefix = bindings, prefix
        self.tables: list[str] = []
        self.many = False
        self._aliases: dict[tuple[str, ...], str] = {}

    def along(self, navigations: Sequence[str]) -> tuple[str, EntitySet]:
        """The alias of the table to which they lead, and its set."""
        alias, entity_set = self.base, self.entity_set
        for length in range(1, len(navigations) + 1):
            alias, entity_set = self._join(tuple(navigations[:length]), alias, entity_set)
        return alias, entity_set

    def _join(self, way: tuple[str, ...], source: str, source_set: EntitySet) -> tuple[str, EntitySet]:
        navigation = source_set.navigations[way[-1]]
        target_set = SETS[navigation.target]
        if way in self._aliases:
            return self._aliases[way], target_set
        if len(way) > DEEPEST or len(self._aliases) >= MOST_JOINS:
            raise BadInput(
                f"{'/'.join(way)[:60]}...: a condition or order goes over at most {DEEPEST} navigations in a row and "
                f"{MOST_JOINS} in all; ask for less at once",
                reason="query",
            )
        alias = f"{self._prefix}{len(self._aliases)}"
        self._aliases[way] = alias
        self.many = self.many or navigation.many
        table = self._bindings.whole(target_set)
        match LINKS[source_set.name, navigation.name]:
            case About():
                with_feature = (
                    f"(select o.*, coalesce(o.feature_id, e.feature_id) as about from {table} o {about('o', 'e')})"
                )
                self.tables.append(f"left join {with_feature} {alias} on {alias}.about = {source}.id")
            case ToOne("feature_id"):
                self.tables.append(about(source, f"{alias}e"))
                feature = f"coalesce({source}.feature_id, {alias}e.feature_id)"
                self.tables.append(f"left join {table} {alias} on {alias}.id = {feature}")
            case ToOne(column):
                self.tables.append(f"left join {table} {alias} on {alias}.id = {source}.{column}")
            case Of(column):
                self.tables.append(f"left join {table} {alias} on {alias}.{column} = {source}.id")
            case Pairs(pairs, from_column, to_column):
                self.tables.append(f"left join {pairs} {alias}p on {alias}p.{from_column} = {source}.id")
                self.tables.append(f"left join {table} {alias} on {alias}.id = {alias}p.{to_column}")
        return alias, target_set

    def reached(self, source: str, source_set: EntitySet, way: str) -> tuple[str, str]:
        """What stands after `from` in a question about those to which one navigation leads, with this base as their alias,
        and the condition that ties them to the entity with the alias `source`."""
        table, base = self._bindings.whole(self.entity_set), self.base
        match LINKS[source_set.name, way]:
            case About():
                owner = f"(select o.*, coalesce(o.feature_id, e.feature_id) as about from {table} o {about('o', 'e')})"
                return f"{owner} {base}", f"{base}.about = {source}.id"
            case Of(column):
                return f"{table} {base}", f"{base}.{column} = {source}.id"
            case Pairs(pairs, from_column, to_column):
                joined = f"join {table} {base} on {base}.id = {base}p.{to_column}"
                return f"{pairs} {base}p {joined}", f"{base}p.{from_column} = {source}.id"
            case ToOne(column):
                return f"{table} {base}", f"{base}.id = {source}.{column}"

    def _values(self, entities: Sequence[str], columns: dict[str, tuple[str, list[Any]]]) -> str:
        """Joins values by ids: columns by name, with their sort in SQL; the first are the ids of the entities with these
        aliases. Returns the alias."""
        alias = f"{self._prefix}v{len(self.tables)}"
        places = [f"unnest({self._bindings.bind(v)}::{sort}[]) as {name}" for name, (sort, v) in columns.items()]
        same = " and ".join(f"{alias}.{name} = {entity}.id" for name, entity in zip(columns, entities, strict=False))
        self.tables.append(f"left join (select {', '.join(places)}) {alias} on {same}")
        return alias

    # --- what the Observations of a Datastream give

    def period(self, path: Path, alias: str) -> Term:
        """From when to when a Datastream has Observations, or their results were made."""
        streams, first, last = self._extents(path).periods(of_results=path.name == "resultTime")
        columns = {"id": ("bigint", streams), "first_us": ("bigint", first), "last_us": ("bigint", last)}
        values = self._values([alias], columns)
        return Term(Gives.TIME, f"make_timestamp({values}.first_us)", end=f"make_timestamp({values}.last_us)")

    def _extents(self, path: Path) -> KnowsExtents:
        shapes = self._bindings.scene.shapes
        if path.name == "observedArea" or shapes is None:
            raise BadInput(
                f"$filter: {shown(path)} is a place; ask with a function, as in "
                "st_within(observedArea,geography'POLYGON ((...))')",
                reason="query",
            )
        return shapes.extents

    # --- places

    def geometry(self, call: Call, gives: Gives) -> Term:
        """A function of places: worked out for each entity, or for each two that are asked for together, and joined by id."""
        arguments: list[Any] = []
        placed: list[_Placed] = []
        pattern = ""
        for argument in call.arguments:
            match argument:
                case Literal(Geometry(wkt)):
                    arguments.append(read_wkt(wkt))
                case Literal(str() as text) if call.name == "st_relate" and len(arguments) == 2:
                    pattern = text
                case Path() if self._bindings.scene.shapes is not None:
                    placed.append(self._placed(argument))
                    arguments.append(placed[-1])
                case _:
                    raise BadInput(
                        f"$filter: {shown(call)}: {shown(argument)} is no place; a function takes a `location`, `feature` or "
                        "`observedArea`, and constants like geography'POINT (24.94 60.17)'",
                        reason="query",
                    )
        keys = self._keys(placed)
        found = compute(call.name, [_of_keys(one, placed, keys) for one in arguments], pattern)
        sort = "boolean" if gives is Gives.BOOL else "double"
        if not placed:
            return Term(gives, f"cast({self._bindings.bind(found[0])} as {sort})")
        columns: dict[str, tuple[str, list[Any]]] = {
            f"id{place}": ("bigint", key.tolist()) for place, key in enumerate(keys)
        }
        if not len(keys[0]):
            found = []
        values = self._values([one.alias for one in placed], {**columns, "value": (sort, found)})
        return Term(gives, f"{values}.value")

    def _keys(self, placed: list["_Placed"]) -> list[NDArray[np.int64]]:
        """The ids of those for which a function is worked out: of each place alone, or of two the pairs that occur."""
        if len(placed) < 2 or placed[0].alias == placed[1].alias:
            return [one.ids for one in placed]
        ask = self._bindings.scene.ask
        if ask is None:
            raise BadInput("$filter: two places at once cannot be compared here; name a constant", reason="query")
        one, two = (f"{place.alias}.id" for place in placed)
        statement, given = self._bindings.statement(
            f"select distinct {one}, {two} from {self._bindings.whole(self.entity_set)} {self.base} "
            f"{' '.join(self.tables)} where {one} is not null and {two} is not null limit {MOST_PAIRS + 1}"
        )
        pairs = np.array(ask(statement, given), np.int64).reshape(-1, 2)
        if len(pairs) > MOST_PAIRS:
            raise BadInput(
                f"$filter: more than {MOST_PAIRS} pairs of places would be compared; ask for one Thing or Location at a "
                "time",
                reason="query",
            )
        for column, place in enumerate(placed):
            pairs = pairs[np.isin(pairs[:, column], place.ids)]
        return [pairs[:, 0], pairs[:, 1]]

    def _placed(self, path: Path) -> "_Placed":
        """The places to which a path leads. Raises BadInput."""
        alias, entity_set = self.along(path.navigations)
        if path.steps or WHERE.get(entity_set.name) != path.name:
            raise BadInput(
                f"$filter: {shown(path)} is no place; the `location` of Locations, the `feature` of FeaturesOfInterest and "
                "the `observedArea` of Datastreams are, as in Locations/location",
                reason="query",
            )
        scene = self._bindings.scene
        assert scene.shapes is not None
        return _Placed(alias, *scene.shapes.of(entity_set.name, scene.hidden))


class _Placed(msgspec.Struct, frozen=True):
    """The entities of a table with places, by its alias: their ids, and geometries in the same order."""

    alias: str
    ids: NDArray[np.int64]
    shapes: Geometries


def _of_keys(argument: Any, placed: list[_Placed], keys: list[NDArray[np.int64]]) -> Any:
    """An argument for each key: the places of an entity in the order of the keys, and constants as they are."""
    if not isinstance(argument, _Placed):
        return argument
    key = keys[next(place for place, one in enumerate(placed) if one is argument)]
    if key is argument.ids:
        return argument.shapes
    order = np.argsort(argument.ids)
    return argument.shapes[order[np.searchsorted(argument.ids, key, sorter=order)]]
