"""More comes than the store takes, and the city is killed meanwhile: counted at the sender, and compared with the city."""

import asyncio
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt.mosquitto import Mosquitto
from dongne.model.records import RecordKind, decode_batch
from dongne.stores.embedded import EmbeddedStore

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))
from receiver import Receiver, is_signed
from senders import City, HttpSenders, MqttSender

QUEUE_ROWS = 8
DOORS = 3  # of HTTP, of MQTT, of Transactions of one Observation
MIB = 1 << 20


def until(reached: Callable[[], Any], what: str, within_s: float = 30.0) -> Any:
    end_s = time.monotonic() + within_s
    while not (found := reached()):
        assert time.monotonic() < end_s, f"not within {within_s} s: {what}"
        time.sleep(0.01)
    return found


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path / "broker")
    made.start()
    yield made
    made.stop()


def list_stored(folder: Path) -> Counter[tuple[int, int]]:
    """How often each (Datastream, second) is in the sequence."""
    store = EmbeddedStore.open(folder, CityClock(), follow=False)
    found: Counter[tuple[int, int]] = Counter()
    try:
        after = 0
        while records := store.read(after, limit=5_000):
            for record in records:
                if record.kind is RecordKind.OBSERVATIONS:
                    batch = decode_batch(record.body, record.count)
                    seconds = batch.time_us // 1_000_000 % 86_400
                    found.update(zip(batch.datastream.tolist(), seconds.tolist(), strict=True))
            after = records[-1].last
    finally:
        store.close()
    return found


class Watch:
    """Looks at the metrics again and again: the deepest queue, and the memory."""

    def __init__(self, city: City) -> None:
        self._city, self._stopping = city, threading.Event()
        self.deepest = 0
        self.memory: list[int] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._stopping.is_set():
                text = client.get(f"{self._city.url}/metrics").text
                depths = [int(n) for n in re.findall(r"^dongne_queue_rows\{.*\} (\d+)$", text, re.MULTILINE)]
                self.deepest = max([self.deepest, *depths])
                self.memory += [
                    int(n) for n in re.findall(r"^process_resident_memory_bytes (\d+)$", text, re.MULTILINE)
                ]
                self._stopping.wait(0.02)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(10)


def overload(folder: Path, broker: Mosquitto, count: int, disk_s: float = 0.0) -> None:
    """Over all ways at the same time; each Observation until it is stored. With a disk that takes `disk_s` for each commit
    little is too much, however quick the machine."""
    singles, arrays, batches, topics = range(1, 25), range(25, 30), range(30, 37), range(37, 41)
    city = City(folder, "--rows", str(QUEUE_ROWS), "--broker", str(broker.port), "--disk", str(disk_s))
    try:
        until(lambda: city.status()["mqtt"]["broker"]["connected"], "the broker")
        http, mqtt = HttpSenders(city), MqttSender(broker.port)
        with Watch(city) as watch:
            publishing = threading.Thread(target=mqtt.publish, args=(topics, count), daemon=True)
            publishing.start()
            asyncio.run(http.run(singles, arrays, batches, count))
            publishing.join(60)
            until(
                lambda: city.status()["mqtt"]["broker"]["observations_stored"] == mqtt.sent,
                "what was published is stored",
            )
        mqtt.close()
        status = until(lambda: (found := city.status())["ledger"]["total"]["waiting"] == 0 and found, "all settled")
        assert city.stop() == 0
    finally:
        if city.process.poll() is None:
            city.kill()

    ways = status["ledger"]["ways"]
    for way, sender in (("single", http.single), ("data_array", http.array), ("batch", http.batch)):
        assert sender.told["429"] > 0, f"{way}: nothing was turned away, so nothing was tried"
        assert sender.without_retry_after == 0, way
        assert ways[way] == {
            "received": sender.sent,
            "stored": sender.told["201"],
            "duplicate": 0,
            "rejected": sender.told["429"],
            "waiting": 0,
            "reasons": {"queue_full": sender.told["429"]},
        }
    assert status["mqtt"]["broker"]["received"] == status["mqtt"]["broker"]["acknowledged"] == mqtt.sent
    assert (ways["mqtt"]["received"], ways["mqtt"]["stored"], ways["mqtt"]["rejected"]) == (mqtt.sent, mqtt.sent, 0)
    everything = {(stream, second) for stream in range(1, 41) for second in range(count)}
    assert http.single.acknowledged | http.array.acknowledged | http.batch.acknowledged == {
        key for key in everything if key[0] not in topics
    }
    assert list_stored(folder) == Counter(everything)
    assert status["ledger"]["sequence"] == {
        "observations": len(everything), "before_the_start": 0, "from_services": 0, "unaccounted": 0
    }  # fmt: skip
    assert 0 < watch.deepest <= QUEUE_ROWS * (1 + DOORS)
    assert max(watch.memory) - watch.memory[0] < 100 * MIB


def test_under_overload_the_senders_ledger_and_the_citys_are_equal(tmp_path: Path, broker: Mosquitto) -> None:
    overload(tmp_path / "city", broker, 10, disk_s=0.03)


@pytest.mark.full
def test_under_long_overload_the_ledgers_are_equal(tmp_path: Path, broker: Mosquitto) -> None:
    overload(tmp_path / "city", broker, 1_500)


@contextmanager
def sending(http: HttpSenders, count: int) -> Iterator[threading.Thread]:
    work = http.run(range(1, 9), range(25, 29), range(31, 33), count)
    thread = threading.Thread(target=asyncio.run, args=(work,), daemon=True)
    thread.start()
    yield thread
    thread.join(120)
    assert not thread.is_alive(), "the senders hang"


def kill_meanwhile(folder: Path, broker: Mosquitto, kills: int, count: int, seed: int) -> None:
    chance = random.Random(seed)
    topics = range(37, 39)
    options = ("--rows", "100", "--broker", str(broker.port))
    city = City(folder, *options)
    acknowledged = 0
    try:
        until(lambda: city.status()["mqtt"]["broker"]["connected"], "the broker")
        http, mqtt = HttpSenders(city), MqttSender(broker.port)
        publishing = threading.Thread(target=mqtt.publish, args=(topics, count), daemon=True)
        publishing.start()
        with sending(http, count) as thread:
            for _ in range(kills):
                done = len(http.single.acknowledged)
                until(
                    lambda done=done: len(http.single.acknowledged) > done + 20 or not thread.is_alive(), "it goes on"
                )
                time.sleep(chance.uniform(0.0, 0.05))
                assert thread.is_alive(), "killed too late; send more"
                city.kill()
                acknowledged = len(http.single.acknowledged | http.array.acknowledged | http.batch.acknowledged)
                city.start()
        publishing.join(60)
        ends = [(topic, count - 1) for topic in topics]
        last = "/v1.1/Datastreams({})/Observations?$orderby=phenomenonTime desc&$top=1&$select=result"
        for stream, second in ends:
            ask = city.url + last.format(stream)
            until(lambda ask=ask, s=second: [o["result"] for o in httpx.get(ask).json()["value"]] == [s], "MQTT's last")
        mqtt.close()
        until(lambda: city.status()["ledger"]["total"]["waiting"] == 0, "all settled")
        assert city.status()["ledger"]["sequence"]["unaccounted"] == 0
        assert city.stop() == 0
    finally:
        if city.process.poll() is None:
            city.kill()
    assert acknowledged > 0
    stored = list_stored(folder)
    told = http.single.acknowledged | http.array.acknowledged | http.batch.acknowledged
    assert told - stored.keys() == set(), "acknowledged and lost"
    assert {key for key in stored if key[0] in topics} == {(s, n) for s in topics for n in range(count)}
    doubled = {key for key, n in stored.items() if n > 1}
    assert doubled <= http.batch.unanswered, "doubled"  # a batch that comes again is not known as the same


def test_what_senders_were_told_is_stored_after_kills(tmp_path: Path, broker: Mosquitto) -> None:
    kill_meanwhile(tmp_path / "city", broker, 2, 60, 3)


@pytest.mark.full
def test_what_senders_were_told_is_stored_after_many_kills(tmp_path: Path, broker: Mosquitto) -> None:
    kill_meanwhile(tmp_path / "city", broker, 20, 6_000, random.randrange(10**6))


def hooked(folder: Path, kills: int, count: int, seed: int) -> None:
    """Observations go in, the city is killed again and again, the receiver fails now and then: what is at the receiver."""
    chance = random.Random(seed)
    receiver = Receiver(lambda n, path: (500, {}) if chance.random() < 0.2 else (200, {}))
    city = City(folder, "--pace", "0.002")
    try:
        made = httpx.post(f"{city.url}/api/webhooks", json={"url": f"{receiver.url}/a", "datastreams": [1, 2]})
        assert made.status_code == 201, made.text
        http = HttpSenders(city)
        thread = threading.Thread(
            target=asyncio.run, args=(http.run(range(1, 4), range(0), range(0), count),), daemon=True
        )
        thread.start()
        for _ in range(kills):
            came = len(receiver.came)
            until(lambda came=came: len(receiver.came) > came, "deliveries go on")
            assert thread.is_alive(), "killed too late; send more"
            city.kill()
            city.start()
        thread.join(60)
        until(lambda: len(receiver.results("/a")) >= 2 * count, "all is there", 60)
        assert city.stop() == 0
    finally:
        if city.process.poll() is None:
            city.kill()
        receiver.close()
    assert Counter(receiver.results("/a")) == Counter([float(n) for n in range(count)] * 2)
    first = {}
    for headers, document in receiver.at("/a"):
        assert first.setdefault(headers["webhook-id"], document) == document, "the same id with other content"
    assert all(is_signed(headers, body, made.json()["secret"]) for _, headers, body, _ in receiver.came)
    numbers = [event["number"] for document in first.values() for event in document["data"]["events"]]
    assert numbers == sorted(set(numbers)), "out of order, or one under two ids"


def test_a_webhook_loses_nothing_by_kills_and_its_ids_show_what_came_twice(tmp_path: Path) -> None:
    hooked(tmp_path / "city", 2, 80, 5)


@pytest.mark.full
def test_a_webhook_loses_nothing_by_many_kills(tmp_path: Path) -> None:
    hooked(tmp_path / "city", 20, 600, random.randrange(10**6))
