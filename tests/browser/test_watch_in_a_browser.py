"""What a control room hears and sees while a life is at stake, and of what others do meanwhile."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from little_city import NOW, open_case, wait_until

from dongne.model.cases import CaseEvent
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Transaction

COUNT_TONES = """
window.tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...at) { window.tones += 1; return start.apply(this, at); };
"""
_numbers = itertools.count()


def take(city: Any, case: int, action: str, **more: Any) -> None:
    """A step by somebody else."""
    found = city.store.get_case(case)
    given = {
        "key": found.key,
        "kind": found.kind,
        "action": action,
        "name": found.name,
        "time": NOW,
        "by": "Aino",
        **more,
    }
    body = msgspec.msgpack.encode(msgspec.convert(given, CaseEvent))
    city.store.submit(Transaction([Entry(RecordKind.CASE, body)])).result()


@pytest.fixture
def alarm(city: Any) -> Iterator[int]:
    case = open_case(city, f"alarm {next(_numbers)}", kind="alert", priority=0)
    yield case
    if not city.store.get_case(case).is_closed:
        take(city, case, "clear")


def test_it_rings_and_says_so_until_somebody_takes_it_on(city: Any, open_window: Any) -> None:
    window = open_window(language="en")
    page = window.page
    page.add_init_script(COUNT_TONES)
    page.goto("/services")
    bar = page.locator("#watch")
    bar.wait_for()
    if bar.get_attribute("data-state") == "blocked":
        page.keyboard.press("Shift")  # the browser waits for a first key or click
    wait_until(lambda: page.evaluate("document.querySelector('#watch').dataset.state === 'on'"))
    assert page.evaluate("window.tones") == 0 and page.locator("[data-alarm]").is_hidden()
    case = open_case(city, f"rings {next(_numbers)}", kind="alert", priority=0)
    wait_until(lambda: page.evaluate("window.tones >= 4"))  # and again
    assert page.title().startswith("(1) LIFE SAFETY")
    link = page.locator("[data-alarm]")
    assert link.inner_text().endswith("nobody has taken on: 1") and link.get_attribute("href") == f"/cases/{case}"
    take(city, case, "acknowledge")
    wait_until(lambda: page.evaluate("!document.title.startsWith('(')"))
    silent = page.evaluate("window.tones")
    assert link.is_hidden()
    asked = len(window.asked)
    wait_until(lambda: len(page.evaluate("1") and window.asked) >= asked + 2)  # a tone would have come between
    assert page.evaluate("window.tones") == silent
    take(city, case, "clear")
    assert window.problems == []


def test_who_muted_it_sees_it_all_the_same_and_is_told_that_it_is_muted(
    city: Any, open_window: Any, alarm: int
) -> None:
    window = open_window(language="en")
    page = window.page
    page.add_init_script(COUNT_TONES)
    page.goto("/cases")
    page.locator("[data-sound]").wait_for()
    page.keyboard.press("Shift")
    wait_until(lambda: page.evaluate("document.querySelector('#watch').dataset.state === 'on'"))
    page.get_by_role("button", name="Mute").click()
    wait_until(lambda: page.evaluate("document.querySelector('#watch').dataset.state === 'muted'"))
    page.reload()
    wait_until(lambda: page.evaluate("document.title.startsWith('(1)')"))
    assert page.evaluate("window.tones") == 0, "it is remembered"
    assert "muted" in page.locator("[data-sound-state]").inner_text()
    assert page.locator("[data-sound]").get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Turn the sound on").click()
    wait_until(lambda: page.evaluate("window.tones > 0"))


def test_a_connection_that_is_lost_is_no_silence(open_window: Any, city: Any) -> None:
    window = open_window(language="en")
    window.page.goto("/cases")
    window.page.locator("#watch").wait_for()
    window.page.route("**/cases/watch.json*", lambda route: route.abort())
    window.page.get_by_text("Connection lost: new alarms do not arrive here.").wait_for()
    window.page.unroute("**/cases/watch.json*")
    window.page.get_by_text("Connection lost").wait_for(state="hidden")


def test_the_list_grows_and_changes_without_taking_the_keyboard_away(city: Any, open_window: Any) -> None:
    first = open_case(city, f"focus {next(_numbers)}", due=NOW + timedelta(hours=1))
    window = open_window(language="en")
    page = window.page
    page.goto("/cases")
    page.locator("[data-live]").wait_for(state="visible")
    page.locator(f".case-what > a[href='/cases/{first}']").focus()
    other = open_case(city, f"focus {next(_numbers)}", priority=1)
    page.locator(f".case-what > a[href='/cases/{other}']").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/cases/{first}"
    take(city, other, "assign", unit="East", assignee="Aino")
    page.locator("#cases").get_by_text("Aino").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/cases/{first}"


def test_who_looks_at_a_case_sees_that_somebody_else_took_it_and_keeps_what_was_written(
    city: Any, open_window: Any
) -> None:
    case = open_case(city, f"both {next(_numbers)}")
    window = open_window(language="en")
    page = window.page
    page.goto(f"/cases/{case}")
    page.locator("#note-step").fill("half a sentence")
    take(city, case, "assign", unit="East", assignee="Aino")
    page.locator("#case-changed").wait_for(state="visible")
    assert "Assigned (Aino)" in page.locator("#case-changed").inner_text()
    assert page.locator("#note-step").input_value() == "half a sentence"


@pytest.mark.parametrize(("width", "is_narrow"), [(320, True), (390, True), (1440, False)])
def test_what_next_comes_before_the_history_on_a_phone_and_beside_it_elsewhere(
    city: Any, open_window: Any, width: int, is_narrow: bool
) -> None:
    case = open_case(city, f"narrow {width}")
    window = open_window(viewport={"width": width, "height": 844})
    window.page.goto(f"/cases/{case}")
    boxes = [window.page.locator(f".{name}").bounding_box() for name in ("case-next", "case-history", "case-about")]
    following, history, about = boxes
    if is_narrow:
        assert following["y"] + following["height"] <= history["y"] and history["y"] + history["height"] <= about["y"]
    else:
        assert abs(following["y"] - history["y"]) < 2 and history["x"] + history["width"] < following["x"]
        assert about["x"] == following["x"]
    wait_until(lambda: window.problems == [])


@pytest.mark.parametrize(("language", "width"), [("ko", 320), ("en", 1440)])
def test_a_page_that_rings_has_no_barrier_and_fits(
    city: Any, open_window: Any, packages: Path, alarm: int, language: str, width: int
) -> None:
    window = open_window(language=language, viewport={"width": width, "height": 844})
    page = window.page
    page.goto(f"/cases/{alarm}")
    page.locator("[data-alarm]").wait_for(state="visible")
    page.evaluate((packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(r => r.violations.map(v => v.id))",
        ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    )
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
