"""The platform display, the page for phones and the line as data: what they say, and what they never say."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from little_city import NOW, Browser, LittleCity, open_little_city
from little_line import IN_TRANSIT_TO, STOPPED_AT, LittleLine

from dongne.model.times import to_us

LOADS = {1: (30.0, 20.0, 42.0), 2: (85.0, 70.0, 105.0), 3: (142.0, 135.0, 148.0), 4: (170.0, 155.0, 190.0)}
LEFT = NOW - timedelta(seconds=20)
DISPLAY = "/display/platform/m:mid:0"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    folder = tmp_path_factory.mktemp("line")
    with open_little_city(folder / "store") as opened:
        opened.line = LittleLine(opened, folder / "city")
        yield opened


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LittleLine]:
    """One in which nothing was said yet."""
    with open_little_city(tmp_path / "store") as opened:
        yield LittleLine(opened, tmp_path / "city")


@pytest.fixture
def visitor(line: LittleLine) -> Iterator[Browser]:
    browser = Browser(line.city, **{"accept-language": "en"})
    yield browser
    browser.close()


def comes(line: LittleLine, at: datetime = LEFT) -> None:
    """The long train left the west for the middle station."""
    line.say("long", 0, 2, IN_TRANSIT_TO, at)
    line.expect("mid/0", "long", LOADS, at)


def wait(line: LittleLine, seconds: float) -> None:
    line.city.clock.us = to_us(NOW + timedelta(seconds=seconds))


def state(visitor: Browser, platform: str = "m:mid:0") -> Any:
    answer = visitor.get(f"/display/platform/{platform}.json")
    assert answer.status_code == 200, answer.text
    return answer.json()


def blocks(html: str) -> list[tuple[int, str, str]]:
    """Position, class, and what is said, of each block of a display, from left to right."""
    found = re.findall(r'<li class="([^"]*)"><b>(\d+)</b>(.*?)</li>', html, re.DOTALL)
    return [(int(position), name.split()[0], re.sub(r"<[^>]+>", " ", rest)) for name, position, rest in found]


# --- what is said -----------------------------------------------------------------------------------------------------


def test_each_car_has_its_class_in_colour_shape_and_words_of_both_languages(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    html = visitor.get(DISPLAY).text
    said = blocks(html)
    assert [(position, name) for position, name, _ in said] == [(1, "c0"), (2, "c1"), (3, "c2"), (4, "c3")]
    for (_, _, words), korean, english in zip(
        said, ("여유", "보통", "주의", "혼잡"), ("relaxed", "normal", "caution", "crowded"), strict=True
    ):
        assert korean in words and english in words
    assert html.count('class="shape"') == 4
    assert "to East" in html and "동역 방면" in html
    assert "Board at 1" in html and "1번에서 타세요" in html


def test_a_class_that_is_not_sure_is_said_to_be_likely(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    shown = {car["position"]: car for car in state(visitor)["positions"]}
    assert shown[1]["is_sure"] and not shown[2]["is_sure"] and shown[2]["probability"] < 0.7
    html = visitor.get(DISPLAY).text
    assert re.findall(r'<li class="c1 unsure', html)
    assert "likely normal" in html and "아마 보통" in html and "likely relaxed" not in html


def test_a_shorter_train_leaves_positions_without_a_car(line: LittleLine, visitor: Browser) -> None:
    line.say("short", 1, 2, IN_TRANSIT_TO, LEFT)
    line.expect("mid/1", "short", {2: (50.0, 40.0, 60.0), 3: (90.0, 85.0, 100.0)}, LEFT)
    html = visitor.get("/display/platform/m:mid:1").text
    assert [name for _, name, _ in blocks(html)] == ["none", "c0", "c1", "none"]
    assert "no car here" in html and "서는 칸 없음" in html
    assert [car["crowding"] for car in state(visitor, "m:mid:1")["positions"]] == [None, "relaxed", "normal", None]


def test_a_part_of_the_train_before_is_not_shown_with_the_next_one(line: LittleLine, visitor: Browser) -> None:
    comes(line, LEFT - timedelta(minutes=5))
    line.say("short", 0, 2, IN_TRANSIT_TO, LEFT)
    line.expect("mid/0", "short", {2: (50.0, 40.0, 60.0), 3: (90.0, 85.0, 100.0)}, LEFT)
    assert [car["crowding"] for car in state(visitor)["positions"]] == [None, "relaxed", "normal", None]
    assert state(visitor)["vehicle_id"] == "short"


def test_positions_are_in_the_order_of_who_faces_the_display(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    plain, turned = visitor.get(DISPLAY).text, visitor.get(f"{DISPLAY}?reversed=1").text
    assert [position for position, _, _ in blocks(plain)] == [1, 2, 3, 4]
    assert [position for position, _, _ in blocks(turned)] == [4, 3, 2, 1]
    assert "goes-left" in plain and "goes-right" in turned  # direction 0 has its head at position 1
    assert "goes-right" in visitor.get("/display/platform/m:mid:1").text


def test_a_train_that_stands_here_is_boarded_and_one_that_left_is_shown_no_more(
    line: LittleLine, visitor: Browser
) -> None:
    comes(line)
    assert state(visitor)["phase"] == "coming"
    line.say("long", 0, 2, STOPPED_AT, NOW - timedelta(seconds=5))
    assert state(visitor)["phase"] == "here" and "boarding" in visitor.get(DISPLAY).text
    line.say("long", 0, 3, IN_TRANSIT_TO, NOW - timedelta(seconds=1))
    left = state(visitor)
    assert left["phase"] == "unknown" and not any(car["crowding"] for car in left["positions"])
    assert "Waiting for a train" in visitor.get(DISPLAY).text


def test_before_the_forecast_the_cars_are_shown_as_they_are_now_and_never_as_sure(
    line: LittleLine, visitor: Browser
) -> None:
    line.say("long", 0, 1, STOPPED_AT, LEFT)
    line.aboard("long", [16.0, 120.0, 220.0, 300.0], LEFT - timedelta(seconds=60))
    shown = state(visitor)
    assert (shown["phase"], [car["crowding"] for car in shown["positions"]]) == (
        "away",
        ["relaxed", "relaxed", "caution", "crowded"],
    )
    assert not any(car["is_sure"] for car in shown["positions"])
    html = visitor.get(DISPLAY).text
    assert "1 stop away" in html and html.count("unsure") == 4


def test_a_train_that_has_to_turn_first_is_announced_without_the_loads_of_its_way_there(
    line: LittleLine, visitor: Browser
) -> None:
    line.say("long", 1, 3, IN_TRANSIT_TO, LEFT)  # on its way to the west, where direction 1 ends
    line.aboard("long", [16.0, 120.0, 220.0, 300.0], LEFT)
    shown = state(visitor)
    assert shown["phase"] == "unknown" and not any(car["crowding"] for car in shown["positions"])
    (train,) = shown["trains"]
    assert (train["vehicle_id"], train["turns"], train["stops_away"], train["is_here"]) == ("long", True, 1, False)
    html = visitor.get(DISPLAY).text
    assert "The next train still has to turn at the end of the line" in html and re.search(r"\d+ min", html)
    line.say("short", 0, 2, IN_TRANSIT_TO, LEFT)  # one that comes straight is the next
    assert [one["vehicle_id"] for one in state(visitor)["trains"]] == ["short", "long"]


def test_a_train_without_passengers_is_announced_only_where_it_turns(line: LittleLine, visitor: Browser) -> None:
    line.say("long", 1, 3, STOPPED_AT, LEFT, in_service=0)
    line.say("short", 1, 2, STOPPED_AT, NOW)
    wait(line, 300)
    line.say("short", 1, 3, IN_TRANSIT_TO, NOW + timedelta(seconds=299))
    assert [(one["vehicle_id"], one["turns"]) for one in state(visitor)["trains"]] == [("long", True), ("short", True)]
    assert state(visitor)["age"] == "live"  # it may be silent while it turns
    line.say("long", 1, 2, IN_TRANSIT_TO, NOW + timedelta(seconds=299), in_service=0)
    assert [one["vehicle_id"] for one in state(visitor)["trains"]] == ["short"]


def test_where_trains_end_nobody_is_told_where_to_board(line: LittleLine, visitor: Browser) -> None:
    line.say("long", 0, 3, IN_TRANSIT_TO, LEFT)
    line.expect("east/0", "long", LOADS, LEFT)
    shown = state(visitor, "m:east:0")
    assert shown["board_at"] == [] and not any(car["crowding"] for car in shown["positions"])
    assert [train["vehicle_id"] for train in shown["trains"]] == ["long"]
    assert "Trains end here" in visitor.get("/display/platform/m:east:0").text
    line.say("long", 0, 3, STOPPED_AT, NOW)
    assert state(visitor, "m:east:0")["trains"] == []  # nobody boards it


def test_scales_at_fault_are_said_in_data_and_on_the_phone(line: LittleLine, visitor: Browser) -> None:
    line.say("long", 0, 2, IN_TRANSIT_TO, LEFT)
    line.expect("mid/0", "long", LOADS, LEFT, source="estimated")
    assert all(car["is_estimated"] for car in state(visitor)["positions"])
    assert "scales at fault, estimated" in visitor.get("/boarding/m:mid").text


# --- when nothing comes any more --------------------------------------------------------------------------------------


def test_the_last_state_stays_with_its_age_and_turns_grey(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    assert "board live coming" in visitor.get(DISPLAY).text
    wait(line, 90)
    old = visitor.get(DISPLAY).text
    assert "board old coming" in old and "2 minutes ago" in old and "2분 전" in old
    assert [name for _, name, _ in blocks(old)] == ["c0", "c1", "c2", "c3"]
    wait(line, 600)
    gone = visitor.get(DISPLAY).text
    assert "board gone coming" in gone and "10 minutes ago" in gone
    assert " best" not in gone and state(visitor)["board_at"] == [] and state(visitor)["age"] == "gone"


def test_a_train_that_fell_silent_is_old_though_the_line_speaks(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    wait(line, 300)
    line.say("short", 1, 1, STOPPED_AT, NOW + timedelta(seconds=299))
    assert state(visitor)["age"] == "old"
    wait(line, 900)
    line.say("short", 1, 1, STOPPED_AT, NOW + timedelta(seconds=899))
    assert state(visitor)["age"] == "gone"


def test_a_feed_that_goes_back_in_time_changes_nothing(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    before = state(visitor)
    earlier = LEFT - timedelta(minutes=4)
    line.say("long", 0, 3, IN_TRANSIT_TO, earlier)
    line.expect("mid/0", "short", {2: (5.0, 1.0, 9.0)}, earlier)
    assert state(visitor) == before


def test_a_clock_that_is_ahead_neither_hides_other_trains_nor_keeps_the_display_fresh(
    line: LittleLine, visitor: Browser
) -> None:
    comes(line)
    before = state(visitor)
    line.say("short", 0, 1, STOPPED_AT, NOW + timedelta(hours=20))
    assert state(visitor) == before
    wait(line, 300)
    assert state(visitor)["age"] != before["age"] and state(visitor)["heard"] == before["heard"]


def test_what_was_said_of_a_trip_before_is_not_shown_as_the_next_one(line: LittleLine, visitor: Browser) -> None:
    """As where the service stands still and trains go on."""
    comes(line, LEFT - timedelta(hours=1))
    line.aboard("long", [16.0, 120.0, 220.0, 300.0], LEFT - timedelta(hours=1))
    line.say("long", 0, 2, IN_TRANSIT_TO, LEFT)
    shown = state(visitor)
    assert (shown["phase"], [car["percent"] for car in shown["positions"]]) == ("unknown", [None] * 4)
    (vehicle,) = visitor.get("/gtfs-rt/vehicle-positions.json").json()["entity"]
    assert {car["occupancy_status"] for car in vehicle["vehicle"]["multi_carriage_details"]} == {"NO_DATA_AVAILABLE"}


def test_a_display_that_never_heard_anything_says_so(line: LittleLine, visitor: Browser) -> None:
    shown = state(visitor)
    assert (shown["age"], shown["heard"], shown["phase"]) == ("gone", None, "unknown")
    assert "Nothing was heard yet" in visitor.get(DISPLAY).text


# --- addresses --------------------------------------------------------------------------------------------------------


def test_a_platform_is_found_by_its_thing_and_by_its_stop(line: LittleLine, visitor: Browser) -> None:
    assert state(visitor, str(line.thing("mid/0"))) == state(visitor)


@pytest.mark.parametrize(
    "path", ["/display/platform/nix", "/display/platform/nix.json", "/boarding/nix", "/gtfs/nix.zip"]
)
def test_what_is_not_there_is_named_with_where_to_look(city: LittleCity, path: str) -> None:
    browser = Browser(city)
    answer = browser.get(path)
    browser.close()
    assert answer.status_code == 404 and "nix" in answer.text and "/boarding lists" in answer.text


def test_a_station_is_no_platform_and_its_platforms_are_named(city: LittleCity) -> None:
    browser = Browser(city)
    answer = browser.get("/display/platform/m:mid")
    browser.close()
    assert answer.status_code == 404 and "m:mid:0, m:mid:1" in answer.text


def test_a_platform_without_stop_or_positions_is_no_platform_of_a_line(line: LittleLine, visitor: Browser) -> None:
    thing = line.city.store.graph.get_thing(line.thing("mid/0"))
    broken = {**thing.properties, "positions": -3}
    answer = visitor.request("PATCH", f"/v1.1/Things({thing.id})", json={"properties": broken})
    assert answer.status_code == 200, answer.text
    assert visitor.get(f"/display/platform/{thing.id}").status_code == 404
    assert visitor.get("/boarding").status_code == 200


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("path", ["/boarding", "/boarding/m:mid", "/boarding/m:mid:1", DISPLAY, f"{DISPLAY}?only=1"])
def test_every_page_is_whole_in_both_languages(city: LittleCity, path: str, language: str) -> None:
    comes(city.line)
    browser = Browser(city, **{"accept-language": language})
    answer = browser.get(path)
    browser.close()
    html = answer.text
    assert answer.status_code == 200 and f'<html lang="{language}"' in html and html.count("<h1") == 1
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html) and not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\{[a-z_]+\}", re.sub(r'data-texts="[^"]*"', "", html))


def test_the_phone_says_where_to_stand_how_sure_how_old_and_where_from(line: LittleLine, visitor: Browser) -> None:
    comes(line)
    html = visitor.get("/boarding/m:mid").text
    assert html.index("to East") < html.index("to West")
    for said in (
        "Board at 1",
        "likely normal",
        "20 seconds ago",
        "a simulation of a demonstration line",
        "8 of 10 times",
    ):
        assert said in html, said
    assert f"/things/{line.thing('mid/0')}" in html and "/display/platform/m%3Amid%3A0" in html


def test_loads_replayed_from_seoul_say_so(tmp_path: Path) -> None:
    with open_little_city(tmp_path / "store") as opened:
        LittleLine(opened, tmp_path / "city", loads="Seoul Line 2, 2023")
        browser = Browser(opened, **{"accept-language": "en"})
        assert "loads measured in Seoul" in browser.get("/boarding/m:mid").text
        browser.close()


def test_the_line_is_one_step_from_the_front_page_and_from_the_platform(city: LittleCity) -> None:
    browser = Browser(city)
    front, thing = browser.get("/").text, browser.get(f"/things/{city.line.thing('mid/0')}").text
    browser.close()
    assert 'href="/boarding"' in front and 'href="/boarding/m:mid"' in front
    assert f'href="/boarding/{city.line.thing("mid/0")}"' in thing


def test_a_city_without_lines_says_so_and_its_front_page_offers_none(tmp_path: Path) -> None:
    with open_little_city(tmp_path / "store") as opened:
        browser = Browser(opened, **{"accept-language": "en"})
        assert "no line" in browser.get("/boarding").text and "/boarding" not in browser.get("/").text
        browser.close()
