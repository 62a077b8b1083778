"""Which services there are, and their code, loaded only when asked for."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dongne.model.errors import BadSetup
from dongne.runtime.answer import Answer
from dongne.runtime.declared import Declared, declare
from dongne.runtime.job import Job
from dongne.runtime.manifest import SERVICES, Manifest, define_case_kinds, list_manifests, read_manifest
from dongne.runtime.service import Service
from dongne.runtime.settings import check_settings_class

PACKAGE = "dongne.services"
Say = Callable[[Mapping[str, float]], tuple[str, str, dict[str, Any]]]


@dataclass(frozen=True)
class LoadedService:
    """A service with its manifest and tables."""

    manifest: Manifest
    declared: Declared

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.manifest.id


@dataclass(frozen=True)
class LoadedAnswer:
    """An answer with its manifest, and the classes of question and reply."""

    manifest: Manifest
    cls: type[Answer[Any, Any, Any]]
    question: type
    reply: type

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.manifest.id


def _module(service_id: str, name: str) -> Any | None:
    if not (SERVICES / service_id / f"{name}.py").exists():
        return None
    return importlib.import_module(f"{PACKAGE}.{service_id}.{name}")


def _only(module: Any, base: type, where: str) -> Any:
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and cls is not base and cls.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise BadSetup(f"{where} must hold exactly one {base.__name__}; it holds {len(found)}")
    return found[0]


def load(service_id: str) -> LoadedService | LoadedAnswer:
    """The service or answer in this folder. Raises BadSetup with what to mend."""
    define_case_kinds()
    if not (SERVICES / service_id).is_dir():
        there = ", ".join(m.id for m in list_manifests())
        raise BadSetup(f"there is no service {service_id!r}; services: {there}")
    manifest = read_manifest(SERVICES / service_id)
    module = _module(service_id, "service")
    where = f"services/{service_id}/service.py"
    if module is None:
        raise BadSetup(f"{where} is missing")
    if manifest.shape == "answer":
        cls = _only(module, Answer, where)
        return LoadedAnswer(manifest, cls, *_question_and_reply(cls))
    cls = _only(module, Service, where)
    jobs_module = _module(service_id, "jobs")
    jobs = (
        [c for _, c in inspect.getmembers(jobs_module, inspect.isclass) if issubclass(c, Job) and c is not Job]
        if jobs_module
        else []
    )
    declared = declare(service_id, cls, manifest, jobs)
    check_settings_class(service_id, declared.settings, manifest.settings)
    return LoadedService(manifest, declared)


def _question_and_reply(cls: type) -> tuple[type, type]:
    for base in getattr(cls, "__orig_bases__", ()):
        if getattr(base, "__origin__", None) is Answer:
            _, question, reply = base.__args__
            return question, reply
    raise BadSetup(f"{cls.__name__} must name its classes: class {cls.__name__}(Answer[View, Question, Reply])")


def load_all(ids: Iterable[str]) -> tuple[list[LoadedService], list[LoadedAnswer]]:
    """The services (in an order in which what feeds comes before what it feeds) and the answers of these ids."""
    loaded = [load(service_id) for service_id in ids]
    services = [one for one in loaded if isinstance(one, LoadedService)]
    return order_by_feeding(services), [one for one in loaded if isinstance(one, LoadedAnswer)]


def order_by_feeding(services: list[LoadedService]) -> list[LoadedService]:
    """The same services, feeders first. Raises BadSetup where they feed each other in a circle."""
    feeds = {s.id: {o.id for o in services if set(s.declared.results) & set(o.declared.reads)} for s in services}
    ordered: list[LoadedService] = []
    left = {s.id: s for s in services}
    while left:
        free = [i for i in left if not any(i in feeds[other] for other in left)]
        if not free:
            raise BadSetup(f"services feed each other in a circle: {' -> '.join(left)}; break it by another property")
        ordered += [left.pop(i) for i in sorted(free)]
    return ordered


def with_feeders(some: Iterable[LoadedService], services: Iterable[LoadedService]) -> list[LoadedService]:
    """These services and all of `services` whose results reach them, also through others; in the order of `services`."""
    ordered = list(services)
    ids: set[str] = set()
    wanted = {s.id for s in some}
    while wanted - ids:
        ids |= wanted
        heard = {key for s in ordered if s.id in ids for key in s.declared.hears}
        wanted = {s.id for s in ordered if heard & set(s.declared.results)}
    return [s for s in ordered if s.id in ids]


def find_say(service_id: str) -> Say | None:
    """How a service says its values in words: values by property key -> (state, catalogue key, its values)."""
    module = _module(service_id, "say")
    return None if module is None else module.say


def find_simulator(service_id: str) -> type | None:
    """The Simulator class of a service's `simulate.py`."""
    module = _module(service_id, "simulate")
    return None if module is None else module.Simulator
