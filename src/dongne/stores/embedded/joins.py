"""The tables that a condition or sort key needs beside its own: along navigations, and values worked out for each entity."""

from collections.abc import Sequence
from typing import Any

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.functions import Gives
from dongne.standards.sensorthings.query import Call, Geometry, Literal, Path
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet
from dongne.stores.embedded.links import LINKS, TABLES, About, Of, Pairs, ToOne, about
from dongne.stores.embedded.shapes import WHERE, KnowsExtents, compute, read_wkt
from dongne.stores.embedded.terms import Bindings, Term, shown

DEEPEST = 6
MOST_JOINS = 12


class Joins:
    """`tables` are the joins in order, over rows with the alias `b` of `entity_set`; `many`: one of them multiplies rows."""

    def __init__(self, entity_set: EntitySet, bindings: Bindings, prefix: str) -> None:
        self._entity_set, self._bindings, self._prefix = entity_set, bindings, prefix
        self.tables: list[str] = []
        self.many = False
        self._aliases: dict[tuple[str, ...], str] = {}

    def along(self, navigations: Sequence[str]) -> tuple[str, EntitySet]:
        """The alias of the table to which they lead, and its set."""
        alias, entity_set = "b", self._entity_set
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
        if target_set is OBSERVATIONS:
            table = self._bindings.all_observations()
        else:
            table = self._bindings.table(TABLES[target_set.name])
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

    def _values(self, entity: str, columns: dict[str, tuple[str, list[Any]]]) -> str:
        """Joins values by id: columns by name, with their sort in SQL; the first is the id. Returns the alias."""
        alias = f"{self._prefix}v{len(self.tables)}"
        places = [f"unnest({self._bindings.bind(v)}::{sort}[]) as {name}" for name, (sort, v) in columns.items()]
        self.tables.append(f"left join (select {', '.join(places)}) {alias} on {alias}.id = {entity}.id")
        return alias

    # --- what the Observations of a Datastream give

    def period(self, path: Path, alias: str) -> Term:
        """From when to when a Datastream has Observations, or their results were made."""
        streams, first, last = self._extents(path).periods(of_results=path.name == "resultTime")
        columns = {"id": ("bigint", streams), "first_us": ("bigint", first), "last_us": ("bigint", last)}
        values = self._values(alias, columns)
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
        """A function of places: worked out for each entity, and joined by id."""
        arguments: list[Any] = []
        pattern, ids, alias = "", None, ""
        for argument in call.arguments:
            match argument:
                case Literal(Geometry(wkt)):
                    arguments.append(read_wkt(wkt))
                case Literal(str() as text) if call.name == "st_relate" and len(arguments) == 2:
                    pattern = text
                case Path() if ids is None and self._bindings.scene.shapes is not None:
                    alias, set_name = self._placed(argument)
                    ids, shapes = self._bindings.scene.shapes.of(set_name, self._bindings.scene.hidden)
                    arguments.append(shapes)
                case _:
                    raise BadInput(
                        f"$filter: {shown(call)}: {shown(argument)} is no place; a function takes one `location` or `feature` "
                        "and constants like geography'POINT (24.94 60.17)'",
                        reason="query",
                    )
        found = compute(call.name, arguments, pattern)
        sort = "boolean" if gives is Gives.BOOL else "double"
        if ids is None:
            return Term(gives, f"cast({self._bindings.bind(found[0])} as {sort})")
        values = self._values(alias, {"id": ("bigint", ids.tolist()), "value": (sort, found)})
        return Term(gives, f"{values}.value")

    def _placed(self, path: Path) -> tuple[str, str]:
        """The alias of the table whose rows have the place, and its set. Raises BadInput."""
        alias, entity_set = self.along(path.navigations)
        if path.steps or WHERE.get(entity_set.name) != path.name:
            raise BadInput(
                f"$filter: {shown(path)} is no place; the `location` of Locations, the `feature` of FeaturesOfInterest and "
                "the `observedArea` of Datastreams are, as in Locations/location",
                reason="query",
            )
        return alias, entity_set.name
