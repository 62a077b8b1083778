"""The screen at home and the page of a home in a real browser: an elder's two buttons, and a chain that grows by itself."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from little_city import wait_until

_spec = importlib.util.spec_from_file_location("little_homes", Path(__file__).parents[1] / "web" / "little_homes.py")
assert _spec is not None and _spec.loader is not None
little_homes = sys.modules.setdefault("little_homes", importlib.util.module_from_spec(_spec))
if not hasattr(little_homes, "Homes"):
    _spec.loader.exec_module(little_homes)

import little_city  # noqa: E402

from dongne.stores.sealed import SealedStore  # noqa: E402


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    clock = little_homes.HomeClock()
    made = little_homes.Homes(SealedStore.open(tmp_path_factory.mktemp("homes") / "homes", clock), clock)
    yield made
    made.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, packages: Path, homes: Any) -> Iterator[Any]:
    rules = {"homes": homes.store, "care": homes, "link_secret": little_homes.SECRET, "screens": homes.screens}
    with little_city.open_little_city(
        tmp_path_factory.mktemp("city") / "store", guarded_at="127.0.0.1", answers=homes.answers, **rules
    ) as opened:
        yield opened


def axe(page: Any, packages: Path) -> list[str]:
    page.add_script_tag(path=str(packages / "axe-core" / "axe.min.js"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found["violations"]]


@pytest.mark.parametrize("width", [320, 800, 1280])
def test_an_elder_says_fine_in_two_presses_and_never_by_one(
    homes: Any, open_window: Any, packages: Path, width: int
) -> None:
    window = open_window(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = window.page
    page.goto(little_homes.link_of(homes, "screen", homes.played))
    page.get_by_role("button", name="도와주세요").wait_for()
    assert page.locator(".fine").count() == 0
    notice = little_homes.ask(
        homes, homes.played, f"ask_{'again' if width == 320 else 'fall' if width == 800 else 'fire'}"
    )
    page.locator("a.fine").wait_for()  # it came by itself
    wait_until(lambda: homes.screens.has_shown(notice.key))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in (".fine", ".help"):
        box = page.locator(name).bounding_box()
        assert box["width"] >= 200 and box["height"] >= 100 and box["y"] + box["height"] <= 830
    assert axe(page, packages) == []
    page.locator("a.fine").focus()
    page.keyboard.press("Enter")
    page.get_by_text("정말 괜찮으세요?").wait_for()
    assert homes.answered(notice) == []
    assert axe(page, packages) == []
    page.get_by_role("button", name="네, 괜찮아요").click()
    page.get_by_text("괜찮으시다니 다행입니다.").wait_for()
    assert homes.answered(notice) == [("fine", "resident", "screen")]


def test_the_screen_works_by_reloading_alone(homes: Any, open_window: Any) -> None:
    window = open_window(java_script_enabled=False)
    page = window.page
    notice = little_homes.ask(homes, homes.played, "ask_heart")
    page.goto(little_homes.link_of(homes, "screen", homes.played))
    wait_until(lambda: page.title() and homes.screens.has_shown(notice.key))
    page.get_by_role("button", name="도와주세요").click()
    page.get_by_text("도와드릴 사람에게 알렸습니다").wait_for()
    assert homes.answered(notice) == [("help", "resident", "screen")]


def test_a_screen_that_is_cut_off_says_so(homes: Any, open_window: Any) -> None:
    window = open_window()
    window.page.goto(little_homes.link_of(homes, "screen", homes.played))
    window.page.route("**/now.json", lambda route: route.abort())
    window.page.get_by_text("연결이 끊겼습니다").wait_for()
    window.page.unroute("**/now.json")
    window.page.get_by_text("연결이 끊겼습니다").wait_for(state="hidden")


@pytest.mark.parametrize(
    ("width", "language", "theme"), [(320, "ko", "auto"), (390, "en", "dark"), (1440, "ko", "contrast")]
)
def test_the_chain_grows_by_itself_and_the_page_has_no_barrier(
    homes: Any, open_window: Any, packages: Path, width: int, language: str, theme: str
) -> None:
    window = open_window(viewport={"width": width, "height": 844}, language=language, theme=theme, bypass_csp=True)
    page = window.page
    case = little_homes.open_alarm(homes, homes.played, once=f"{width}")
    page.goto(f"/homes/{homes.played}")
    before = page.locator(".chain li").count()
    notice = little_homes.ask(homes, homes.played, f"warn_{width}", "guardian", case.key)
    wait_until(lambda: page.locator(".chain li").count() > before)
    little_homes.go_on(homes, notice, "attempted", attempt=1, channel="sms", recipient="guardian:son")
    page.locator(".chain li.sent").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe(page, packages) == []
    page.goto("/homes")
    assert axe(page, packages) == []
    if width == 1440:
        page.goto(
            little_homes.link_of(homes, "family", homes.played, contact="son", consent=f"consent/{homes.played}/son/1")
        )
        page.get_by_role("heading", name="돌보시는 분의 집").wait_for()
        assert axe(page, packages) == []
