"""What a topic filter asks for (18-088, clause 14.2): a set, a navigation, an entity or a property, each with options as in a
GET; or by MQTT's wildcards.

v1.1/Observations?$select=result     each new Observation, so much of it
v1.1/Datastreams(5)/Observations     those of one Datastream
v1.1/Things(1)/Datastreams           the Datastreams of a Thing that are new or changed
v1.1/Datastreams(5)                  the entity when it changes
v1.1/Datastreams(5)/observedArea     one property of it
v1.1/+/Observations, v1.1/#          any that match the topics Datastreams(n)/Observations, Things(n) ...
"""

from enum import Enum
from urllib.parse import parse_qsl

import msgspec

from dongne.adapters.mqtt.listener.packets import BAD_FILTER, NO_SHARED
from dongne.adapters.mqtt.views import LATEST_FIRST
from dongne.model.errors import BadInput, DongneError
from dongne.standards.sensorthings.matching import check_matching
from dongne.standards.sensorthings.options import is_single, parse_path, parse_query, set_of
from dongne.standards.sensorthings.query import Query, ResourcePath, Want
from dongne.standards.sensorthings.schema import DATASTREAMS, OBSERVATIONS, SETS, EntitySet

LONGEST_FILTER = 2_000
MOST_OPTIONS = 10


class About(Enum):
    """What a subscription is about."""

    WILD = "wild"  # whatever topic matches
    SET = "set"
    ONE = "one"
    PROPERTY = "property"
    ANSWERS = "answers"  # to what the client publishes: response topics, and v1.1/errors/...
    NOTHING = "nothing"  # granted, and never sent anything


class Asked(msgspec.Struct, frozen=True):
    """A topic filter, read. `levels` are those of a wildcard."""

    filter: str
    about: About
    path: ResourcePath = ResourcePath(())
    query: Query = Query()
    levels: tuple[str, ...] = ()

    @property
    def entity_set(self) -> EntitySet:
        """The set whose entities are sent."""
        return set_of(self.path)

    def matches(self, topic: str) -> bool:
        """Whether the topic matches the wildcards (clause 4.7 of MQTT)."""
        return match_levels(self.levels, topic.split("/"))


class RefusedFilter(DongneError):
    """A filter that is not granted: the reason code is `code`."""

    def __init__(self, message: str, code: int = BAD_FILTER, reason: str = "filter") -> None:
        super().__init__(message, reason=reason)
        self.code = code
        self.status = 400


def match_levels(levels: tuple[str, ...], topic: list[str]) -> bool:
    """Whether a topic, in its levels, matches a filter with wildcards in its."""
    for at, level in enumerate(levels):
        if level == "#":
            return True
        if at >= len(topic) or level not in ("+", topic[at]):
            return False
    return len(levels) == len(topic)


def read_filter(text: str, root: str, short: str) -> Asked:
    """What is asked for. Raises DongneError saying what is wrong and what may be asked for."""
    if not text or len(text) > LONGEST_FILTER:
        raise RefusedFilter(f"a topic filter has 1 to {LONGEST_FILTER} characters")
    if text.startswith("$share/"):
        raise RefusedFilter("shared subscriptions are not offered; subscribe to the topic itself", NO_SHARED)
    if text.startswith("$"):
        return Asked(text, About.NOTHING)  # what brokers say of themselves
    path, asks, options = text.partition("?")
    if not path.startswith(f"{root}/") or not asks:
        levels = tuple(text.split("/"))
        if any("+" in level or "#" in level for level in levels):
            return _wild(text, levels)
        if levels[0] == short or text == root:
            raise RefusedFilter(
                f"nothing is sent on {text[:80]!r}; subscribe to {root}/Datastreams(id)/Observations, or to {root}/#"
            )
        if levels[0] != root or levels[1] == "errors":
            return Asked(text, About.ANSWERS)
    return _resource(text, path[len(root) + 1 :], options)


def _wild(text: str, levels: tuple[str, ...]) -> Asked:
    for at, level in enumerate(levels):
        if len(level) > 1 and ("+" in level or "#" in level):
            raise RefusedFilter(
                f"{level[:80]!r}: a wildcard stands alone between two slashes (MQTT, clause 4.7); for all of a set "
                "subscribe to it, as v1.1/Observations, or take +/Observations; in a $filter write + as %2B"
            )
        if level == "#" and at < len(levels) - 1:
            raise RefusedFilter("# stands at the end only")
    return Asked(text, About.WILD, levels=levels)


def _resource(text: str, path_text: str, options: str) -> Asked:
    path = parse_path(path_text)
    try:
        pairs = parse_qsl(options, keep_blank_values=True, strict_parsing=bool(options), max_num_fields=MOST_OPTIONS)
    except ValueError:
        raise BadInput("the options after ? cannot be read; write them as in $select=result", reason="query") from None
    query = parse_query(pairs, set_of(path))
    if path.want not in (Want.ENTITIES, Want.PROPERTY):
        raise BadInput(f"/{path.want} is not sent over MQTT; subscribe to what stands before it", reason="path")
    if query != Query(select=query.select, filter=query.filter, expand=query.expand):
        raise BadInput("a subscription takes $select, $filter and $expand, and no other option", reason="query")
    if query.filter is not None:
        check_matching(query.filter, set_of(path))
    _check_expand(query, set_of(path))
    if path.want is Want.PROPERTY:
        if query != Query():
            raise BadInput("a property is sent whole; leave the options out", reason="query")
        return Asked(text, About.PROPERTY, path, query)
    return Asked(text, About.ONE if is_single(path) else About.SET, path, query)


def _check_expand(query: Query, source: EntitySet) -> None:
    """Only what memory knows is sent along, so that nobody waits for it."""
    for expand in query.expand:
        way = source.navigations[expand.navigation]
        inner = expand.query
        latest = source is DATASTREAMS and way.target == OBSERVATIONS.name and inner.top == 1
        latest = (
            latest and inner.orderby == LATEST_FIRST and not inner.skip and not inner.count and inner.filter is None
        )
        if (way.many and not latest) or (not way.many and inner.filter is not None):
            raise BadInput(
                f"$expand: {expand.navigation} is not sent along; a subscription expands what leads to one entity, and "
                "Datastreams also Observations($top=1;$orderby=phenomenonTime desc)",
                reason="query",
            )
        _check_expand(inner, SETS[way.target])
