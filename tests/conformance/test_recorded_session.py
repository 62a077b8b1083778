"""A session which a conformance test suite had with another server, asked again."""

import tomllib
from pathlib import Path

import httpx
import pytest
from tests.api.test_socket import Server
from tests.conformance.replay import REASONS, Result, empty_city, replay, replay_over


def recording(data_folder: Path) -> Path:
    file = data_folder / "sensorthings_recorded" / "full_logs.txt.gz"
    if not file.exists():
        pytest.skip("sensorthings_recorded is not in the data folder")
    return file


def check(result: Result) -> None:
    assert len(result.asked) == 2387
    assert [(one.exchange.url, one.unexplained) for one in result.differences if one.unexplained] == []
    used = {reason for one in result.differences for reason in one.reasons}
    assert used == set(tomllib.loads(REASONS.read_text())), "a reason nothing needs"
    assert result.equal >= 0.975 * len(result.asked)


def test_what_differs_from_the_recorded_session_is_explained(tmp_path: Path, data_folder: Path) -> None:
    check(replay(recording(data_folder), tmp_path))


@pytest.mark.full
def test_over_a_socket_the_answers_are_the_same(tmp_path: Path, data_folder: Path) -> None:
    file = recording(data_folder)
    with empty_city(tmp_path) as context:
        server = Server(context)
        try:
            check(replay_over(file, lambda: httpx.AsyncClient(timeout=30), f"{server.url}/v1.1"))
        finally:
            server.close()
