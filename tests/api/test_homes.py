"""Homes over HTTP: taken in, heard, checked, and gone when somebody withdraws."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dongne.compose.homes import HomeSide
from dongne.compose.opened import RunOptions
from dongne.model.channels import ChannelsConfig, SmsConfig
from dongne.model.city import CityConfig
from dongne.model.who import ANYBODY, ROLES, Who
from dongne.runtime.registry import load_all
from dongne.web.api import ApiContext, create_api
from dongne.web.api.http import token_of

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
