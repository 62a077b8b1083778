"""The little city, and a browser of the simplest kind."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("little_city", Path(__file__).with_name("little_city.py"))
assert _spec is not None and _spec.loader is not None
little_city = sys.modules["little_city"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(little_city)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with little_city.open_little_city(tmp_path_factory.mktemp("city") / "store") as opened:
        yield opened


@pytest.fixture
def browser(city: Any) -> Iterator[Any]:
    with contextlib.closing(little_city.Browser(city, **{"accept-language": "en"})) as client:
        yield client
