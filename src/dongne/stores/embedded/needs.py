"""What a question needs: the newest Observation, which memory has, or Observations from history."""

from dongne.standards.sensorthings.query import Order, Path, Query
from dongne.standards.sensorthings.schema import DATASTREAMS, OBSERVATIONS, SETS, TASKS, EntitySet
from dongne.standards.sensorthings.text import expression_text

NEWEST_FIRST = {Order(Path((), name), descending=True): name for name in ("phenomenonTime", "resultTime", "id")}
BY_NUMBER = Order(Path((), "id"), descending=True)
BY_RESULT = Order(Path((), "resultTime"), descending=True)


def asks_newest(query: Query, target: EntitySet) -> str:
    """Whether the one newest Observation is asked for, and by what; else empty."""
    is_whole = query.filter is None and query.up_to is None and query.after is None
    is_one = query.top == 1 and not query.skip and not query.count and is_whole
    if target is not OBSERVATIONS or not is_one or query.orderby[1:] not in ((), (BY_NUMBER,)):
        return ""
    by = NEWEST_FIRST.get(query.orderby[0], "") if query.orderby else ""
    return "" if by == "resultTime" and len(query.orderby) > 1 else by


def reads_observations(source: EntitySet | None, target: EntitySet, query: Query, is_one: bool = False) -> bool:
    """Whether the answer needs Observations from history, and so all of it that there is."""
    if target is TASKS and not is_one:
        return True  # their table follows the same records
    if target is OBSERVATIONS and not is_one and not (source is DATASTREAMS and asks_newest(query, target)):
        return True
    said = [] if query.filter is None else [query.filter]
    said += [order.expression for order in query.orderby]
    if any("Observations/" in (text := expression_text(one)) or "Tasks/" in text for one in said):
        return True
    return any(
        reads_observations(
            target,
            SETS[target.navigations[expand.navigation].target],
            expand.query,
            not target.navigations[expand.navigation].many,
        )
        for expand in query.expand
    )
