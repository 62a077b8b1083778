"""The checks that every service must pass, on every service there is."""

import pytest

from dongne.runtime.checks import CHECKS, Check, Subject, check_folder
from dongne.runtime.manifest import SERVICES, list_manifests
from dongne.runtime.registry import LoadedAnswer, LoadedService, load

MANIFESTS = list_manifests()
SHAPED = {shape: [m.id for m in MANIFESTS if m.shape == shape] for shape in ("service", "answer")}


@pytest.fixture(scope="module")
def subjects() -> dict[str, Subject]:
    return {}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("service", SHAPED["service"])
def test_service(service: str, check: Check, subjects: dict[str, Subject]) -> None:
    if service not in subjects:
        loaded = load(service)
        assert isinstance(loaded, LoadedService)
        subjects[service] = Subject(loaded, SERVICES / service)
    assert list(check(subjects[service])) == []


@pytest.mark.parametrize("answer", SHAPED["answer"])
def test_answer_folder_is_whole(answer: str) -> None:
    loaded = load(answer)
    assert isinstance(loaded, LoadedAnswer)
    assert list(check_folder(loaded, SERVICES / answer)) == []
