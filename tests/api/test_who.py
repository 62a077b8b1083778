"""Tokens, whom they let in, and the audit log."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import LAMP, Client

from dongne.cli import main
from dongne.compose.opened import RunOptions
from dongne.compose.serving import Guard
from dongne.model.errors import BadInput, NotFound
from dongne.stores.access import AccessBook
from dongne.web.api import ApiContext, create_api

DAY_US = 86_400_000_000


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    (tmp_path / "city").mkdir()
    found = Guard(RunOptions("test", tmp_path / "city", host="0.0.0.0"))
    yield found
    found.book.close()


@pytest.fixture
def asks(guard: Guard, make_context: Callable[..., ApiContext]) -> Iterator[Callable[..., Any]]:
    client = Client(create_api(make_context(who_of=guard.who_of, audit=guard.audit)))

    def ask(method: str, path: str, token: str = "", **more: Any) -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return client.request(method, f"/v1.1/{path}", headers=headers, **more)

    yield ask
    client.close()


def test_reading_is_open_and_writing_needs_a_token_that_allows_it(guard: Guard, asks: Callable[..., Any]) -> None:
    assert asks("GET", "Things").status_code == 200
    refused = asks("POST", "Things", json={"name": "A"})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert asks("POST", "Things", "nonsense", json={"name": "A"}).status_code == 401
    assert asks("GET", "Things", "nonsense").status_code == 401
    planner = guard.book.issue("plan", "planner", None, None, "", 1)
    assert asks("POST", "Things", planner, json={"name": "A"}).status_code == 403
    steward = guard.book.issue("kim", "steward", None, None, "", 1)
    assert asks("POST", "Things", steward, json={"name": "A"}).status_code == 201
    assert asks("POST", "Things", guard.token, json={"name": "B"}).status_code == 201


def test_a_token_of_another_thing_sends_nothing_of_this_one(guard: Guard, asks: Callable[..., Any]) -> None:
    for name in ("A", "B"):
        assert asks("POST", "Things", guard.token, json={**LAMP, "name": name}).status_code == 201
    device = guard.book.issue("lamp-2", "device", (2,), None, "", 1)
    assert "device Things 2" in {entry.detail for entry in guard.book.list_entries()}
    assert asks("POST", "Datastreams(3)/Observations", device, json={"result": 7}).status_code == 201
    assert asks("POST", "Datastreams(1)/Observations", device, json={"result": 7}).status_code == 403
    assert asks("POST", "Observations", device, json={"result": 7, "Datastream": {"@iot.id": 1}}).status_code == 403
    body = [
        {
            "Datastream": {"@iot.id": stream},
            "components": ["result", "phenomenonTime"],
            "dataArray": [[1, "2026-04-01T00:00:00Z"]],
        }
        for stream in (1, 3)
    ]
    first, second = asks("POST", "CreateObservations", device, json=body).json()
    assert "does not allow this (observe for Thing 1)" in first and "Observations(" in second
    for method, path in (
        ("POST", "Things"),
        ("PATCH", "Things(2)"),
        ("DELETE", "Things(2)"),
        ("DELETE", "Observations(2)"),
    ):
        assert asks(method, path, device, json={"name": "x"}).status_code == 403
    batch = {"requests": [{"id": "1", "method": "post", "url": "Datastreams(1)/Observations", "body": {"result": 3}}]}
    assert asks("POST", "$batch", device, json=batch).json()["responses"][0]["status"] == 403


def test_personal_things_are_seen_with_their_token_only(guard: Guard, asks: Callable[..., Any]) -> None:
    home = {**LAMP, "name": "Home", "properties": {"access": "personal"}}
    assert asks("POST", "Things", guard.token, json=home).status_code == 201
    assert asks("GET", "Things").json()["value"] == []
    assert asks("GET", "Things(1)").status_code == 404
    device = guard.book.issue("home-1", "device", (1,), None, "", 1)
    assert asks("GET", "Things(1)", device).json()["name"] == "Home"
    assert asks("GET", "Things", guard.book.issue("kim", "steward", None, None, "", 1)).json()["value"] == []
    assert len(asks("GET", "Datastreams", guard.book.issue("c", "carer", None, None, "care", 1)).json()["value"]) == 2


def test_a_token_ends_when_it_is_revoked_or_its_time_is_over(guard: Guard, tmp_path: Path) -> None:
    text = guard.book.issue("short", "steward", None, 5 * DAY_US, "", 1)
    assert guard.book.find_who(text, 4 * DAY_US) is not None
    assert guard.book.find_who(text, 5 * DAY_US) is None
    other = AccessBook(tmp_path / "city")  # as another process would
    long = guard.book.issue("long", "steward", None, None, "", 1)
    assert guard.book.find_who(long, 1) is not None
    other.revoke("long", 2)
    assert guard.book.find_who(long, 3) is None
    other.close()
    with pytest.raises(NotFound):
        guard.book.revoke("nobody", 1)
    with pytest.raises(BadInput, match="is there already"):
        guard.book.issue("short", "steward", None, None, "", 1)
    with pytest.raises(BadInput, match="there is no role"):
        guard.book.issue("x", "king", None, None, "", 1)
    assert text.encode() not in (tmp_path / "city" / "access.db").read_bytes()


def test_basic_credentials_carry_a_token_as_their_password(guard: Guard) -> None:
    from base64 import b64encode

    text = guard.book.issue("kim", "steward", None, None, "", 1)
    value = b"Basic " + b64encode(f"kim:{text}".encode())
    assert guard.who_of({"headers": [(b"authorization", value)]}).name == "kim"


def test_the_audit_log_shows_what_was_changed_afterwards(
    guard: Guard, asks: Callable[..., Any], tmp_path: Path
) -> None:
    steward = guard.book.issue("kim", "steward", None, None, "", 1)
    asks("POST", "Things", steward, json=LAMP)
    asks("PATCH", "Things(1)", steward, json={"name": "B"})
    asks("DELETE", "Things(1)", steward)
    entries = guard.book.list_entries()
    assert ("kim", "Thing remove", "1") in {(one.who, one.what, one.place) for one in entries}
    assert guard.book.find_fault() == ""
    assert guard.book.find_fault(entries[-1].hash) == ""
    assert "cut off" in guard.book.find_fault("0" * 64)
    folder = str(tmp_path / "city")
    assert main(["audit", "verify", "--folder", folder]) == 0
    guard.book._connection.execute("update audit set who = 'lee' where number = 2")
    assert guard.book.find_fault() == "entry 2 is not as it was written"
    assert main(["audit", "verify", "--folder", folder]) == 1
    guard.book._connection.execute("delete from audit where number = 1")
    assert guard.book.find_fault() == "entry 1 is missing"


def test_a_steward_of_some_things_changes_only_these(guard: Guard, asks: Callable[..., Any]) -> None:
    for name in ("A", "B"):
        assert asks("POST", "Things", guard.token, json={**LAMP, "name": name}).status_code == 201
    kim = guard.book.issue("kim", "steward", (2,), None, "", 1)
    stream = {key: value for key, value in LAMP["Datastreams"][0].items() if key != "Observations"}
    links = {"Sensor": {"@iot.id": 1}, "ObservedProperty": {"@iot.id": 1}}
    allowed = [
        ("PATCH", "Things(2)", {"name": "x"}),
        ("PATCH", "Datastreams(3)", {"name": "x"}),
        ("POST", "Things(2)/Datastreams", {**stream, **links}),
        ("DELETE", "Datastreams(4)", None),
        ("DELETE", "Datastreams(3)/Observations?$filter=id gt 0", None),
    ]
    refused = [
        ("POST", "Things", {"name": "C"}),
        ("PATCH", "Things(1)", {"name": "x"}),
        ("PATCH", "Things(2)", {"Datastreams": [{"@iot.id": 1}]}),
        ("PATCH", "Datastreams(3)", {"Thing": {"@iot.id": 1}}),
        ("POST", "Things(1)/Datastreams", {**stream, **links}),
        ("PATCH", "Sensors(1)", {"name": "x"}),
        ("DELETE", "Sensors(1)", None),
        ("DELETE", "Observations?$filter=id gt 0", None),
        ("DELETE", "Things?$filter=id gt 0", None),
        ("POST", "Things(1)/Locations/$ref", {"@iot.id": 2}),
    ]
    for method, path, body in refused:
        assert asks(method, path, kim, json=body).status_code == 403, (method, path)
    for method, path, body in allowed:
        assert asks(method, path, kim, json=body).status_code in (200, 201), (method, path)


def test_tasks_are_in_the_audit_log_and_what_is_personal_is_not_counted(
    guard: Guard, make_context: Callable[..., ApiContext]
) -> None:
    client = Client(create_api(make_context(who_of=guard.who_of, audit=guard.audit)))
    bearer = {"authorization": f"Bearer {guard.token}"}
    try:
        for access in ("public", "personal"):
            home = {**LAMP, "properties": {"access": access}}
            assert client.post("/v1.1/Things", json=home, headers=bearer).status_code == 201
        assert client.get("/status").json()["entities"] == {"things": 1, "datastreams": 2}
        dims = {
            "name": "dims",
            "taskingParameters": {"type": "object", "properties": {"value": {"type": "number"}}},
            "Thing": {"@iot.id": 1},
            "Actuator": {"name": "driver", "encodingType": "text/plain", "metadata": ""},
        }
        assert client.post("/v1.1/TaskingCapabilities", json=dims, headers=bearer).status_code == 201
        task = {"taskingParameters": {"value": 5}, "TaskingCapability": {"@iot.id": 1}}
        assert client.post("/v1.1/Tasks", json=task, headers=bearer).status_code == 201
        assert ("folder", "Task put") in {(entry.who, entry.what) for entry in guard.book.list_entries()}
    finally:
        client.close()
