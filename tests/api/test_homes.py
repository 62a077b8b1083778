"""Homes over HTTP: taken in, heard, checked, and gone when somebody withdraws."""

import gc
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from dongne.compose.home_retention import Retention
from dongne.compose.homes import HomeSide
from dongne.compose.opened import RunOptions
from dongne.model.channels import ChannelsConfig, SmsConfig
from dongne.model.city import CityConfig
from dongne.model.who import ANYBODY, ROLES, Who
from dongne.runtime.registry import load_all
from dongne.web.api import ApiContext, append_protocol, create_api, quieten_collector, waken_collector
from dongne.web.api.http import token_of
from dongne.web.server import Server

CHANNELS = ChannelsConfig(sms=SmsConfig(url="https://sms.example"))
CITY = CityConfig(id="test", name={"en": "Test"}, zone="UTC", bounds=(0.0, 0.0, 1.0, 1.0), channels=CHANNELS)
SAID = {"gateway": "gw-1", "seq": 1, "sent": "2026-11-02T03:00:00Z", "events": []}
HOME = {
    "gateway": "gw-1", "person": "p-1", "point": [24.94, 60.17], "area": "cell 4", "agrees": ["motion", "daughter"],
    "contacts": [{"id": "daughter", "role": "guardian", "name": "S.", "addresses": [["sms", "+358000"]]}],
    "devices": [{"device": "motion-1", "properties": ["motion"]}],
}  # fmt: skip


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[HomeSide]:
    services, _ = load_all(["home_link", "link_outage"])
    side = HomeSide(RunOptions("test", tmp_path), CITY, services)
    side.start()
    yield side
    side.close()


def who_of(scope: Any) -> Who:
    token = token_of(scope)
    if token in ROLES:
        rights, _ = ROLES[token]
        name = "gw-1" if token == "device" else "somebody"
        return Who(name, token, rights, is_known=True)
    return ANYBODY


@pytest.fixture
def ask(homes: HomeSide, make_context: Callable[..., ApiContext], client_of: Any) -> Callable[..., Any]:
    client = client_of(create_api(make_context(homes=homes, who_of=who_of)))

    def asked(method: str, path: str, body: Any = None, role: str = "admin") -> Any:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return client.request(method, path, content=content, headers={"Authorization": f"Bearer {role}"})

    return asked


def test_a_home_is_taken_in_heard_and_checked(ask: Callable[..., Any], homes: HomeSide) -> None:
    assert ask("POST", "/api/homes", [HOME]).json() == {"homes": [homes.get_home("gw-1")]}
    answer = ask("POST", "/api/homes/messages", SAID, "device")
    assert (answer.status_code, answer.json()["heartbeat_s"]) == (200, 300.0)
    assert ask("POST", "/api/homes/messages", SAID, "device").json()["is_repeat"]
    found = ask("GET", "/api/homes/check").json()
    assert [(gap["why"], gap["gateway"]) for gap in found["gaps"]] == [("no_sensor", "gw-1")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agrees": ["moton"]}, "agrees to 'moton'"),
        ({"devices": [{"device": "d", "properties": ["smok"]}]}, "property 'smok' is not known"),
        ({"point": [24.0, 99.0]}, "is not (lon, lat)"),
        ({"gateway": ""}, "gateway"),
    ],
)
def test_a_home_that_is_wrong_is_refused_by_name_and_none_is_taken(
    ask: Callable[..., Any], homes: HomeSide, change: dict[str, Any], words: str
) -> None:
    other = {**HOME, "gateway": "gw-2"}
    answer = ask("POST", "/api/homes", [other, {**HOME, **change}])
    assert answer.status_code == 400 and words in answer.json()["message"]
    assert len(homes.gateways.book) == 0


def test_an_address_of_a_channel_that_the_city_does_not_have_reaches_nobody(
    ask: Callable[..., Any], homes: HomeSide
) -> None:
    assert ask("POST", "/api/homes", [HOME]).status_code == 200
    number = homes.get_home("gw-1")
    assert homes.ways_of(number) == ["daughter"]
    homes.config = msgspec.structs.replace(CITY, channels=ChannelsConfig())
    assert homes.ways_of(number) == []
    assert "nobody" in [gap["why"] for gap in ask("GET", "/api/homes/check").json()["gaps"]]
    homes.config = msgspec.structs.replace(CITY, channels=ChannelsConfig(simulated=True))
    assert homes.ways_of(number) == ["daughter"]


def test_who_withdraws_is_gone_at_once_and_says_nothing_more(ask: Callable[..., Any], homes: HomeSide) -> None:
    ask("POST", "/api/homes", [HOME])
    ask("POST", "/api/homes/messages", SAID, "device")
    home = homes.get_home("gw-1")
    assert ask("DELETE", "/api/homes/gw-1").json() == {"withdrawn": home}
    assert ask("POST", "/api/homes/messages", {**SAID, "seq": 2}, "device").status_code == 404
    assert not homes.consents.list_given(home)
    assert home not in homes.store.graph.things


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("POST", "/api/homes", "operator", 403),
        ("GET", "/api/homes/check", "device", 403),
        ("DELETE", "/api/homes/gw-1", "planner", 403),
        ("GET", "/api/homes/check", "nobody", 401),
        ("POST", "/api/homes/messages", "planner", 403),
        ("GET", "/api/homes/messages", "admin", 405),
        ("GET", "/api/homes/else", "admin", 404),
    ],
)
def test_homes_are_for_those_who_care_for_them(
    ask: Callable[..., Any], method: str, path: str, role: str, status: int
) -> None:
    assert ask(method, path, SAID if method == "POST" else None, role).status_code == status


def test_how_gateways_and_services_of_homes_are_doing_is_said_without_naming_anybody(
    ask: Callable[..., Any], homes: HomeSide
) -> None:
    ask("POST", "/api/homes", [HOME])
    ask("POST", "/api/homes/messages", SAID, "device")
    ask("POST", "/api/homes/messages", SAID, "device")
    status, metrics = ask("GET", "/status"), ask("GET", "/metrics").text
    found = status.json()["homes"]
    assert found["services"]["parked"] == 0 and not found["disk_full"]
    assert (found["gateways"]["messages"], found["gateways"]["repeats"]) == (2, 1)
    assert "dongne_homes_messages_total 2" in metrics and "dongne_homes_services_running 1" in metrics
    assert not any(word in text for word in ("gw-1", HOME["person"]) for text in (status.text, metrics))


def test_many_homes_are_not_looked_at_by_the_collector_of_a_process_that_serves(ask: Callable[..., Any]) -> None:
    def add(first: int) -> int:
        before = gc.get_freeze_count()
        ask(
            "POST",
            "/api/homes",
            [{**HOME, "gateway": f"gw-{n}", "person": f"p-{n}"} for n in range(first, first + 100)],
        )
        return gc.get_freeze_count() - before

    thresholds = gc.get_threshold()
    assert add(1_000) == 0
    quieten_collector()
    try:
        assert add(2_000) > 100
    finally:
        waken_collector()
        gc.set_threshold(*thresholds)


# --- at a socket, where messages go the short way


@pytest.fixture
def port(homes: HomeSide, make_context: Callable[..., ApiContext]) -> Iterator[int]:
    api = create_api(make_context(homes=homes, who_of=who_of, max_body_bytes=10_000_000))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(
            uvicorn.Config(api, http=append_protocol(api), log_level="error", lifespan="off", date_header=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.stop()
        thread.join(10)


def test_a_gateway_at_a_socket_hears_what_it_would_hear_the_long_way(
    ask: Callable[..., Any], homes: HomeSide, port: int
) -> None:
    ask("POST", "/api/homes", [HOME])
    url = f"http://127.0.0.1:{port}/api/homes/messages"
    button = {"device": "b", "property": "button", "time": SAID["sent"], "value": 1}
    odd = {"device": "b", "property": "odd", "time": SAID["sent"], "value": 1}
    with httpx.Client(headers={"authorization": "Bearer device"}) as client:
        first = client.post(url, json={**SAID, "events": [button, odd]})
        again = client.post(url, json={**SAID, "events": [button, odd]})
        long_way = client.post(f"{url}/", json={**SAID, "seq": 2, "events": [button, odd]})
        assert first.json()["stored"] == 1
        assert list(first.json()["refused"]) == ["1"]
        assert again.json()["is_repeat"]
        assert first.headers["content-type"] == "application/json"
        assert first.headers["cache-control"] == "no-store"
        assert first.headers["x-content-type-options"] == "nosniff"
        assert {k: v for k, v in first.json().items() if k not in ("seq", "time")} == {
            k: v for k, v in long_way.json().items() if k not in ("seq", "time")
        }
        for content, said in (
            (b"{", "no message of a gateway"), (json.dumps({**SAID, "gateway": "gw-9"}).encode(), "gw-9"),
            (b" " * 300_000, "longer than"), (iter([b" " * 200_000] * 2), "longer than"),
        ):  # fmt: skip
            short = client.post(url, content=content)
            assert short.status_code >= 400
            assert said in short.json()["message"]
        assert client.post(url, content=b"a=b", headers={"content-type": "image/png"}).status_code == 415
    assert httpx.post(url, json=SAID, headers={"authorization": "Bearer planner"}).status_code == 403
    desk = homes.gateways
    assert (desk.messages, desk.stored, desk.repeats) == (3, 2, 1)
    assert desk.refused["message"] == 1
    assert desk.refused["bodytoo_large"] == 2
    assert desk.refused["content_type"] == 1


def test_messages_that_come_before_the_last_was_answered_are_answered_in_order(
    ask: Callable[..., Any], port: int
) -> None:
    ask("POST", "/api/homes", [HOME])
    bodies = [json.dumps({**SAID, "seq": seq}).encode() for seq in range(1, 6)]
    head = b"POST /api/homes/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer device\r\ncontent-length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(b"".join(head % len(body) + body for body in bodies))
        read = b""
        while read.count(b'"seq":') < len(bodies):
            part = line.recv(65_536)
            assert part, read
            read += part
    assert [int(found) for found in re.findall(rb'"seq":(\d+)', read)] == [1, 2, 3, 4, 5]


def test_what_homes_observed_is_taken_out_after_the_days_the_city_keeps_it(
    ask: Callable[..., Any], homes: HomeSide
) -> None:
    ask("POST", "/api/homes", [HOME])
    ask(
        "POST",
        "/api/homes/messages",
        {**SAID, "events": [{"device": "motion-1", "property": "motion", "time": SAID["sent"], "value": 1}]},
        "device",
    )
    home, days = homes.get_home("gw-1"), homes.config.homes.keep_days
    streams = [stream.id for stream in homes.store.graph.list_datastreams(home)]
    assert any(homes.store.latest(stream) for stream in streams)
    Retention(homes).step()
    assert any(homes.store.latest(stream) for stream in streams), "it is kept as long"
    homes.clock.hold(homes.clock.now_us() + int((days + 1) * 86_400e6))
    Retention(homes).step()
    assert not any(homes.store.latest(stream) for stream in streams)
    assert ask("GET", "/api/homes/verify").json()["wrong"] == []
    assert home in homes.store.graph.things
