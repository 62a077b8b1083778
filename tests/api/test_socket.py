"""Over a real socket: event streams with resume, a slow listener, half a request, a huge body, a third-party client."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from tests.api.conftest import LAMP, NOW, Client, who_has

from dongne.compose.guard import Guard
from dongne.compose.opened import RunOptions
from dongne.model.cases import CaseEvent
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.web.api import ApiContext, append_protocol, create_api
from dongne.web.server import Server as Stoppable


class Server:
    """The app on a port of its own."""

    def __init__(self, context: ApiContext, keep_alive_s: float = 5) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        api = create_api(context)
        config = uvicorn.Config(
            api, http=append_protocol(api), log_level="error", lifespan="off", timeout_graceful_shutdown=1,
            timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]  # seconds, whole or not
        )  # fmt: skip
        self._server = Stoppable(config, stopping=api.events.close)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started)

    def close(self) -> None:
        self._server.stop()
        self._thread.join(10)
        self.socket.close()


def wait_for(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def serve(make_context: Callable[..., ApiContext]) -> Iterator[Callable[..., Server]]:
    opened: list[Server] = []

    def start(**rules: Any) -> Server:
        opened.append(Server(make_context(**rules)))
        return opened[-1]

    yield start
    for server in opened:
        server.close()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    found = serve()
    assert httpx.post(f"{found.url}/v1.1/Things", json=LAMP).status_code == 201
    return found


class Listening:
    """An open event stream: its events as they come."""

    def __init__(self, url: str, last: int | None = None, token: str = "") -> None:
        self.events: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.ended = False
        headers = {} if last is None else {"last-event-id": str(last)}
        if token:
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx.Client(timeout=10)
        self._request = self._client.build_request("GET", url, headers=headers)
        self.response = self._client.send(self._request, stream=True)
        assert self.response.status_code == 200, self.response.read()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_for(lambda: bool(self.comments))

    def _read(self) -> None:
        event: dict[str, Any] = {}
        try:
            for line in self.response.iter_lines():
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    event[name] = json.loads(value) if name == "data" else value
                elif "data" in event:
                    self.events.append(event)
                    event = {}
        except httpx.HTTPError:
            pass
        self.ended = True

    def results(self) -> list[Any]:
        return [event["data"]["result"] for event in self.events]

    def close(self) -> None:
        self.response.close()
        self._client.close()


def send(server: Server, stream: int, result: Any, second: int) -> None:
    sent = {"result": result, "phenomenonTime": f"2026-05-01T11:{second // 60:02}:{second % 60:02}Z"}
    assert httpx.post(f"{server.url}/v1.1/Datastreams({stream})/Observations", json=sent).status_code == 201


def test_observations_are_told_as_they_are_stored_and_a_listener_can_resume(server: Server) -> None:
    first = Listening(f"{server.url}/events/observations")
    for second in range(5):
        send(server, 1, second, second)
    wait_for(lambda: len(first.events) == 5)
    assert first.response.headers["content-type"] == "text/event-stream"
    event = first.events[0]
    assert event["event"] == "observation"
    assert event["data"] == {
        "@iot.id": int(event["id"]), "phenomenonTime": "2026-05-01T11:00:00Z", "result": 0,
        "Datastream": {"@iot.id": 1}, "Thing": {"@iot.id": 1},
    }  # fmt: skip
    first.close()
    group = {
        "Datastream": {"@iot.id": 1},
        "components": ["phenomenonTime", "result"],
        "dataArray": [[f"2026-05-01T11:01:0{n}Z", 10 + n] for n in range(5)],
    }
    assert httpx.post(f"{server.url}/v1.1/CreateObservations", json=[group]).status_code == 201
    inside_the_batch = int(first.events[-1]["id"]) + 2
    again = Listening(f"{server.url}/events/observations", last=inside_the_batch)
    send(server, 1, 99, 200)
    wait_for(lambda: len(again.events) == 4)
    assert again.results() == [12, 13, 14, 99]
    everything = Listening(f"{server.url}/events/observations", last=0)
    wait_for(lambda: len(everything.events) == 13)
    assert everything.results() == [30, 80.5, 0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 99]
    ids = [int(event["id"]) for event in everything.events]
    assert ids == sorted(set(ids))
    again.close()
    everything.close()


def hear_a_while(server: Server, last: int) -> list[dict[str, Any]]:
    """Whole events after this number, until the line breaks in the middle of what comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(b"GET /events/observations HTTP/1.0\r\nhost: x\r\nlast-event-id: %d\r\n\r\n" % last)
        read = b""
        while b"\n\n" not in read.partition(b"\ndata: ")[2]:
            part = line.recv(1_000)
            assert part and b": still here" not in part, read
            read += part
    return [json.loads(data) for data in re.findall(rb"\ndata: ([^\n]*)\n\n", read)]


def test_who_comes_back_while_others_write_hears_each_observation_once(server: Server) -> None:
    times = [f"2026-05-01T10:{second // 60:02}:{second % 60:02}Z" for second in range(160)]
    size = 8
    answers: list[str] = []

    def write() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as sender:
            for first in range(0, len(times), size):
                array = [[time, 50] for time in times[first : first + size]]
                body = {"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": array}
                answers.extend(sender.post("/v1.1/CreateObservations", json=[body]).json())

    heard: list[dict[str, Any]] = []
    breaks = 0
    writer = threading.Thread(target=write)
    writer.start()
    while len(heard) < 2 + len(times):  # two were there before
        heard += hear_a_while(server, heard[-1]["@iot.id"] if heard else 0)
        breaks += 1
    writer.join()
    assert [one["phenomenonTime"] for one in heard[2:]] == times
    assert [one["@iot.id"] for one in heard[2:]] == [int(answer.rpartition("(")[2][:-1]) for answer in answers]
    assert breaks > len(times) // size


def test_a_listener_hears_only_what_it_asked_for(server: Server) -> None:
    lines = {
        chosen: Listening(f"{server.url}/events/observations?{chosen}")
        for chosen in ("datastream=2", "thing=1", "thing=9", "property=light_level", "datastream=1,2&property=anything")
    }
    send(server, 1, 1, 1)
    send(server, 2, 2, 2)
    send(server, 2, 3, 3)
    wait_for(lambda: len(lines["thing=1"].events) == 3 and len(lines["datastream=2"].events) == 2)
    wait_for(lambda: len(lines["property=light_level"].events) == 1)
    wait_for(lambda: lines["datastream=1,2&property=anything"].results() == [2, 3])
    assert not lines["thing=9"].events
    for line in lines.values():
        line.close()
    for wrong in ("datastream=x", "nope=1"):
        assert httpx.get(f"{server.url}/events/observations?{wrong}").status_code == 400
    assert httpx.get(f"{server.url}/events/observations", headers={"last-event-id": "x"}).status_code == 400


def test_cases_are_told_too(server: Server, store: EmbeddedStore) -> None:
    line = Listening(f"{server.url}/events/cases?kind=alert")
    for kind, key in [("work_order", "a"), ("alert", "b")]:
        event = CaseEvent(key=key, kind=kind, action="open", name="test", time=NOW, thing=1, service="bins")
        entry = Entry(RecordKind.CASE, msgspec.msgpack.encode(event))
        store.submit(Transaction((entry,))).result(5)
    wait_for(lambda: len(line.events) == 1)
    (event,) = line.events
    assert event["event"] == "case"
    assert event["data"]["key"] == "b"
    assert event["data"]["state"] == "new"
    assert int(event["id"]) == event["data"]["number"] == store.head()
    resumed = Listening(f"{server.url}/events/cases", last=0)
    wait_for(lambda: len(resumed.events) == 2)
    line.close()
    resumed.close()


def test_a_quiet_stream_is_kept_open(serve: Callable[..., Server]) -> None:
    line = Listening(f"{serve(heartbeat_s=0.05).url}/events/observations")
    wait_for(lambda: line.comments.count(": still here") >= 3)
    line.close()


def test_a_stream_ends_with_its_token_and_others_go_on(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "guarded").mkdir()
    guard = Guard(RunOptions("test", tmp_path / "guarded", host="0.0.0.0"))
    server = serve(heartbeat_s=0.05, who_of=guard.who_of)
    carer = guard.book.issue("carer", "carer", None, None, "care", 1)
    home = {**LAMP, "properties": {"access": "personal"}}
    owner = {"authorization": f"Bearer {guard.token}"}
    assert httpx.post(f"{server.url}/v1.1/Things", json=home, headers=owner).status_code == 201

    def observe(result: int) -> None:
        address = f"{server.url}/v1.1/Datastreams(1)/Observations"
        assert httpx.post(address, json={"result": result}, headers=owner).status_code == 201

    line = Listening(f"{server.url}/events/observations", token=carer)
    admin = Listening(f"{server.url}/events/observations", token=guard.token)
    anybody = Listening(f"{server.url}/events/observations")
    observe(20)
    wait_for(lambda: [event["data"].get("result") for event in line.events] == [20])
    guard.book.revoke("carer", 2)
    wait_for(lambda: line.ended)
    observe(21)
    wait_for(lambda: [event["data"].get("result") for event in admin.events] == [20, 21])
    assert [event["event"] for event in line.events] == ["observation", "closing"]
    assert "token" in line.events[-1]["data"]["message"]
    assert anybody.events == [] and not anybody.ended
    for one in (line, admin, anybody):
        one.close()
    guard.close()


def test_a_slow_listener_is_told_and_dropped_and_nobody_waits_for_it(
    client: Client, lamp: int, store: EmbeddedStore, make_context: Callable[..., ApiContext]
) -> None:
    app = create_api(make_context(event_queue=50))
    heard: list[bytes] = []

    async def scenario() -> None:
        reads, ended = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            await ended.wait()
            return {"type": "http.disconnect"}

        async def slow(message: Any) -> None:
            if len(heard) >= 2:
                await reads.wait()  # as a socket whose buffers are full
            heard.append(message.get("body", b""))

        scope = {"type": "http", "method": "GET", "path": "/events/observations", "query_string": b"", "headers": []}
        line = asyncio.create_task(app(scope, receive, slow))
        while len(heard) < 2:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as others:
            for second in range(60):
                sent = {"result": second, "phenomenonTime": f"2026-05-01T11:00:{second:02}Z"}
                response = await asyncio.wait_for(others.post("/v1.1/Datastreams(1)/Observations", json=sent), 5)
                assert response.status_code == 201
            reads.set()
            await asyncio.wait_for(line, 5)
            assert "dongne_event_streams_dropped_total 1" in (await others.get("/metrics")).text
            assert "dongne_event_streams 0" in (await others.get("/metrics")).text

    asyncio.run(scenario())
    last = heard[-2].decode()
    assert last.startswith("event: dropped\ndata: ")
    said = json.loads(last.partition("data: ")[2])
    assert "Connect again with Last-Event-ID" in said["message"]
    assert said["last"] < store.head()


def test_half_a_request_does_no_harm(server: Server, store: EmbeddedStore) -> None:
    head = store.head()
    for path in (b"/v1.1/Observations", b"/v1.1/CreateObservations", b"/v1.1/Things"):
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b'POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"result": 5, "Datast' % path)
        half.close()
    send(server, 1, 5, 1)
    assert store.head() == head + 1
    assert httpx.get(f"{server.url}/status").json()["observations"]["rejected"] == 0


def test_a_body_of_200_megabytes_is_refused_at_once(server: Server) -> None:
    big = socket.create_connection(("127.0.0.1", server.port))
    big.sendall(b"POST /v1.1/Observations HTTP/1.1\r\nhost: x\r\ncontent-length: 209715200\r\n\r\n" + b" " * 100_000)
    big.settimeout(5)
    answer = b""
    while b"}" not in answer:
        part = big.recv(65_536)
        assert part
        answer += part
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    big.close()


def test_a_stream_without_length_is_cut_off_too(server: Server) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(3_200):
            sent += 1
            yield b" " * 65_536

    try:
        response = httpx.post(f"{server.url}/v1.1/CreateObservations", content=chunks(), timeout=20)
        assert response.status_code == 413
    except httpx.WriteError:
        pass  # the server answered and closed while we were still sending
    assert sent < 3_200
    send(server, 1, 5, 1)


def test_a_listener_that_leaves_is_forgotten(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"GET /events/observations HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200 OK" in line.recv(4_096)
        assert "dongne_event_streams 1" in httpx.get(f"{server.url}/metrics").text
    wait_for(lambda: "dongne_event_streams 0" in httpx.get(f"{server.url}/metrics").text)


def talk(server: Server, sent: bytes, answers: int = 1) -> list[tuple[bytes, bytes]]:
    """The heads and bodies of so many answers to these bytes, on one connection."""
    found = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(sent)
        read = b""
        while len(found) < answers:
            while b"\r\n\r\n" not in read:
                part = line.recv(65_536)
                assert part, found
                read += part
            head, _, read = read.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            while len(read) < length:
                read += line.recv(65_536)
            found.append((head.lower(), read[:length]))
            read = read[length:]
    return found


def request(body: bytes, path: bytes = b"/v1.1/Datastreams(1)/Observations", more: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: city.test\r\n%bcontent-length: %d\r\n\r\n%b" % (path, more, len(body), body)


def a_value(result: int) -> bytes:
    return b'{"phenomenonTime":"2026-05-01T11:00:%02dZ","result":%d}' % (result, result)


def test_requests_sent_in_one_go_are_answered_in_order_whichever_way_they_take(
    server: Server, store: EmbeddedStore
) -> None:
    read = b"GET /v1.1/Things(1)/name HTTP/1.1\r\nhost: city.test\r\n\r\n"
    sent = request(a_value(1)) + read + request(a_value(2)) + request(b"{") + request(a_value(3)) + read
    answers = talk(server, sent, 6)
    assert [head.split()[1] for head, _ in answers] == [b"201", b"200", b"201", b"400", b"201", b"200"]
    head = store.head()
    assert [int(answers[at][0].partition(b"observations(")[2].split(b")")[0]) for at in (0, 2, 4)] == [
        head - 2,
        head - 1,
        head,
    ]


def test_the_quick_way_says_the_same_as_the_long_one(server: Server) -> None:
    longer = b"/v1.1/Datastreams(1)/Observations?"  # takes the long way
    for body, status in [(b'{"result": 101}', b"400"), (b"{", b"400"), (b'{"result": "NaN"}', b"400"), (b"[]", b"400")]:
        quick, long = talk(server, request(body))[0], talk(server, request(body, longer))[0]
        assert quick[0].split()[1] == status
        assert quick[1] == long[1]
        assert set(quick[0].split(b"\r\n")) == {line for line in long[0].split(b"\r\n") if b"date" not in line} | {
            line for line in quick[0].split(b"\r\n") if b"date" in line
        }
    (first,) = talk(server, request(a_value(7)))
    (again,) = talk(server, request(a_value(7)))
    (long_again,) = talk(server, request(a_value(7), longer))
    assert [answer[0].split()[1] for answer in (first, again, long_again)] == [b"201", b"200", b"200"]
    places = {line for head, _ in (first, again, long_again) for line in head.split(b"\r\n") if b"location" in line}
    assert len(places) == 1


def test_a_body_in_pieces_a_closed_line_and_the_end_of_keep_alive(server: Server, store: EmbeddedStore) -> None:
    body = a_value(9)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        sent = request(body, more=b"connection: close\r\n")
        for at in range(0, len(sent), 7):
            line.sendall(sent[at : at + 7])
        answer = b""
        while part := line.recv(4_096):
            answer += part  # until the server closes
    assert answer.startswith(b"HTTP/1.1 201")
    assert b"connection: close" in answer
    chunked = b"POST /v1.1/Observations HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    whole = b'{"result":3,"phenomenonTime":"2026-05-01T11:30:00Z","Datastream":{"@iot.id":1}}'
    parts = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (whole[:10], whole[10:])) + b"0\r\n\r\n"
    assert talk(server, chunked + parts)[0][0].startswith(b"http/1.1 201")
    head = store.head()
    gone = socket.create_connection(("127.0.0.1", server.port))
    gone.sendall(request(a_value(11)))
    gone.close()  # before the answer; the Observation may be stored all the same
    wait_for(lambda: store.head() == head + 1)
    send(server, 1, 5, 700)


def test_the_quick_way_asks_for_the_token_too(serve: Callable[..., Server]) -> None:
    server = serve(who_of=who_has("letmein"))
    assert talk(server, request(a_value(1)))[0][0].startswith(b"http/1.1 401")
    assert talk(server, request(a_value(1), more=b"authorization: Bearer letmein\r\n"))[0][0].startswith(
        b"http/1.1 404"
    )


def test_many_at_once_are_all_stored_once_and_told_their_own_number(server: Server, store: EmbeddedStore) -> None:
    head = store.head()
    found: dict[int, int] = {}

    def work(worker: int) -> None:
        with httpx.Client() as client:
            for n in range(60):
                value = worker * 100 + n
                sent = {"result": value, "phenomenonTime": f"2026-05-01T11:{worker:02}:{n:02}Z"}
                response = client.post(f"{server.url}/v1.1/Datastreams(2)/Observations", json=sent)
                assert response.status_code == 201
                found[int(response.headers["location"].rpartition("(")[2].rstrip(")"))] = value

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(30)
    assert sorted(found) == list(range(head + 1, head + 481))
    with httpx.Client() as client:
        stored = client.get(f"{server.url}/v1.1/Datastreams(2)/Observations?$top=1000").json()["value"]
    assert {one["@iot.id"]: one["result"] for one in stored} == found


def test_a_line_that_stays_silent_is_closed_and_a_busy_one_is_not(make_context: Callable[..., ApiContext]) -> None:
    server = Server(make_context(), keep_alive_s=0.2)
    try:
        assert httpx.post(f"{server.url}/v1.1/Things", json=LAMP).status_code == 201
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
            for second in range(8):
                line.sendall(request(a_value(second)))
                assert line.recv(4_096).startswith(b"HTTP/1.1 201")
                threading.Event().wait(0.05)
            began_s = time.monotonic()
            assert line.recv(4_096) == b""
            assert 0.1 < time.monotonic() - began_s < 3
    finally:
        server.close()
