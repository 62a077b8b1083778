"""Webhooks to a receiver at a real socket: what it gets, in which order, signed how, and what becomes of it when it fails."""

import json
import stat
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dongne.adapters.clock import CityClock
from dongne.adapters.webhooks import NewWebhook, Rules, Webhooks
from dongne.adapters.webhooks.address import check_address, read_url
from dongne.compose.hooks import TokenOwners
from dongne.model.access import EVERYTHING, Sight
from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, EntityType, MultiDatastream, Property, Remove, Sensor, Thing, put
from dongne.model.errors import BadInput, Conflict, NotAllowed, NotFound
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.tasks import TaskEvent
from dongne.model.who import BENCH, ROLES, Who
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.webhooks import MOST_ATTEMPTS, Attempt, wait_s
from dongne.standards.webhooks import retry_after_s, sign
from dongne.stores.access import AccessBook
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.backup import restore_backup, write_backup
from dongne.stores.webhooks import WebhookFile

sys.path.insert(0, str(Path(__file__).parent))
from receiver import Receiver, is_signed

ADMIN = Who("folder", "admin", ROLES["admin"][0], None, EVERYTHING, is_known=True)
T0 = datetime(2026, 5, 1, 8, tzinfo=UTC)
OPEN, CLOSED, OTHER = 1, 2, 3  # Datastreams; the second is personal


def until(reached: Callable[[], Any], what: str, within_s: float = 10.0) -> Any:
    end_s = time.monotonic() + within_s
    while not (found := reached()):
        assert time.monotonic() < end_s, f"not within {within_s} s: {what}"
        time.sleep(0.005)
    return found


class City:
    """A store with webhooks, which may be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.second = 0
        self.open_folder(folder)
        entities = [
            Thing(id=1, name="lamp"),
            Thing(id=2, name="home", properties={"access": "personal"}),
            Sensor(id=1, name="s"),
            Property(id=1, name="level"),
            *(
                Datastream(id=i, name=f"d{i}", thing_id=t, sensor_id=1, observed_property_id=1)
                for i, t in ((1, 1), (2, 2), (3, 1))
            ),
        ]
        self.put(RecordKind.ENTITIES, msgspec.msgpack.encode([put(entity) for entity in entities]))
        self.open()

    def open_folder(self, folder: Path) -> None:
        self.folder = folder
        self.store = EmbeddedStore.open(folder / "city", CityClock(), follow=False)
        self.access = AccessBook(folder / "city")

    def open(self, **rules: Any) -> None:
        given = {"inside": True, "gather_s": 0.01, "timeout_s": 0.5, "pace": 0.002, **rules}
        owners = TokenOwners(self.access, ADMIN, lambda: True)
        self.book = WebhookFile(self.folder / "city")
        self.hooks = Webhooks(self.store, self.book, owners, Rules(**given), "test")
        self.hooks.start()

    def put(self, kind: RecordKind, body: bytes, count: int = 1) -> int:
        return self.store.submit(Transaction([Entry(kind, body, count)])).result(10).numbers[0]

    def observe(self, *results: float, stream: int = OPEN) -> int:
        n = len(results)
        times = np.arange(self.second, self.second + n) * 1_000_000
        self.second += n
        batch = ObservationBatch(np.full(n, stream, np.int32), times, np.array(results, float))
        return self.put(RecordKind.OBSERVATIONS, encode_batch(batch), n)

    def close(self) -> None:
        self.hooks.close()
        self.access.close()
        self.store.close()


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path)
    yield made
    made.close()


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def start(*given: Any) -> Receiver:
        made.append(Receiver(*given))
        return made[-1]

    yield start
    for receiver in made:
        receiver.close()


def make(city: City, url: str, who: Who = ADMIN, **more: Any) -> tuple[int, str]:
    webhook, secret = city.hooks.create(who, NewWebhook(url=url, **more))
    return webhook.id, secret


# --- pure parts


def test_a_signature_is_that_of_the_specifications_own_libraries() -> None:
    """The vector which the libraries of Standard Webhooks are tested with."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_waits_grow_to_an_hour_are_the_same_again_and_differ_between_messages() -> None:
    waits = [wait_s("msg_a_1_2", n) for n in range(1, MOST_ATTEMPTS)]
    assert waits == [wait_s("msg_a_1_2", n) for n in range(1, MOST_ATTEMPTS)]
    assert all(0.75 * 5 * 3 ** (n - 1) <= wait <= 1.25 * 5 * 3 ** (n - 1) for n, wait in enumerate(waits[:6], 1))
    assert all(2700 <= wait <= 4500 for wait in waits[7:])
    assert 1.5 < sum(waits) / 86_400 < 3  # days
    assert len({wait_s(f"msg_a_{n}_{n}", 1) for n in range(50)}) == 50
    assert wait_s("m", 1, asked_s=120) == 120
    assert wait_s("m", 1, asked_s=1e9) == 86_400


@pytest.mark.parametrize(
    ("said", "expected_s"),
    [
        ("120", 120.0),
        ("Fri, 01 May 2026 08:01:00 GMT", 60.0),
        ("Fri, 01 May 2026 07:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(said: str, expected_s: float) -> None:
    assert retry_after_s({"retry-after": said}, T0.timestamp()) == expected_s


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.7/", "https://192.168.1.1/", "https://localhost/",
     "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::10.0.0.1]/", "https://0.0.0.0/",
     "https://user:word@example.org/", "https://example.org/#x", "ftp://example.org/", "https://", "https://exa mple.org/",
     "https://example.org:99999/", "file:///etc/passwd", "https://[fe80::1]/", "https://224.0.0.1/", "https://[::10.0.0.1]/"],
)  # fmt: skip
def test_no_webhook_goes_where_only_the_city_can_reach(url: str) -> None:
    with pytest.raises(BadInput):
        read_url(url, inside=False)


def test_inside_is_allowed_only_where_the_city_says_so_and_never_where_clouds_keep_keys() -> None:
    assert read_url("http://127.0.0.1:80/x?y=1", inside=True).path == "/x?y=1"
    assert read_url("https://93.184.216.34/", inside=False).port == 443
    for address in ("169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(BadInput):
            check_address(ip_address(address), inside=True)


# --- delivery


def test_what_is_stored_arrives_in_order_signed_and_once(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive()
    webhook, secret = make(city, f"{receiver.url}/a", name="all")
    for result in range(700):
        city.observe(float(result))
    until(lambda: len(receiver.results("/a")) >= 700, "all of them")
    assert receiver.results("/a") == [float(n) for n in range(700)]
    assert all(is_signed(headers, body, secret) for _, headers, body, _ in receiver.came)
    assert not is_signed(receiver.came[0][1], receiver.came[0][2] + b" ", secret)
    documents = [document for _, document in receiver.at("/a")]
    assert {document["type"] for document in documents} == {"records.stored"}
    assert all(b["data"]["first"] > a["data"]["last"] for a, b in pairwise(documents))
    assert documents[0]["data"]["events"][0]["data"]["Datastream"] == {"@iot.id": OPEN}
    found = until(lambda: (w := city.hooks.get(ADMIN, webhook)).events == 700 and w, "it is noted")
    assert found.deliveries == len(documents) < 700
    attempts = city.hooks.list_attempts(ADMIN, webhook)
    assert attempts[0].status == 200 and attempts[0].outcome == "delivered"


def test_a_large_record_comes_in_several_deliveries(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive()
    make(city, f"{receiver.url}/a", after=0)
    city.observe(*(float(n) for n in range(1_250)))
    until(lambda: len(receiver.results("/a")) >= 1_250, "all of it")
    assert receiver.results("/a") == [float(n) for n in range(1_250)]
    assert [len(document["data"]["events"]) for _, document in receiver.at("/a")] == [500, 500, 250]


def test_only_what_was_chosen_is_sent(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive()
    make(city, f"{receiver.url}/stream", datastreams=(OTHER,))
    make(city, f"{receiver.url}/cases", events=("cases", "tasks"), things=(1,))
    city.observe(1.0)
    city.observe(2.0, stream=OTHER)
    for thing, key in ((2, "a"), (1, "b")):
        case = CaseEvent(key=key, kind="alert", action="open", name="n", time=T0, thing=thing, service="s")
        city.put(RecordKind.CASE, msgspec.msgpack.encode(case))
        task = TaskEvent(key=key, thing=thing, capability="light_level", state="created", time=T0)
        city.put(RecordKind.TASK, msgspec.msgpack.encode(task))
    until(lambda: sum(len(d["data"]["events"]) for _, d in receiver.at("/cases")) >= 2, "a case and a Task")
    until(lambda: receiver.results("/stream"), "the other Datastream")
    assert receiver.results("/stream") == [2.0]
    events = [event for _, d in receiver.at("/cases") for event in d["data"]["events"]]
    assert [(event["event"], event["data"]["key"]) for event in events] == [("case", "b"), ("task", "b")]


def test_observations_of_a_multidatastream_are_chosen_as_others_are_and_named_so(
    city: City, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    several = MultiDatastream(id=4, name="several", thing_id=1, sensor_id=1, observed_property_ids=(1,))
    city.put(RecordKind.ENTITIES, msgspec.msgpack.encode([put(several)]))
    choices: dict[str, dict[str, Any]] = {
        "all": {}, "stream": {"datastreams": (4,)}, "thing": {"things": (1,)}, "property": {"properties": ("level",)},
    }  # fmt: skip
    for name, choice in choices.items():
        make(city, f"{receiver.url}/{name}", **choice)
    city.observe(5.0, stream=4)
    for name in choices:
        until(lambda name=name: receiver.results(f"/{name}") == [5.0], name)
        ((_, document),) = receiver.at(f"/{name}")
        (event,) = document["data"]["events"]
        assert event["data"]["MultiDatastream"] == {"@iot.id": 4} and event["data"]["Thing"] == {"@iot.id": 1}
        assert "Datastream" not in event["data"]


def test_a_webhook_with_nothing_to_send_is_not_behind(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive(lambda n, path: (500, {"retry-after": "60"}))
    number, _ = make(city, receiver.url, datastreams=(OTHER,))
    city.observe(*range(50))
    until(lambda: city.hooks.get(ADMIN, number).position == city.store.head(), "looked at all")
    assert [one.position for one in city.hooks.list_for(ADMIN)] == [head := city.store.head()]
    city.observe(1.0, stream=OTHER)
    until(lambda: city.hooks.get(ADMIN, number).failures, "it was not taken")
    assert city.hooks.get(ADMIN, number).position == head, "only the batch under way is behind"


def test_what_is_personal_goes_only_where_owner_and_webhook_both_say_so(
    city: City, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    city.access.issue("kim", "steward", None, None, "", 1)
    kim = Who("kim", "steward", *_steward(), is_known=True)
    make(city, f"{receiver.url}/public")
    make(city, f"{receiver.url}/bench", BENCH)
    make(city, f"{receiver.url}/personal", access="personal")
    make(city, f"{receiver.url}/kim", kim, access="internal")
    with pytest.raises(NotAllowed):
        make(city, f"{receiver.url}/no", kim, access="personal")
    city.observe(42.0, stream=CLOSED)
    city.observe(7.0)
    for path in ("/public", "/bench", "/kim", "/personal"):
        until(lambda path=path: 7.0 in receiver.results(path), path)
    assert receiver.results("/personal") == [42.0, 7.0]
    for path in ("/public", "/bench", "/kim"):
        assert receiver.results(path) == [7.0], path
        assert "42" not in json.dumps([d["data"]["events"] for _, d in receiver.at(path)])


def _steward() -> tuple[Any, Any, Any]:
    rights, most = ROLES["steward"]
    return rights, None, Sight(most)


def test_what_became_of_a_closed_datastream_is_not_told_after_it_is_gone(
    city: City, receive: Callable[..., Receiver]
) -> None:
    """Held back until the Datastream is deleted, nobody would know that it was personal."""
    receiver = receive()
    webhook, _ = make(city, f"{receiver.url}/a")
    city.hooks.pause(ADMIN, webhook)
    city.observe(42.0, stream=CLOSED)
    city.put(RecordKind.ENTITIES, msgspec.msgpack.encode([Remove(EntityType.DATASTREAM, CLOSED)]))
    city.observe(7.0)
    city.hooks.resume(ADMIN, webhook)
    until(lambda: receiver.results("/a"), "what is open")
    assert receiver.results("/a") == [7.0]


def test_a_revoked_token_stops_its_webhook_also_when_the_name_is_used_again(
    city: City, receive: Callable[..., Receiver]
) -> None:
    receiver = receive()
    city.access.issue("kim", "steward", None, None, "", 1)
    webhook, _ = make(city, f"{receiver.url}/a", Who("kim", "steward", *_steward(), is_known=True))
    city.observe(1.0)
    until(lambda: receiver.results("/a"), "the first")
    city.access.revoke("kim", 2)
    city.access.issue("kim", "admin", None, None, "", 3)
    city.observe(2.0)
    found = until(lambda: (w := city.hooks.get(ADMIN, webhook)).state == "stopped" and w, "it stops")
    assert found.why == "owner"
    assert receiver.results("/a") == [1.0]


def test_a_failure_is_tried_again_under_the_same_id_and_nothing_overtakes_it(
    city: City, receive: Callable[..., Receiver]
) -> None:
    receiver = receive(lambda n, path: (500, {}) if n <= 3 else (204, {}))
    webhook, secret = make(city, f"{receiver.url}/a")
    city.observe(1.0)
    until(lambda: receiver.at("/a"), "the first attempt")
    city.observe(2.0)
    until(lambda: receiver.results("/a")[-1] == 2.0, "the second batch")
    ids = [headers["webhook-id"] for headers, _ in receiver.at("/a")]
    assert ids[0] == ids[1] == ids[2] == ids[3] != ids[4]
    assert receiver.results("/a") == [1.0, 2.0]
    assert all(is_signed(headers, body, secret) for _, headers, body, _ in receiver.came)
    attempts = city.hooks.list_attempts(ADMIN, webhook)
    assert [a.attempt for a in attempts if a.message == ids[0]][::-1] == [1, 2, 3, 4]


def test_a_receiver_is_not_asked_sooner_than_it_says(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive(lambda n, path: (429, {"retry-after": "200"}) if n == 1 else (200, {}))
    make(city, f"{receiver.url}/a")
    city.observe(1.0)
    until(lambda: len(receiver.came) == 2, "the second attempt")
    assert receiver.came[1][3] - receiver.came[0][3] >= 200 * 0.002  # all waits are so much shorter here


def test_gone_stops_a_webhook_and_keeps_what_was_not_taken(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive(lambda n, path: (410, {}) if n == 1 else (200, {}))
    webhook, _ = make(city, f"{receiver.url}/a")
    city.observe(1.0)
    assert until(lambda: (w := city.hooks.get(ADMIN, webhook)).state == "stopped" and w, "it stops").why == "gone"
    city.observe(2.0)
    assert len(receiver.came) == 1
    city.hooks.resume(ADMIN, webhook)
    until(lambda: len(receiver.results("/a")) == 2, "both")
    assert receiver.results("/a") == [1.0, 2.0]


def test_redirects_are_a_failure_and_not_followed(city: City, receive: Callable[..., Receiver]) -> None:
    other = receive()
    receiver = receive(lambda n, path: (307, {"location": f"{other.url}/there"}))
    webhook, _ = make(city, f"{receiver.url}/a", attempts=2)
    city.observe(1.0)
    (letter,) = until(lambda: city.hooks.list_dead_letters(ADMIN, webhook), "it is given up")
    assert (letter.attempts, letter.error[:3]) == (2, "307")
    assert other.came == []


def test_one_that_hangs_holds_up_nobody(city: City, receive: Callable[..., Receiver]) -> None:
    release = threading.Event()

    def answer(n: int, path: str) -> tuple[int, dict[str, str]]:
        if path == "/hangs":
            release.wait(20)
        return 200, {}

    receiver = receive(answer)
    hanging, _ = make(city, f"{receiver.url}/hangs")
    make(city, f"{receiver.url}/quick")
    for n in range(5):
        city.observe(float(n))
        until(lambda n=n: float(n) in receiver.results("/quick"), f"{n} at the quick one")
    failed = until(lambda: city.hooks.list_attempts(ADMIN, hanging), "the attempt is given up")
    assert (failed[-1].status, failed[-1].error) == (0, "no answer within 0.5 s")
    release.set()
    until(lambda: (city.hooks.get(ADMIN, hanging).events) == 5, "all there too")
    assert receiver.results("/hangs") == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_with_too_many_dead_letters_a_webhook_stops_and_what_comes_waits(
    city: City, receive: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dongne.adapters.webhooks.sender.MOST_LETTERS", 2)
    broken = [True]
    receiver = receive(lambda n, path: (503, {}) if broken[0] else (200, {}))
    webhook, _ = make(city, f"{receiver.url}/a", attempts=1)
    for result in (1.0, 2.0):
        city.observe(result)
        until(lambda r=result: len(city.hooks.list_dead_letters(ADMIN, webhook)) == r, "given up")
    until(lambda: city.hooks.get(ADMIN, webhook).why == "letters", "it stops")
    city.observe(3.0)
    broken[0] = False
    city.hooks.resume(ADMIN, webhook)
    until(lambda: 3.0 in receiver.results("/a"), "what waited")
    assert len(city.hooks.list_dead_letters(ADMIN, webhook)) == 2


def test_a_dead_letter_from_before_a_restore_is_not_sent_with_other_records(
    city: City, receive: Callable[..., Receiver]
) -> None:
    webhook, _ = make(city, f"{receive().url}/a")
    head = city.store.head()
    lost = Attempt(
        message="msg_1", first=head + 1, last=head + 5, events=5, attempt=1, at_us=0, took_ms=1, status=503,
        outcome="dead", error="503",
    )  # fmt: skip
    city.book.given_up(webhook, lost)
    (letter,) = city.hooks.list_dead_letters(ADMIN, webhook)
    with pytest.raises(Conflict, match="before the city was restored"):
        city.hooks.resend(ADMIN, webhook, letter.id)
    city.hooks.dismiss(ADMIN, webhook, letter.id)


def test_given_up_batches_lie_in_the_list_until_sent_again_or_dismissed(
    city: City, receive: Callable[..., Receiver]
) -> None:
    broken = [True]
    receiver = receive(lambda n, path: (503, {}) if broken[0] else (200, {}))
    webhook, _ = make(city, f"{receiver.url}/a", attempts=2)
    for result in (1.0, 2.0):
        city.observe(result)
        until(lambda r=result: len(city.hooks.list_dead_letters(ADMIN, webhook)) == r, "given up")
    first, second = city.hooks.list_dead_letters(ADMIN, webhook)
    assert city.hooks.counts()["dead_letters"] == 2
    city.hooks.resend(ADMIN, webhook, first.id)
    until(lambda: city.hooks.list_dead_letters(ADMIN, webhook)[0].attempts == 3, "it failed once more, and lies there")
    broken[0] = False
    city.hooks.resend(ADMIN, webhook, first.id)
    until(lambda: len(city.hooks.list_dead_letters(ADMIN, webhook)) == 1, "it arrived")
    assert receiver.at("/a")[-1][0]["webhook-id"] == first.message
    assert receiver.at("/a")[-1][1]["data"]["events"][0]["data"]["result"] == 1.0
    city.hooks.dismiss(ADMIN, webhook, second.id)
    with pytest.raises(NotFound):
        city.hooks.resend(ADMIN, webhook, second.id)
    city.observe(3.0)
    until(lambda: 3.0 in receiver.results("/a"), "what comes after")
    counts = city.hooks.counts()
    assert (counts["given_up"], counts["resent"], counts["dismissed"], counts["dead_letters"]) == (2, 1, 1, 0)


def test_what_was_stored_while_the_receiver_and_the_sender_were_away_arrives(
    city: City, receive: Callable[..., Receiver]
) -> None:
    gone = receive()
    gone.close()
    webhook, _ = make(city, f"{gone.url}/a")
    city.observe(1.0)
    until(lambda: city.hooks.list_attempts(ADMIN, webhook), "nobody is there")
    city.hooks.close()
    city.observe(2.0, 3.0)
    again = Receiver(port=int(gone.url.rpartition(":")[2]))
    try:
        city.open()
        until(lambda: len(again.results("/a")) == 3, "all three")
        assert again.results("/a") == [1.0, 2.0, 3.0]
        assert [len(d["data"]["events"]) for _, d in again.at("/a")] == [1, 2]
    finally:
        again.close()


def test_a_backup_while_deliveries_go_on_leaves_nothing_out_when_it_is_restored(
    city: City, receive: Callable[..., Receiver], tmp_path: Path
) -> None:
    receiver = receive()
    make(city, f"{receiver.url}/a")
    city.observe(1.0)
    until(lambda: receiver.results("/a") == [1.0], "the first")

    def deliver_meanwhile(_done: int, _total: int) -> None:
        if city.second == 1:
            city.observe(2.0, 3.0, 4.0)
            until(lambda: len(receiver.results("/a")) == 4, "what comes while the first file is copied")

    write_backup(city.folder / "city", tmp_path / "backup", "test", deliver_meanwhile)
    city.close()
    restore_backup(tmp_path / "backup", tmp_path / "restored/city")
    city.open_folder(tmp_path / "restored")
    city.open()
    city.observe(5.0)
    city.observe(6.0)
    until(lambda: {1.0, 5.0, 6.0} <= set(receiver.results("/a")), "what came after the restore")


def test_a_secret_is_renewed_without_a_gap(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive()
    webhook, old = make(city, f"{receiver.url}/a")
    new = city.hooks.renew_secret(ADMIN, webhook)
    city.observe(1.0)
    until(lambda: receiver.came, "a delivery")
    _, headers, body, _ = receiver.came[0]
    assert is_signed(headers, body, old) and is_signed(headers, body, new)


def test_secrets_lie_in_a_file_of_this_user_alone(city: City) -> None:
    make(city, "http://127.0.0.1:9/a")
    assert stat.S_IMODE((city.folder / "city/webhooks.db").stat().st_mode) == 0o600


def test_a_test_is_sent_at_once_and_says_what_came_of_it(city: City, receive: Callable[..., Receiver]) -> None:
    receiver = receive(lambda n, path: (418, {}))
    webhook, _ = make(city, f"{receiver.url}/a")
    came = city.hooks.test(ADMIN, webhook).result(5)
    assert (came.status, came.is_delivered) == (418, False)
    assert receiver.at("/a")[0][1]["type"] == "webhook.test"


def test_others_webhooks_are_not_there(city: City) -> None:
    city.access.issue("kim", "steward", None, None, "", 1)
    kim = Who("kim", "steward", *_steward(), is_known=True)
    webhook, _ = make(city, "http://127.0.0.1:9/a")
    own, _ = make(city, "http://127.0.0.1:9/b", kim)
    assert [found.id for found in city.hooks.list_for(kim)] == [own]
    assert [found.id for found in city.hooks.list_for(ADMIN)] == [webhook, own]
    with pytest.raises(NotFound):
        city.hooks.delete(kim, webhook)
