"""The little city, and a browser of the simplest kind."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dongne.stores.sealed import SealedStore


def load(name: str) -> Any:
    """A module beside this one, under its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


little_city, little_homes, little_line = load("little_city"), load("little_homes"), load("little_line")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with little_city.open_little_city(tmp_path_factory.mktemp("city") / "store") as opened:
        yield opened


@pytest.fixture
def browser(city: Any) -> Iterator[Any]:
    with contextlib.closing(little_city.Browser(city, **{"accept-language": "en"})) as client:
        yield client


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Any]:
    """Two homes: of somebody, and a simulated one."""
    clock = little_homes.HomeClock()
    made = little_homes.Homes(SealedStore.open(tmp_path / "homes", clock), clock)
    yield made
    made.close()


@pytest.fixture
def care_city(tmp_path: Path, homes: Any) -> Iterator[Any]:
    """A city with these homes that listens to everybody."""
    rules = {"homes": homes.store, "care": homes, "link_secret": little_homes.SECRET, "screens": homes.screens}
    with little_city.open_little_city(tmp_path / "store", guarded_at="0.0.0.0", answers=homes.answers, **rules) as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path, homes: Any) -> Iterator[Any]:
    """The same as `dongne run` is at an address of this machine only."""
    rules = {"homes": homes.store, "care": homes, "link_secret": little_homes.SECRET}
    with little_city.open_little_city(tmp_path / "bench", guarded_at="127.0.0.1", **rules) as made:
        yield made
