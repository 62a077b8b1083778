"""/api/webhooks: who may do what, and what is shown. What is delivered is tested with the adapter."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.api.conftest import Client, who_has

from dongne.adapters.webhooks import Rules, Webhooks
from dongne.compose.hooks import TokenOwners
from dongne.model.limits import Limits
from dongne.model.who import BENCH
from dongne.stores.access import AccessBook
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.webhooks import WebhookFile
from dongne.web.api import create_api
from dongne.web.api.rates import Rates

OWN = {"authorization": "Bearer yes"}
URL = "https://192.0.2.1/hook"  # nobody is there (RFC 5737)


@pytest.fixture
def rates() -> Rates:
    return Rates(Limits(writes_per_s=0.001, burst_s=8_000.0, on_this_machine=True))


@pytest.fixture
def hooked(store: EmbeddedStore, make_context: Callable[..., Any], rates: Rates) -> Iterator[Client]:
    access = AccessBook(store.folder)
    owners = TokenOwners(access, BENCH, lambda: True)
    webhooks = Webhooks(store, WebhookFile(store.folder), owners, Rules(inside=True, timeout_s=0.2), "test")
    webhooks.start()
    client = Client(create_api(make_context(webhooks=webhooks, who_of=who_has("yes"), rates=rates)))
    yield client
    client.close()
    webhooks.close()
    access.close()


def test_a_webhook_lives_from_creation_to_deletion_and_its_secret_is_said_once(hooked: Client) -> None:
    made = hooked.post("/api/webhooks", json={"url": URL, "name": "mine", "events": ["cases"]}, headers=OWN)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "http://city.test/api/webhooks/1"
    document = made.json()
    secret = document.pop("secret")
    assert secret.startswith("whsec_")
    assert (document["state"], document["choice"], document["access"]) == ("active", {"events": ["cases"]}, "public")
    assert hooked.get("/api/webhooks/1", headers=OWN).json() == document
    listed = hooked.get("/api/webhooks", headers=OWN)
    assert listed.json() == {"value": [document]} and listed.headers["cache-control"] == "no-store"
    assert hooked.post("/api/webhooks/1/pause", headers=OWN).json()["state"] == "paused"
    assert hooked.post("/api/webhooks/1/resume", headers=OWN).json()["state"] == "active"
    assert hooked.post("/api/webhooks/1/secret", headers=OWN).json()["secret"] != secret
    assert hooked.get("/api/webhooks/1/deliveries", headers=OWN).json() == {"value": []}
    assert hooked.get("/api/webhooks/1/dead-letters", headers=OWN).json() == {"value": []}
    tested = hooked.post("/api/webhooks/1/test", headers=OWN).json()
    assert (tested["delivered"], tested["status"]) == (False, 0)
    assert secret not in hooked.get("/api/webhooks", headers=OWN).text
    assert 'dongne_webhooks{state="active"} 1' in hooked.get("/metrics").text
    assert hooked.request("DELETE", "/api/webhooks/1", headers=OWN).status_code == 204
    assert hooked.get("/api/webhooks/1", headers=OWN).status_code == 404


def test_changes_of_webhooks_count_as_writes_and_looking_does_not(hooked: Client) -> None:
    assert hooked.post("/api/webhooks", json={"url": URL}, headers=OWN).status_code == 201
    said = [hooked.post("/api/webhooks/1/pause", headers=OWN).status_code for _ in range(8)]
    assert said == [200] * 7 + [429]
    assert hooked.request("DELETE", "/api/webhooks/1", headers=OWN).status_code == 429
    assert hooked.get("/api/webhooks/1", headers=OWN).status_code == 200


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({}, "url"),
        ({"url": "http://169.254.169.254/"}, "inside this machine"),
        ({"url": URL, "events": []}, "events are"),
        ({"url": URL, "events": ["everything"]}, "events are"),
        ({"url": URL, "access": "secret"}, "access is"),
        ({"url": URL, "attempts": 0}, "attempts 0"),
        ({"url": URL, "after": 10**6}, "after 1000000"),
        ({"url": URL, "filters": {}}, "unknown field"),
        ({"url": URL, "things": ["one"]}, "things"),
    ],
)
def test_what_is_no_webhook_is_refused_with_the_place(hooked: Client, sent: dict[str, Any], says: str) -> None:
    answer = hooked.post("/api/webhooks", json=sent, headers=OWN)
    assert answer.status_code == 400
    assert says in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/1"), ("DELETE", "/1"), ("POST", "/1/pause"), ("POST", "/1/resume"), ("POST", "/1/test"),
     ("POST", "/1/secret"), ("GET", "/1/deliveries"), ("GET", "/1/dead-letters"), ("DELETE", "/1/dead-letters/1"),
     ("POST", "/1/dead-letters/1/resend")],
)  # fmt: skip
def test_nothing_is_done_or_shown_without_the_right(hooked: Client, method: str, path: str) -> None:
    hooked.post("/api/webhooks", json={"url": URL}, headers=OWN)
    assert hooked.request(method, f"/api/webhooks{path}").status_code == 401


def test_what_is_not_there_and_methods_that_are_not_taken_are_said(hooked: Client) -> None:
    assert hooked.get("/api/webhooks/7", headers=OWN).status_code == 404
    assert hooked.get("/api/webhooks/x", headers=OWN).status_code == 404
    assert hooked.request("DELETE", "/api/webhooks/1/dead-letters/5", headers=OWN).status_code == 404
    refused = hooked.request("PUT", "/api/webhooks/1", headers=OWN)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, DELETE")
