"""Whatever the description permits, and what it forbids, asked of a real city: no 5xx, and only what is described."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.openapi.conftest import RunningCity

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
SAMPLE = (
    "getLatest", "getAggregates", "getObservations", "askWhatsNear", "getFeaturesItems", "getStatus", "getMapLayer", "getSeries",
    "listThings", "getDatastream", "getObservationProperty", "listDatastreamsOfThing", "createThing", "createObservation",
    "createObservationOfDatastream", "createTask", "changeDatastream", "replaceSensor", "deleteLocations", "createObservations",
    "batch", "addLocationsLinkOfThing", "getAlerts", "getAlert",
)  # fmt: skip


@pytest.fixture(scope="module")
def described(running: RunningCity) -> Iterator[Any]:
    yield schemathesis.openapi.from_dict(running.document)


def ask(running: RunningCity, described: Any, name: str, examples: int) -> None:
    """So many requests of an operation, of what is permitted and of what is not."""
    operation = described.find_operation_by_id(name)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            response = case.call(base_url=running.url, timeout=20)
            case.validate_response(response, checks=CHECKS)

        try:
            check()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, name  # nothing can be wrong with it


@pytest.mark.parametrize("name", SAMPLE)
def test_what_is_asked_of_an_operation_is_answered_as_described(
    running: RunningCity, described: Any, name: str
) -> None:
    ask(running, described, name, 3)


@pytest.mark.full
def test_the_same_of_every_operation_at_length(running: RunningCity, described: Any) -> None:
    wrong = []
    for found in described.get_all_operations():
        name = found.ok().definition.raw["operationId"]
        if name.startswith("stream"):  # they end when the listener leaves
            continue
        try:
            ask(running, described, name, 25)
        except Exception as error:  # noqa: BLE001  # all of them are told
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n\n".join(wrong)
