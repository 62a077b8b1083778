from dataclasses import dataclass

import pytest

from dongne.model.errors import BadInput
from dongne.runtime.manifest import SettingEntry
from dongne.runtime.settings import SettingsBook


@dataclass(frozen=True)
class Plan:
    at: str = ""


def test_a_text_must_look_as_the_service_says_whole() -> None:
    book = SettingsBook("plan", Plan(), {"at": SettingEntry(pattern=r"\d\d:\d\d|")})
    assert book.check({"at": "08:00"}) == {"at": "08:00"}
    assert book.check({"at": ""}) == {"at": ""}
    for wrong in ("8:00", "08:00 ", "x08:00", "٠٨:٠٠"):
        with pytest.raises(BadInput, match=r"plan\.at"):
            book.check({"at": wrong})
