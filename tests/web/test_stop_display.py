"""The screen at a stop: what departs, how sure it is, and what is disrupted, without script."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from little_city import open_little_city, visiting
from tests.web.little_stops import DELAY, DISRUPTION, LittleStops, open_little_stops


@pytest.fixture(scope="module")
def stops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleStops]:
    with open_little_stops(tmp_path_factory.mktemp("stops")) as opened:
        yield opened


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<main")[2]).split())


def test_the_screen_tells_departures_and_says_that_nothing_is_known(stops: LittleStops) -> None:
    with visiting(stops) as browser:  # type: ignore[arg-type]
        answer = browser.get("/display/stop/W")
        assert answer.status_code == 200
        said = text_of(answer.text)
        assert "West As of 07:58" in said
        assert "Metro 1 East by the timetable; delays are not known · step-free 2 min 08:00" in said
        assert "No word of the operators: by the timetable alone." in said
        assert '<noscript><meta http-equiv="refresh" content="20">' in answer.text
        assert "지하철 1 East 시간표 기준, 지연은 알 수 없음 · 휠체어 이용 가능 2분 08:00" in text_of(
            browser.get("/display/stop/W?lang=ko").text
        )


def test_words_of_operators_and_disruptions_are_told_with_their_age(stops: LittleStops) -> None:
    stops.say(DELAY, 240.0, trip_id="E1", start_date="20261130", stop_sequence=1)
    stops.say(
        DISRUPTION, 1.0, alert_id="a", texts={"en": "The lift is broken <here>.", "ko": "승강기가 고장 났습니다."}
    )
    with visiting(stops) as browser:  # type: ignore[arg-type]
        page = browser.get("/display/stop/W").text
        assert "4 min late · step-free 6 min 08:04" in text_of(page)
        assert "The lift is broken &lt;here&gt;." in page
        stops.clock.us += 400_000_000
        assert "is old (7 minutes ago)" in text_of(browser.get("/display/stop/W").text)


def test_departures_can_be_heard_where_there_is_a_voice(stops: LittleStops) -> None:
    with visiting(stops) as browser:  # type: ignore[arg-type]
        answer = browser.get("/display/stop/W/spoken")
    if shutil.which("espeak-ng"):
        assert (answer.headers["content-type"], answer.content[:4]) == ("audio/wav", b"RIFF")
    else:
        assert (answer.status_code, "apt install espeak-ng" in answer.text) == (400, True)


def test_a_stop_that_there_is_not_and_a_city_without_boards_are_said(stops: LittleStops, tmp_path: Path) -> None:
    with visiting(stops) as browser:  # type: ignore[arg-type]
        answer = browser.get("/display/stop/Wst")
        assert (answer.status_code, "there is no stop" in answer.text) == (404, True)
    with open_little_city(tmp_path / "store") as city, visiting(city) as browser:
        answer = browser.get("/display/stop/W")
        assert (answer.status_code, "stop_board" in answer.text) == (404, True)
