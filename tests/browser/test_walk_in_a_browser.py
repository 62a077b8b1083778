"""The page of a walk: places while one types, by keyboard; where one is; the ways on the map; on paper."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from little_city import wait_until

WALK = "/walk?start=West+Station&end=East+Station&profile=calm"


def test_by_keyboard_a_place_is_chosen_from_suggestions_and_a_way_is_found(open_window: Any) -> None:
    window = open_window(language="en")
    page = window.page
    page.goto("/walk")
    page.locator("#walk-start").press_sequentially("west")
    page.get_by_role("option", name="West Station").wait_for()
    page.keyboard.press("ArrowDown")
    active = page.locator("#walk-start").get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#walk-start").input_value() == "West Station"
    assert page.locator("#walk-start").get_attribute("aria-expanded") == "false"
    page.locator("#walk-end").press_sequentially("ea")
    page.get_by_role("option", name="East Station").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#walk-end").input_value() == "ea" and page.locator("#walk-end-list").is_hidden()
    page.keyboard.press("Enter")  # what was typed is asked for as it is
    page.get_by_text("You have arrived: East Station.").first.wait_for()
    assert parse_qs(urlsplit(page.url).query)["start"] == ["West Station"]
    assert window.problems == []


def test_arrows_go_round_and_a_click_chooses(open_window: Any) -> None:
    page = open_window(language="ko").page
    page.goto("/walk")
    page.locator("#walk-end").press_sequentially("station")
    page.get_by_role("option").first.wait_for()
    for _ in range(3):  # two places and the field itself
        page.keyboard.press("ArrowDown")
    assert page.locator("#walk-end").get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowUp")
    assert page.locator("[aria-selected=true] b").inner_text() == "동역"
    page.get_by_role("option").first.click()
    assert page.locator("#walk-end").input_value() == "West Station"


def test_where_one_is_fills_in_and_is_sent_only_with_the_form(open_window: Any) -> None:
    window = open_window(
        language="en", geolocation={"longitude": 24.937, "latitude": 60.17}, permissions=["geolocation"]
    )
    page = window.page
    page.goto("/walk?end=East+Station")
    page.get_by_role("button", name="From where I am").click()
    wait_until(lambda: page.locator("#walk-start").input_value() == "24.93700,60.17000")
    assert not [address for address in window.asked if "24.937" in address]


def test_the_ways_lie_on_the_map_when_it_is_asked_for(open_window: Any, url: str) -> None:
    window = open_window(language="en")
    page = window.page
    page.goto(WALK)
    assert page.locator("svg.walk-drawn .walk-line").count() >= 1
    page.get_by_role("button", name="Show a map to move in").click()
    wait_until(lambda: page.evaluate("Boolean(globalThis.dongneMap?.getLayer('route-0'))"))
    assert {urlsplit(address).netloc for address in window.asked if address.startswith("http")} == {
        urlsplit(url).netloc
    }


def test_on_paper_all_ways_are_open_and_the_form_is_gone(open_window: Any) -> None:
    page = open_window(language="en").page
    page.goto(WALK.replace("calm", "lit"))
    page.emulate_media(media="print")
    assert page.locator(".walk-form").is_hidden()
    turns = page.locator(".turns li")
    assert turns.count() >= 2 and all(turns.nth(i).is_visible() for i in range(turns.count()))


def test_the_answer_comes_first_and_the_question_is_folded_below_it(open_window: Any) -> None:
    page = open_window(language="en", viewport={"width": 320, "height": 640}).page
    page.goto(WALK)
    change = page.locator(".walk-change summary")
    assert page.locator("#walk-start").is_hidden()
    [answer, below] = [one.bounding_box()["y"] for one in (page.locator("#routes-title"), change)]
    assert answer < 640 < below
    change.focus()
    page.keyboard.press("Enter")
    page.locator("#walk-start").fill("Terrace")
    page.keyboard.press("Enter")
    page.get_by_text("You have arrived: East Station.").first.wait_for()
    page.goto("/walk")
    assert page.locator("#walk-start").is_visible() and change.count() == 0
