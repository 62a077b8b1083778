"""What people on duty change: cases, settings, parked keys; and who may not."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from little_city import BENCH, BIN, FAILING, NOW, Browser, LittleCity, open_little_city, wait_until

from dongne.model.records import RecordKind
from dongne.model.who import ANYBODY, Who
from dongne.runtime.ports import CaseFilter
from dongne.web.context import OpenGate


def _any_order(city: LittleCity) -> int:
    return city.store.list_cases(CaseFilter(kind="work_order"))[0].id


def settings(city: LittleCity, thing: int | None = None) -> dict[str, tuple[object, str]]:
    return {s.name: (s.value, s.level) for s in city.host.settings_in_force("smart_bins", thing)}


def test_a_step_is_taken_by_its_button_and_stands_in_the_history(city: LittleCity, browser: Browser) -> None:
    case = _any_order(city)
    answer = browser.post(f"/cases/{case}/step", data={"action": "accept", "who": "Aino", "note": "on my way"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case}?saved=accept")
    html = browser.get(answer.headers["location"]).text
    assert "Aino" in html and "on my way" in html
    assert "the chain of records is unbroken" in html
    assert 'value="start"' in html and 'value="accept"' not in html
    browser.post(f"/cases/{case}/step", data={"action": "done"})
    assert 'value="reopen"' in browser.get(f"/cases/{case}").text
    browser.post(f"/cases/{case}/step", data={"action": "reopen"})
    assert city.store.get_case(case).state == "new"


def test_a_step_that_came_too_late_is_a_conflict_with_the_present_state(city: LittleCity, browser: Browser) -> None:
    case = _any_order(city)
    assert browser.post(f"/cases/{case}/step", data={"action": "start"}).status_code == 409
    late = browser.post(f"/cases/{case}/step", data={"action": "start"})
    assert "somebody else was quicker" in late.text
    assert city.store.get_case(case).state == "new"
    assert browser.post(f"/cases/{case}/step", data={"action": "explode"}).status_code == 400


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}]
)
def test_a_form_from_another_site_changes_nothing(city: LittleCity, browser: Browser, headers: dict[str, str]) -> None:
    case, head = _any_order(city), city.store.head()
    assert browser.post(f"/cases/{case}/step", data={"action": "accept"}, headers=headers).status_code == 403
    assert (
        browser.post("/services/smart_bins/settings", data={"full_percent": "50"}, headers=headers).status_code == 403
    )
    assert city.store.head() == head


def test_a_form_of_ours_passes(city: LittleCity, browser: Browser) -> None:
    headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    case = _any_order(city)
    assert browser.post(f"/cases/{case}/step", data={"action": "accept"}, headers=headers).status_code == 303
    browser.post(f"/cases/{case}/step", data={"action": "done"}, headers=headers)
    browser.post(f"/cases/{case}/step", data={"action": "reopen"}, headers=headers)


def test_a_setting_holds_at_once_says_its_level_and_goes_back(city: LittleCity, browser: Browser) -> None:
    default, _ = settings(city)["full_percent"]
    answer = browser.post("/services/smart_bins/settings", data={"full_percent": "70"})
    assert answer.status_code == 303
    assert settings(city)["full_percent"] == (70.0, "city")
    html = browser.get(answer.headers["location"]).text
    assert 'value="70"' in html and "set for the city" in html and "Saved" in html
    browser.post("/services/smart_bins/settings", data={"back": "full_percent"})
    wait_until(lambda: settings(city)["full_percent"] == (default, "default"))


def test_a_wrong_setting_is_told_beside_its_field_and_nothing_is_stored(city: LittleCity, browser: Browser) -> None:
    head = city.store.head()
    for wrong in ("1000", "much", "-1", "nan", "inf"):
        answer = browser.post("/services/smart_bins/settings", data={"full_percent": wrong, "ahead_h": "6"})
        assert answer.status_code == 400, wrong
        assert 'id="s-full_percent" name="full_percent" value="' + wrong in answer.text
        assert "enter a number from 10 % to 100 %" in answer.text
        assert 'value="6"' in answer.text, "what was right is kept in its field"
    assert city.store.head() == head


def test_a_thing_has_settings_of_its_own(city: LittleCity, browser: Browser) -> None:
    browser.post("/services/smart_bins/settings", data={"thing": str(BIN), "ahead_h": "3"})
    assert settings(city, BIN)["ahead_h"] == (3.0, f"thing:{BIN}")
    assert settings(city)["ahead_h"][1] == "default"
    assert "set for this place" in browser.get(f"/things/{BIN}").text
    assert "set for this place" in browser.get(f"/services/smart_bins?thing={BIN}").text


def test_an_unchanged_form_stores_nothing(city: LittleCity, browser: Browser) -> None:
    head = city.store.head()
    value, _ = settings(city)["full_percent"]
    answer = browser.post("/services/smart_bins/settings", data={"full_percent": f"{value:g}"})
    assert answer.headers["location"] == "/services/smart_bins?saved=0#settings"
    assert city.store.head() == head


def test_a_parked_place_says_why_and_goes_on_by_its_button(city: LittleCity, browser: Browser) -> None:
    wait_until(lambda: [s.parked for s in city.host.statuses() if s.id == "breaker"] != [()])
    html = browser.get("/services/breaker").text
    assert "seats = 17" in html
    assert "Partly parked" in browser.get("/services").text
    assert browser.post("/services/breaker/resume", data={"thing": str(BENCH), "reset": "1"}).status_code == 303
    assert [r.kind for r in city.store.read(0, kinds=[RecordKind.RESUME])] == [RecordKind.RESUME]
    assert "1 place is parked" not in browser.get("/services/breaker").text
    assert browser.post("/services/breaker/resume", data={"thing": "999"}).status_code == 400
    city.observe((FAILING, NOW, 0.0))


class ClosedGate(OpenGate):
    """Nobody may do anything."""

    def who_on_page(self, scope: Any) -> Who:
        return ANYBODY


@pytest.fixture
def strict_browser(tmp_path: Path) -> Iterator[Browser]:
    with (
        open_little_city(tmp_path / "city", gate=ClosedGate()) as city,
        contextlib.closing(Browser(city, **{"accept-language": "en"})) as client,
    ):
        client.order = _any_order(city)  # type: ignore[attr-defined]
        yield client


def test_who_may_not_write_sees_no_buttons_and_is_refused(strict_browser: Browser) -> None:
    order = strict_browser.order  # type: ignore[attr-defined]
    assert 'name="action"' not in strict_browser.get(f"/cases/{order}").text
    assert "you need to be staff" in strict_browser.get("/services/smart_bins").text
    assert strict_browser.post(f"/cases/{order}/step", data={"action": "accept"}).status_code == 401
    assert strict_browser.post("/services/smart_bins/settings", data={"full_percent": "70"}).status_code == 401
    assert strict_browser.post("/services/breaker/resume", data={"thing": str(BENCH)}).status_code == 401
