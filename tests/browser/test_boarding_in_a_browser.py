"""The platform display and the page for phones in a real browser: they fit, they live, and they never show what is old as if it were new."""

import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from little_city import NOW, wait_until

_spec = importlib.util.spec_from_file_location("little_line", Path(__file__).parents[1] / "web" / "little_line.py")
assert _spec is not None and _spec.loader is not None
little_line = sys.modules.setdefault("little_line", importlib.util.module_from_spec(_spec))
if not hasattr(little_line, "LittleLine"):
    _spec.loader.exec_module(little_line)

LEFT = NOW - timedelta(seconds=20)
LOADS = {1: (30.0, 20.0, 42.0), 2: (85.0, 70.0, 105.0), 3: (142.0, 135.0, 148.0), 4: (170.0, 155.0, 190.0)}
SCREEN_MM, FROM_MM = 930.0, 10_000.0  # the width of 42 inches, and who reads it
CAPITAL = 0.727  # height of a capital of Inter and Pretendard, of the size of the type
LETTERS = """() => [...document.querySelectorAll('h1 .in, .eta .in, .advice .in, .line b, .line .in')]
  .map((one) => Number.parseFloat(getComputedStyle(one).fontSize))"""
CLIPPED = """() => [...document.querySelectorAll('.line li')]
  .filter((one) => one.scrollHeight > one.clientHeight + 2 || one.scrollWidth > one.clientWidth + 2).map((one) => one.outerHTML.slice(0, 80))"""


def test_the_display_is_read_from_10_m_lives_and_says_how_old_it_is(
    city: Any, open_window: Any, packages: Path, tmp_path: Path
) -> None:
    line = little_line.LittleLine(city, tmp_path / "line")
    window = open_window(language="en", viewport={"width": 1920, "height": 1080})
    page = window.page
    page.clock.install()
    with page.expect_response(lambda r: "/events/observations" in r.url):
        page.goto("/display/platform/m:mid:0")
    assert page.get_by_text("Nothing was heard yet").is_visible()

    line.say("long", 0, 2, little_line.IN_TRANSIT_TO, LEFT)
    line.expect("mid/0", "long", LOADS, LEFT)
    wait_until(lambda: page.locator(".line .c3").count() == 1)
    sizes = page.evaluate(LETTERS)
    mm = [CAPITAL * size * SCREEN_MM / 1920 for size in sizes]
    assert min(mm) >= FROM_MM / 260 and min(mm[:3]) >= FROM_MM / 250, sorted(mm)
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        1920,
        1080,
    ]
    page.evaluate((packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    assert page.evaluate("axe.run().then((found) => found.violations.map((one) => one.id))") == []
    assert window.problems == []

    window.context.set_offline(True)
    page.clock.run_for(12_000)  # two looks in vain
    wait_until(lambda: page.evaluate("1") and page.locator(".board.old").count() == 1)
    assert page.get_by_text("connection lost").is_visible() and page.locator(".as-of").is_visible()
    assert page.locator(".advice").is_hidden() and page.locator(".eta").is_hidden()
    page.clock.run_for(200_000)
    assert page.locator(".board.gone").count() == 1
    assert "minutes ago" in page.locator(".as-of").inner_text()
    colours = page.evaluate(
        "[...document.querySelectorAll('.line li')].map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert set(colours) == {"rgb(196, 200, 198)"}

    window.context.set_offline(False)
    page.clock.run_for(6_000)
    wait_until(lambda: page.evaluate("1") and page.locator(".board.live").count() == 1)

    phone = open_window(language="ko", viewport={"width": 320, "height": 640})
    phone.page.goto("/")
    phone.page.get_by_role("link", name="가운데역").click()
    assert phone.page.get_by_text("1번에서 타세요").is_visible()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 320
    phone.page.evaluate((packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    assert phone.page.evaluate("axe.run().then((found) => found.violations.map((one) => one.id))") == []
    assert phone.problems == []
