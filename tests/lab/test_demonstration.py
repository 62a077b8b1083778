"""Simulated homes live by the hour, the same each time, and play what they are told; only simulated ones do."""

from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.adapters.series.nist_fire import find_fire_words
from dongne.compose.demonstration import load_demonstration_homes, with_fire
from dongne.lab.simulators.demonstration import Demonstration
from dongne.lab.simulators.home_life import live, load_life, play_events
from dongne.model.errors import BadInput, BadSetup
from dongne.model.home import GatewayMessage, GatewayReply, NewHome
from dongne.model.times import to_us

HELSINKI = ZoneInfo("Europe/Helsinki")
MIDNIGHT = datetime(2026, 11, 2, tzinfo=HELSINKI)
LIFE = load_life()
CITY = Path(__file__).parents[2] / "cities" / "helsinki"
HOME, *OTHERS = load_demonstration_homes(CITY)


class Bench:
    """A demonstration whose time is moved by hand."""

    def __init__(self, home: NewHome = HOME) -> None:
        self.now = MIDNIGHT + timedelta(hours=14)
        self.messages: list[GatewayMessage] = []
        self.answers: list[tuple[str, str]] = []
        self.demo = Demonstration(
            {7: home},
            LIFE,
            HELSINKI,
            lambda: to_us(self.now),
            self.tell,
            lambda key, said: self.answers.append((key, said)),
        )

    def tell(self, message: GatewayMessage) -> "Future[GatewayReply]":
        self.messages.append(message)
        told: Future[GatewayReply] = Future()
        told.set_result(GatewayReply(message.seq, 300.0, self.now))
        return told

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.demo._step(self.now)

    def said(self, *keys: str) -> list[tuple[str, str, float]]:
        return [(e.device, e.property, e.value) for m in self.messages for e in m.events if e.property in keys]


def test_a_day_is_the_same_each_time_and_goes_by_the_local_hour() -> None:
    day = [
        list(takewhile(lambda e: e.time < MIDNIGHT + timedelta(days=1), live(LIFE, HOME, HELSINKI, MIDNIGHT)))
        for _ in range(2)
    ]
    assert day[0] == day[1] and [e.time for e in day[0]] == sorted(e.time for e in day[0])
    hours = {e.time.astimezone(HELSINKI).hour for e in day[0] if e.property == "motion"}
    assert min(hours) >= 6 and max(hours) <= 22
    assert [e.value for e in day[0] if e.property == "bed"] == [0.0, 1.0]
    assert all(55 <= e.value <= 100 for e in day[0] if e.property == "battery_level")


def test_at_the_start_each_device_says_how_it_stands() -> None:
    bench = Bench()
    bench.pass_time(1)
    said = {(device, key): value for device, key, value in bench.said("bed", "door", "battery_level", "mains_power")}
    assert said["bed", "bed"] == 0.0 and said["gateway", "mains_power"] == 1.0
    assert {device for device, key in said if key == "battery_level"} == {
        "smoke-kitchen", "smoke-hall", "button", "motion-room", "motion-kitchen", "front-door",
    }  # fmt: skip


def test_a_fire_is_played_once_by_itself_and_after_that_on_request() -> None:
    bench = Bench()
    bench.pass_time(int(LIFE.first_fire_s) - 2)
    assert bench.said("smoke", "heat") == []
    bench.pass_time(60)
    fire = [("smoke-kitchen", "smoke", 1.0), ("heat-kitchen", "heat", 1.0), ("smoke-hall", "smoke", 1.0)]
    assert bench.said("smoke", "heat") == fire
    bench.pass_time(600)
    assert bench.said("smoke", "heat") == fire
    bench.demo.clear(7)
    bench.pass_time(2)
    assert (
        all(value == 0.0 for _, _, value in bench.said("smoke", "heat")[3:]) and len(bench.said("smoke", "heat")) == 6
    )
    seqs = [message.seq for message in bench.messages]
    assert seqs == sorted(set(seqs)), "each message has a number of its own"


def test_who_is_asked_answers_as_told_and_after_a_while() -> None:
    bench = Bench()
    bench.demo.ask("first", 7)  # nobody was told to answer
    bench.demo.play(7, "fall", "help")
    bench.demo.ask("second", 7)
    bench.demo.ask("elsewhere", 8)
    bench.pass_time(int(LIFE.answers_after_s) - 1)
    assert bench.answers == []
    bench.pass_time(2)
    assert bench.answers == [("second", "help")]


def test_only_what_can_be_played_is_and_only_in_simulated_homes() -> None:
    bench = Bench()
    for home, play, answer in ((8, "fire", ""), (7, "flood", ""), (7, "fire", "maybe")):
        with pytest.raises(BadInput):
            bench.demo.play(home, play, answer)
    with pytest.raises(BadInput, match="simulated"):
        Bench(msgspec.structs.replace(HOME, simulated=False))
    assert [e.property for e in play_events(LIFE, OTHERS[0], "fire", datetime.now(UTC))] == ["smoke"], (
        "it has no heat detector"
    )


def test_a_real_home_in_the_file_of_a_demonstration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "homes.json").write_text('[{"gateway": "gw-1", "person": "p"}]', encoding="utf-8")
    with pytest.raises(BadSetup, match="gw-1 is not simulated"):
        load_demonstration_homes(tmp_path)
    assert load_demonstration_homes(tmp_path / "nowhere") == []


def test_a_measured_fire_is_played_as_its_detectors_sounded(data_folder: Path) -> None:
    """NIST's test SDC02, by hand from its file: smoke at 58 s and 84 s, heat at 114 s."""
    words = find_fire_words(data_folder)
    assert [(word.after_s, word.property, word.which) for word in words] == [
        (0.0, "smoke", 1), (26.0, "smoke", 2), (56.0, "heat", 1),
    ]  # fmt: skip
    life = with_fire(load_life(), words)
    assert [cue.after_s for cue in life.plays["fire"]] == [0.0, 26.0, 56.0]
    assert life.plays["fall"] == load_life().plays["fall"]


def test_without_the_data_the_fire_is_the_simulated_one(tmp_path: Path) -> None:
    assert find_fire_words(tmp_path) == find_fire_words(None) == []
    assert with_fire(load_life(), []) == load_life()
