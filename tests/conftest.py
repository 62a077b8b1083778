"""What tests need from outside: said as skipped where it is absent, or failing where DONGNE_REQUIRE names it.

DONGNE_DATA      a folder with the data sets that no package brings
DONGNE_REQUIRE   comma-separated: data, mqtt, browser, gdal; what is named must be there (the CI names all)
DONGNE_EXAMPLES  "all" (what `dev.py test --all` sets): property tests try as many examples as they are worth, not a sample
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes is the machine's. Where a test names no number of examples, it is a sample of what `--all` tries.
settings.register_profile("sampled", deadline=None, max_examples=40)
settings.register_profile("all", deadline=None)
settings.load_profile(os.environ.get("DONGNE_EXAMPLES", "sampled"))

Need = Callable[[str, bool, str], None]


@pytest.fixture(scope="session")
def need() -> Need:
    """need("mqtt", is_there, "mosquitto is not installed"): goes on, skips with the reason, or fails where required."""
    required = {name.strip() for name in os.environ.get("DONGNE_REQUIRE", "").split(",")}

    def check(name: str, is_there: bool, reason: str) -> None:
        if is_there:
            return
        if name in required:
            pytest.fail(f"{reason}, and DONGNE_REQUIRE names {name}", pytrace=False)
        pytest.skip(reason)

    return check


@pytest.fixture(scope="session")
def data_folder(need: Need) -> Path:
    """The folder with the data sets that no package brings, from DONGNE_DATA."""
    given = os.environ.get("DONGNE_DATA", "")
    need("data", bool(given) and Path(given).is_dir(), f"DONGNE_DATA={given!r} is no folder")
    return Path(given)


@pytest.fixture(scope="session")
def cap_schema(data_folder: Path, need: Need) -> Any:
    """The schema of CAP 1.2 as OASIS publishes it, beside the data sets; lxml comes with owslib."""
    etree = pytest.importorskip("lxml.etree")
    file = data_folder.parent / "standards" / "cap" / "CAP-v1.2.xsd"
    need("data", file.is_file(), f"{file} is not there")
    return etree.XMLSchema(etree.parse(file))


@pytest.fixture(scope="session")
def chromium(need: Need) -> str:
    """The browser for tests of pages."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("browser", found is not None, "chromium is not installed")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def mosquitto(need: Need) -> str:
    """The MQTT broker for tests."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    need("mqtt", found is not None, "mosquitto is not installed")
    assert found is not None
    return found
