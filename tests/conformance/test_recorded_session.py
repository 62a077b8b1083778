"""A session which a conformance test suite had with another server, asked again."""

from pathlib import Path

import pytest
from tests.conformance.replay import REASONS, replay


def test_what_differs_from_the_recorded_session_is_explained(tmp_path: Path, data_folder: Path) -> None:
    file = data_folder / "sensorthings_recorded" / "full_logs.txt.gz"
    if not file.exists():
        pytest.skip("sensorthings_recorded is not in the data folder")
    result = replay(file, tmp_path)
    assert result.asked == 2387
    assert [(one.exchange.url, one.what) for one in result.differences if not one.reason] == []
    used = {one.reason.partition(":")[0] for one in result.differences}
    assert used == {line.strip("[]\n") for line in REASONS.open() if line.startswith("[")}, "a reason nothing needs"
