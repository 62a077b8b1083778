"""What somebody sends who means harm: always a clear answer, never ours to be sorry for."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.api.conftest import CITY, LAMP, Client, Standing

from dongne.compose.guard import Guard
from dongne.compose.opened import RunOptions
from dongne.model.access import EVERYTHING, Sight
from dongne.model.errors import TooMany
from dongne.model.limits import Limits
from dongne.model.who import ANYBODY, ROLES, Right, Who
from dongne.web.api import ApiContext, create_api
from dongne.web.api.context import Asgi
from dongne.web.api.rates import Rates

SQL = [
    "'; drop table observations; --", "1 or 1=1", "1) union select sql from sqlite_master --", "' or ''='", "$(reboot)",
    "0x31", "name\"; attach 'x' as y; --", "%00", "\\", "';copy (select 1) to '/tmp/x';--", "read_csv('/etc/passwd')",
]  # fmt: skip


def _is_clear(response: Any, sent: str = "") -> bool:
    """A refusal that says something; nothing of how it is made inside."""
    if response.status_code < 400:
        return True
    message = response.json()["message"]
    told = ("Traceback", "sqlite", "duckdb", "/site-packages/", "Binder Error", "Parser Error", "syntax error at")
    return (
        response.status_code < 500
        and bool(message)
        and not any(word in response.text for word in told if word not in sent)
    )


@pytest.mark.parametrize("text", SQL)
def test_sql_in_options_paths_and_ids_is_text_or_refused(lit: Standing, text: str) -> None:
    client = lit.client
    before = client.json("Observations", count="true", top="0")["@iot.count"]
    for option in (
        "$filter",
        "$orderby",
        "$select",
        "$expand",
        "$top",
        "$skip",
        "$count",
        "$resultFormat",
        "$asOf",
        "$skiptoken",
    ):
        response = client.get("/v1.1/Observations", params={option: text})
        assert response.status_code == 400 and _is_clear(response, text), (option, response.text)
    quoted = text.replace("'", "''")
    for condition in (
        f"name eq '{quoted}'",
        f"properties/{text} eq 1",
        f"substringof('{quoted}',name)",
        f"name eq '{text}'",
    ):
        assert _is_clear(client.get("/v1.1/Things", params={"$filter": condition}), text), condition
    assert client.json("Things", filter=f"name eq '{quoted}'")["value"] == []
    for path in (
        f"Things({text})",
        f"Things(1)/{text}",
        f"Things(1)/properties/{text}",
        f"{text}",
        f"Datastreams(1)/Observations({text})",
    ):
        response = client.get(f"/v1.1/{path.replace('/', '%2F') if path == text else path}")
        assert _is_clear(response, text) and response.status_code in (200, 204, 400, 404), (path, response.text)
    for option in ("datastream", "thing", "property", "kind", "from", "to", "zone", "interval", "values", "format"):
        for name in ("latest", "aggregates", "observations"):
            params = {"property": "light_level", option: text}
            assert _is_clear(client.get(f"/api/{name}", params=params), text), (name, option)
    made = client.create("Things", {"name": text, "description": text, "properties": {text or "x": text}})
    assert client.json(f"Things({made})")["name"] == text
    assert client.json("Observations", count="true", top="0")["@iot.count"] == before


DEEP = "Datastreams/Thing/" * 40 + "Datastreams"
COSTLY = [
    ("$expand", DEEP),
    ("$expand", "Datastreams($expand=Thing(" * 60 + "))" * 60),
    ("$expand", ",".join(["Datastreams"] * 5_000)),
    ("$filter", "(" * 5_000 + "id eq 1" + ")" * 5_000),
    ("$filter", " or ".join(f"id eq {n}" for n in range(10_000))),
    ("$filter", "not " * 5_000 + "id eq 1"),
    ("$filter", "length(" * 2_000 + "name" + ")" * 2_000 + " gt 1"),
    ("$filter", "id" + " add 1" * 10_000 + " gt 1"),
    ("$filter", "Datastreams/" * 300 + "id eq 1"),
    ("$filter", f"name eq '{'a' * 200_000}'"),
    ("$filter", f"substringof('{'%' * 20_000}',name)"),
    ("$filter", f"st_within(location, geography'POLYGON(({','.join(['0 0'] * 200_000)}))')"),
    ("$orderby", ",".join(["name"] * 5_000)),
    ("$select", ",".join(["name"] * 50_000)),
    ("$top", "9" * 400), ("$skip", "9" * 5_000), ("$top", "-1"), ("$top", "1e9"), ("$skip", "99999999999999999999"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "text"), COSTLY, ids=[f"{option}-{text[:24]}" for option, text in COSTLY])
def test_what_would_cost_much_is_refused_at_once(lit: Standing, option: str, text: str) -> None:
    status, said = ask_plainly(lit.api, "/v1.1/Things", f"{option}={quote(text)}".encode())
    assert status == 400, said[:300]
    assert json.loads(said)["message"]
    assert len(said) < 2_000, "the message does not repeat what was sent"


def ask_plainly(app: Asgi, path: str, query: bytes) -> tuple[int, bytes]:
    """A GET longer than a client would send."""
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [(b"host", b"x")], "scheme": "http",
             "server": ("x", 80), "client": ("127.0.0.1", 1)}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return said[0]["status"], b"".join(part.get("body", b"") for part in said[1:])


def test_a_huge_page_is_cut_to_what_one_answer_may_hold(client: Client, lamp: int) -> None:
    assert client.get("/v1.1/Observations?$top=1000000000").status_code in (200, 400)


NESTED = b"[" * 100_000 + b"]" * 100_000
BODIES: list[bytes] = [
    NESTED,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"name":"x","properties":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
    b'{"result": ' + b"9" * 100_000 + b"}",
    b'{"result": 1e999999}', b'{"result": -1e400}', b'{"result": NaN}',
    b'{"name": "\\ud800", "result": 1}', b'{"name": "\xff\xfe", "result": 1}', b'{"name": "a\x00b", "result": 1}',
    b'{"result": 1, "result": 2, "result": "x"}', b'{"name": "a", "name": 7}',
    b'{"@iot.id": 99999999999999999999999999, "name": "x"}', b'{"Datastream": {"@iot.id": 1e30}, "result": 1}',
    b'{"Datastream": {"@iot.id": -1}, "result": 1}', b'{"Datastream": {"@iot.id": true}, "result": 1}',
    b'{"phenomenonTime": "9999999-01-01T00:00:00Z", "result": 1}', b'{"phenomenonTime": "0000-00-00T99:99:99Z", "result": 1}',
    b"\x00" * 1_000, b"", b"null", b"true", b'"x"', b"[]", b"[[[]]]", b"\xef\xbb\xbf{}", b"{" * 10, b'{"__proto__": {"x": 1}}',
]  # fmt: skip
PATHS = [
    ("POST", "Observations"), ("POST", "Datastreams(1)/Observations"), ("POST", "Things"), ("PATCH", "Things(1)"), ("PUT", "Things(1)"),
    ("POST", "CreateObservations"), ("POST", "$batch"), ("POST", "Tasks"), ("POST", "Locations"), ("PATCH", "Observations(1)"),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=[repr(body[:24]) for body in BODIES])
def test_no_body_is_more_than_a_clear_refusal_or_data(lit: Standing, body: bytes) -> None:
    client = lit.client
    for method, path in PATHS:
        response = client.request(method, f"/v1.1/{path}", content=body, headers={"content-type": "application/json"})
        assert response.status_code < 500, (method, path, response.text[:300])
        assert response.status_code < 400 or len(response.text) < 2_000
    assert client.get("/v1.1/Things?$expand=Datastreams/Observations").status_code == 200


def test_no_header_is_put_into_an_answer_by_who_asks(client: Client, lamp: int) -> None:
    for road in ("/v1.1/Things(1)%0d%0aset-cookie:x=1", "/v1.1/%0d%0aevil:1", "/api/observations?datastream=1&format=csv%0d%0aevil:1",
                 "/events/observations%0d%0aevil:1"):  # fmt: skip
        response = client.get(road)
        assert "evil" not in response.headers and "set-cookie" not in response.headers
        assert response.status_code in (400, 404)
    for host in ("evil\texample", "a" * 5_000, "x\x7f", "<script>", "evil.example/path?"):
        response = client.post("/v1.1/Datastreams(1)/Observations", json={"result": 7}, headers={"host": host})
        assert response.status_code in (200, 201)
        assert host not in response.headers["location"]


@pytest.mark.parametrize("role", ["device", "steward", "operator"])
def test_a_token_of_another_thing_changes_and_shows_nothing_of_this_one(
    make_context: Callable[..., ApiContext], role: str
) -> None:
    everything = Who("admin", "admin", frozenset(Right), sight=EVERYTHING, is_known=True)
    admin = Client(create_api(make_context(who_of=lambda scope: everything)))
    rights, most = ROLES[role]
    other = Who("other", role, rights, frozenset({999}), Sight(most, frozenset({999})), is_known=True)
    client = Client(create_api(make_context(who_of=lambda scope: other)))
    with contextlib.closing(admin), contextlib.closing(client):
        home = admin.create("Things", {**LAMP, "name": "zzsecret", "properties": {"access": "personal"}})
        for method, path, body in (
            ("PATCH", f"Things({home})", {"name": "mine"}), ("DELETE", f"Things({home})", None),
            ("POST", "Datastreams(1)/Observations", {"result": 7}), ("DELETE", "Datastreams(1)", None),
            ("PATCH", "Datastreams(1)", {"Thing": {"@iot.id": 999}}), ("DELETE", "Observations(1)", None),
            ("POST", f"Things({home})/Datastreams", LAMP["Datastreams"][1]),
        ):  # fmt: skip
            response = client.request(method, f"/v1.1/{path}", json=body)
            assert response.status_code in (400, 403, 404), (method, path, response.text)
            assert "zzsecret" not in response.text
        parts = [{"id": str(n), "method": "get", "url": url} for n, url in enumerate(
            [f"Things({home})", "Things", "Datastreams(1)/Observations", "Observations?$count=true"])]  # fmt: skip
        assert "zzsecret" not in client.post("/v1.1/$batch", json={"requests": parts}).text
        assert admin.json("Observations", count="true", top="0")["@iot.count"] == 2


@pytest.fixture
def limited(make_context: Callable[..., ApiContext]) -> Iterator[tuple[Client, ApiContext]]:
    limits = Limits(writes_per_s=0.001, costly_reads_per_s=0.001, burst_s=5_000.0, on_this_machine=True)
    context = make_context(rates=Rates(limits))
    opened = Client(create_api(context))
    yield opened, context
    opened.close()


def test_who_asks_too_often_is_told_when_to_come_back(limited: tuple[Client, ApiContext]) -> None:
    client, context = limited
    answers = [client.post("/v1.1/Things", json={"name": "x"}) for _ in range(7)]
    assert [one.status_code for one in answers] == [201] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 500
    assert "writes a second" in answers[-1].json()["message"] and "data array" in answers[-1].json()["message"]
    assert client.post("/v1.1/Datastreams(1)/Observations", json={"result": 1}).status_code == 429
    asked = [client.get("/v1.1/Observations?$filter=result gt 1&$orderby=result") for _ in range(6)]
    assert [one.status_code for one in asked] == [200] * 5 + [429]
    assert client.get("/v1.1").status_code == 200
    assert context.rates.refused == {"write": 3, "costly_read": 1}
    text = client.get("/metrics").text
    assert 'dongne_limited_total{what="write"} 3' in text


def test_each_has_its_own_share_by_token_else_by_address() -> None:
    rates = Rates(Limits(writes_per_s=0.001, burst_s=1_000.0))
    here, there = {"client": ("192.0.2.1", 5), "headers": []}, {"client": ("192.0.2.2", 5), "headers": []}
    rates.check("write", ANYBODY, here)
    rates.check("write", ANYBODY, there)
    rates.check("write", Who("kim", is_known=True), here)
    for who, scope in ((ANYBODY, here), (Who("kim", is_known=True), there)):
        with pytest.raises(TooMany, match="had its share"):
            rates.check("write", who, scope)
    one, same = {"client": ("2001:db8:1:2:a::1", 5), "headers": []}, {"client": ("2001:db8:1:2:b::2", 5), "headers": []}
    rates.check("write", ANYBODY, one)
    with pytest.raises(TooMany):
        rates.check("write", ANYBODY, same)
    for _ in range(100):
        rates.check("write", ANYBODY, {"client": ("127.0.0.1", 5), "headers": []})
    proxied = Rates(Limits(writes_per_s=0.001, burst_s=1_000.0), is_proxied=True)
    via = {"client": ("127.0.0.1", 5), "headers": [(b"x-forwarded-for", b"6.6.6.6, 192.0.2.9")]}
    proxied.check("write", ANYBODY, via)
    with pytest.raises(TooMany):
        proxied.check("write", ANYBODY, {**via, "headers": [(b"x-forwarded-for", b"7.7.7.7, 192.0.2.9")]})


def test_other_sites_scripts_read_and_write_only_where_the_city_says_so(
    make_context: Callable[..., ApiContext],
) -> None:

    city = msgspec.structs.replace(CITY, limits=Limits(write_origins=("https://app.example",)))
    client = Client(create_api(make_context(city=city)))
    with contextlib.closing(client):
        asked = {"access-control-request-method": "PATCH"}
        everybody = client.request(
            "OPTIONS", "/v1.1/Things(1)", headers={"origin": "https://x.example", **asked}
        ).headers
        app = client.request("OPTIONS", "/v1.1/Things(1)", headers={"origin": "https://app.example", **asked}).headers
        assert (
            everybody["access-control-allow-origin"] == "*" and "PATCH" not in everybody["access-control-allow-methods"]
        )
        assert (
            app["access-control-allow-origin"] == "https://app.example"
            and "PATCH" in app["access-control-allow-methods"]
        )
        assert everybody["vary"] == app["vary"] == "origin"
        assert "access-control-allow-credentials" not in everybody and "access-control-allow-credentials" not in app


def test_a_page_of_another_site_does_not_write_through_a_browser_on_this_machine(
    tmp_path: Any, make_context: Callable[..., ApiContext]
) -> None:
    guard = Guard(RunOptions("test", tmp_path / "city", host="127.0.0.1"))
    client = Client(create_api(make_context(who_of=guard.who_of)))
    with contextlib.closing(client):
        for headers, status in (
            ({"host": "127.0.0.1:8000"}, 201), ({"host": "localhost:8000", "origin": "http://localhost:8000"}, 201),
            ({"host": "127.0.0.1:8000", "origin": "https://evil.example"}, 401), ({"host": "127.0.0.1:8000", "origin": "null"}, 401),
            ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, 401), ({"host": "[::1]:8000"}, 201),
        ):  # fmt: skip
            kind = {"content-type": "text/plain"}  # what a page may send without asking
            response = client.post(
                "/v1.1/Things",
                content=json.dumps({"name": "x"}),
                headers={**headers, "content-type": "application/json"},
            )
            assert response.status_code == status, (headers, response.text)
            assert client.post(
                "/v1.1/Things", content=json.dumps({"name": "x"}), headers={**headers, **kind}
            ).status_code in (201, 401, 415)
    guard.close()
    behind = Guard(RunOptions("test", tmp_path / "city", host="127.0.0.1", public_url="https://dongne.example"))
    assert behind.who_of({"headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1)}) is ANYBODY
    behind.close()
