"""Several requests in one."""

from collections.abc import Callable
from email import policy
from email.parser import BytesParser
from typing import Any

from tests.api.conftest import LAMP, Client

from dongne.model.who import ANYBODY
from dongne.web.api import ApiContext, create_api


def batch(client: Client, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post("/v1.1/$batch", json={"requests": list(requests)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["responses"]
    return found


def test_parts_refer_to_what_earlier_ones_made(client: Client) -> None:
    stream = {key: value for key, value in LAMP["Datastreams"][0].items() if key != "Observations"}
    made, place, linked, seen, lost = batch(
        client,
        {"id": "1", "method": "post", "url": "Things", "body": {"name": "A"}},
        {"id": "2", "method": "post", "url": "$1/Locations", "body": LAMP["Locations"][0]},
        {"id": "3", "method": "post", "url": "Datastreams", "body": {**stream, "Thing": {"@iot.id": "$1"}}},
        {"id": "4", "method": "get", "url": "$1?$expand=Datastreams,Locations"},
        {"id": "5", "method": "get", "url": "Things(99)"},
    )
    assert (made["status"], made["headers"]["location"]) == (201, "http://city.test/v1.1/Things(1)")
    assert place["status"] == linked["status"] == 201
    assert (len(seen["body"]["Datastreams"]), len(seen["body"]["Locations"])) == (1, 1)
    assert (lost["status"], lost["body"]["code"]) == (404, 404)


def test_a_group_is_done_whole_or_not_at_all(client: Client, lamp: int) -> None:
    group = {"atomicityGroup": "g"}
    undone, failed, after = batch(
        client,
        {"id": "1", "method": "post", "url": "Things", "body": {"name": "A"}, **group},
        {"id": "2", "method": "post", "url": "Things", "body": {}, **group},
        {"id": "3", "method": "get", "url": "Things", "dependsOn": ["g"]},
    )
    assert (failed["status"], "2: $: a Thing needs" in failed["body"]["message"]) == (400, True)
    assert (undone["status"], after["status"]) == (424, 424)
    assert client.json("Things", count="true")["@iot.count"] == 1
    done = batch(
        client,
        {"id": "1", "method": "post", "url": "Things", "body": {"name": "A"}, **group},
        {"id": "2", "method": "patch", "url": "$1", "body": {"description": "B"}, **group},
        {"id": "3", "method": "post", "url": "Datastreams(1)/Observations", "body": {"result": 9}, **group},
    )
    assert [one["status"] for one in done] == [201, 200, 201]
    new = int(done[0]["headers"]["location"].rpartition("(")[2][:-1])
    assert client.json(f"Things({new})")["description"] == "B"
    number = done[2]["headers"]["location"].rpartition("/")[2]
    assert client.json(number)["result"] == 9


MULTIPART = """--b1
Content-Type: application/http

GET /v1.1/Things(1)?$select=name HTTP/1.1
Host: city.test


--b1
Content-Type: multipart/mixed; boundary=c1

--c1
Content-Type: application/http
Content-ID: 1

POST Things HTTP/1.1
Content-Type: application/json

{"name": "In a set of changes"}
--c1
Content-Type: application/http
Content-ID: 2

PATCH $1 HTTP/1.1
Content-Type: application/json

{"description": "changed"}
--c1--
--b1--
"""


def test_the_multipart_form_is_answered_in_kind(client: Client, lamp: int) -> None:
    for text in (MULTIPART, MULTIPART.replace("\n", "\r\n")):
        answer = client.post("/v1.1/$batch", content=text, headers={"content-type": "multipart/mixed; boundary=b1"})
        assert answer.status_code == 200, answer.text
        kind = answer.headers["content-type"].encode()
        whole = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + answer.content)
        first, second = whole.iter_parts()
        assert b"HTTP/1.1 200 OK" in first.get_payload(decode=True)
        assert LAMP["name"].encode() in first.get_payload(decode=True)
        made, changed = second.iter_parts()
        assert b"HTTP/1.1 201 Created" in made.get_payload(decode=True)
        assert b"HTTP/1.1 200 OK" in changed.get_payload(decode=True)
    assert client.json("Things", filter="description eq 'changed'", count="true")["@iot.count"] == 2


def test_what_is_no_batch_is_refused(client: Client) -> None:
    kind = {"content-type": "multipart/mixed; boundary=b1"}
    for body, headers in ((b"[]", {}), (b"{", {}), (b"nothing", kind), (b"--b1\r\n\r\nhello\r\n--b1--", kind)):
        assert client.post("/v1.1/$batch", content=body, headers=headers).status_code == 400
    nested = {"requests": [{"id": "1", "method": "post", "url": "$batch", "body": {}}]}
    assert client.post("/v1.1/$batch", json=nested).status_code == 400
    many = {"requests": [{"id": "1", "method": "get", "url": "Things"}] * 1_001}
    assert client.post("/v1.1/$batch", json=many).status_code == 400


def test_parts_are_answered_in_the_form_they_have(client: Client, lamp: int) -> None:
    name, table, named = batch(
        client,
        {"id": "1", "method": "get", "url": "Things(1)/name/$value"},
        {"id": "2", "method": "get", "url": "Things?$resultFormat=CSV&$select=name"},
        {"id": "3", "method": "post", "url": "Things", "body": {"name": "$1", "properties": {"note": "$2"}}},
    )
    assert (name["body"], name["headers"]["content-type"][:10]) == (LAMP["name"], "text/plain")
    assert LAMP["name"] in table["body"]
    made = client.json(named["headers"]["location"].rpartition("/")[2])
    assert (made["name"], made["properties"]) == ("$1", {"note": "$2"})  # only ids refer to other parts


def test_what_depends_on_a_part_that_failed_is_not_done(client: Client, lamp: int) -> None:
    requests = [
        {"id": "1", "method": "post", "url": "Things", "body": {}},
        {"id": "2", "method": "post", "url": "Things", "body": {"name": "B"}, "dependsOn": ["1"]},
        {"id": "3", "method": "post", "url": "Things", "body": {"name": "C"}, "dependsOn": ["2"]},
        {"id": "4", "method": "post", "url": "Things", "body": {"name": "D"}},
    ]
    assert [one["status"] for one in batch(client, *requests)] == [400, 424, 424, 201]
    assert client.json("Things", count="true")["@iot.count"] == 2
    header = {"prefer": "odata.continue-on-error=false"}
    early = client.post("/v1.1/$batch", json={"requests": requests}, headers=header).json()["responses"]
    assert [one["status"] for one in early] == [400]


def test_a_batch_out_of_order_is_refused(client: Client) -> None:
    get = {"method": "get", "url": "Things"}
    for requests, says in (
        ([{**get, "id": "1"}, {**get, "id": "1"}], "given twice"),
        ([{**get, "id": "1", "dependsOn": ["2"]}, {**get, "id": "2"}], "before it"),
        ([{**get, "id": n, "atomicityGroup": g} for n, g in (("1", "a"), ("2", "b"), ("3", "a"))], "follow each other"),
        ([{**get, "id": "1", "dependsOn": "2"}], "dependsOn"),
    ):
        answer = client.post("/v1.1/$batch", json={"requests": requests})
        assert (answer.status_code, says in answer.json()["message"]) == (400, True), answer.text


def test_observations_of_a_batch_are_in_the_ledger(client: Client, lamp: int) -> None:
    def ledger() -> dict[str, Any]:
        found: dict[str, Any] = client.get("/status").json()["observations"]
        return found

    def sent(result: float, **more: str) -> dict[str, Any]:
        return {
            "id": str(result),
            "method": "post",
            "url": "Datastreams(1)/Observations",
            "body": {"result": result},
            **more,
        }

    before = ledger()
    done = batch(client, sent(1), sent(2), sent(101), {**sent(3), "url": "Datastreams(99)/Observations"})
    assert [one["status"] for one in done] == [201, 201, 400, 404]
    batch(client, sent(4, atomicityGroup="g"), sent(102, atomicityGroup="g"))
    after = ledger()
    assert {name: after[name] - before[name] for name in ("received", "stored", "rejected")} == {
        "received": 6,
        "stored": 2,
        "rejected": 4,
    }


def test_reading_in_a_batch_needs_no_token(make_context: Callable[..., ApiContext]) -> None:
    client = Client(create_api(make_context(who_of=lambda scope: ANYBODY)))
    try:
        seen, refused = batch(
            client,
            {"id": "1", "method": "get", "url": "Things"},
            {"id": "2", "method": "post", "url": "Things", "body": {"name": "A"}},
        )
        assert (seen["status"], refused["status"]) == (200, 401)
    finally:
        client.close()


def test_addresses_hold_where_a_group_both_corrects_and_sends(client: Client, lamp: int) -> None:
    old = client.json("Datastreams(1)/Observations")["value"][0]["@iot.id"]
    corrected, sent = batch(
        client,
        {"id": "1", "method": "patch", "url": f"Observations({old})", "body": {"result": 77}, "atomicityGroup": "g"},
        {
            "id": "2",
            "method": "post",
            "url": "Datastreams(1)/Observations",
            "body": {"result": 8},
            "atomicityGroup": "g",
        },
    )
    assert corrected["status"] == 200
    assert client.json(sent["headers"]["location"].rpartition("/")[2])["result"] == 8
    assert client.json(f"Observations({old})")["result"] == 77
