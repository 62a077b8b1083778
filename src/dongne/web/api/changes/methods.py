"""Which methods an address of SensorThings takes: for whoever checks a request, and for the description of the interface."""

from dongne.model.errors import WrongMethod
from dongne.standards.sensorthings.options import is_single, parse_path, set_of
from dongne.standards.sensorthings.query import ResourcePath, Want
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, TASKS
from dongne.web.api.changes.ties import TO_MANY, TO_ONE, find_way_back

READ = ("GET", "HEAD")
POSTED = ("CreateObservations", "$CreateObservations", "$batch")
_WITH_EACH = "observed_property_ids"  # as many as units and types: they change together, by PATCH


def check_method(method: str, text: str) -> None:
    """Raises WrongMethod with the methods that the decoded path below the service root takes; NotFound, BadInput."""
    allowed = methods_at(text)
    if method not in allowed:
        raise WrongMethod(method, allowed)


def methods_at(text: str) -> tuple[str, ...]:
    """The methods of a decoded path below the service root. Raises NotFound, BadInput for one that leads nowhere."""
    if text in POSTED:
        return ("POST",)
    return methods_of(parse_path(text)) if text.strip("/") else READ


def methods_of(path: ResourcePath) -> tuple[str, ...]:
    """The methods of a resource."""
    match path.want:
        case Want.PROPERTY | Want.VALUE:
            return READ
        case Want.REFERENCES:
            return (*READ, *_of_links(path))
    if is_single(path):
        return (*READ, "PATCH", "DELETE") if set_of(path) is TASKS else (*READ, "PATCH", "PUT", "DELETE")
    deletes = () if set_of(path) is TASKS else ("DELETE",)
    return (*READ, *(("POST",) if _makes(path) else ()), *deletes)


def _makes(path: ResourcePath) -> bool:
    """Whether an entity can be made at the end of a path to many."""
    if len(path.steps) == 1:
        return True
    source, last = set_of(ResourcePath(path.steps[:-1])), path.steps[-1].name
    return TO_MANY.get((source.name, last)) != _WITH_EACH and find_way_back(source, last) is not None


def _of_links(path: ResourcePath) -> tuple[str, ...]:
    if len(path.steps) < 2:
        return ()
    source, last = set_of(ResourcePath(path.steps[:-1])), path.steps[-1]
    way = source.navigations[last.name]
    target = SETS[way.target]
    if source is TASKS or target.entity_type is None:
        return ()
    if source is OBSERVATIONS or (source.name, last.name) in TO_ONE:
        return ("POST", "PUT")
    found = find_way_back(source, last.name)
    if found is None:
        return ()
    column = TO_MANY.get((source.name, last.name)) or TO_MANY.get((target.name, found[1]))
    if column == _WITH_EACH:
        return ()
    sets = () if last.key is not None else ("POST", "PUT")
    return (*sets, "DELETE") if column else sets
