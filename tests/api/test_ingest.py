"""Taking Observations in: what is stored, what is turned away with which words, and that the ledger adds up."""

from typing import Any

import pytest
from tests.api.conftest import Client, StandingClock, who_has

from dongne.model.errors import RetryLater
from dongne.runtime.intake import Intake
from dongne.stores.embedded import EmbeddedStore
from dongne.web.api import create_api

NOON = "2026-05-01T12:00:00Z"


def ledger(client: Client) -> dict[str, float]:
    """The ledger, after checking that it adds up."""
    found: dict[str, float] = client.get("/status").json()["observations"]
    assert found["received"] == found["stored"] + found["duplicate"] + found["rejected"]
    return found


def observation(result: Any, time: str = NOON, stream: int = 1) -> dict[str, Any]:
    return {"phenomenonTime": time, "result": result, "Datastream": {"@iot.id": stream}}


def test_an_observation_gets_the_number_of_its_record_and_can_be_read_at_once(
    client: Client, lamp: int, store: EmbeddedStore
) -> None:
    for path, sent in [("Observations", observation(44)), ("Datastreams(1)/Observations", {"result": 45})]:
        response = client.post(f"/v1.1/{path}", json=sent)
        assert (response.status_code, response.content) == (201, b"")
        assert response.headers["location"] == f"http://city.test/v1.1/Observations({store.head()})"
    found = client.json("Datastreams(1)/Observations", orderby="id desc")["value"]
    assert [one["result"] for one in found] == [45, 44, 80.5, 30]
    assert found[0]["phenomenonTime"] == NOON  # none was sent: it is the city's now


def test_the_same_again_is_there_already(client: Client, lamp: int, store: EmbeddedStore) -> None:
    first = client.post("/v1.1/Observations", json=observation(44))
    again = client.post("/v1.1/Observations", json=observation(44))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    another = client.post("/v1.1/Observations", json=observation(45))
    assert another.status_code == 201
    group = {"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": [[NOON, 45]]}
    assert client.post("/v1.1/CreateObservations", json=[group]).json() == [another.headers["location"]]
    assert ledger(client)["duplicate"] == 2


def test_a_data_array_whose_answer_was_lost_is_not_stored_again(client: Client, lamp: int) -> None:
    def sent(*minutes: int) -> list[str]:
        rows = [[f"2026-05-01T11:{minute:02}:00Z", minute] for minute in minutes]
        group = {"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": rows}
        found: list[str] = client.post("/v1.1/CreateObservations", json=[group]).json()
        return found

    first = sent(10, 11, 12, 13)
    assert sent(10, 11, 12, 13) == first
    more = sent(9, 12, 13)  # 9 was not there, the others were
    assert more[1:] == first[2:] and more[0] not in first
    counted = ledger(client)
    assert (counted["stored"], counted["duplicate"]) == (7, 6)  # with the two of the deep insert


WRONG = [
    (observation(101), 400, "out_of_range", "result 101 is outside 0..100 % of 'light_level'"),
    (observation("NaN"), 400, "not_finite", "'NaN' is no value; leave the Observation out"),
    (observation("-Infinity", stream=2), 400, "not_finite", "is no value"),
    (observation("bright"), 400, "not_a_number", "'bright' is not a number; 'light_level' is measured in %"),
    (observation(None), 400, "not_a_number", "is not a number"),
    (observation(5, stream=99), 400, "unknown_datastream", "there is no Datastream 99; create it first"),
    (observation(5, stream=2**40), 400, "unknown_datastream", "there is no Datastream 1099511627776"),
    (observation(5, "2026-05-02T12:00:01Z"), 400, "future", "more than 24 h ahead of the city's clock (2026-05-01T12:00:00Z)"),
    (observation(5, "yesterday"), 400, "time", "'yesterday' is not an instant"),
    (observation(5, "2026-05-01T12:00:00"), 400, "time", "has no time zone; add Z"),
    (observation(5, "2026-05-01T12:00:00Z/2026-05-01T11:00:00Z"), 400, "time", "ends before it starts"),
    ({"phenomenonTime": NOON, "Datastream": {"@iot.id": 1}}, 400, "missing", "needs 'result'"),
    ({"result": 5}, 400, "missing", "names no Datastream"),
    ({"result": 5, "Datastream": {"@iot.id": "1"}}, 400, "json", "Expected `int`, got `str`"),
    ({"result": 5, "Datastream": {"@iot.id": 1}, "FeatureOfInterest": {"@iot.id": 9}}, 400, "unknown_feature", "no FeatureOfInterest 9"),
    ([], 400, "json", "Expected `object`, got `array`"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code", "reason", "says"), WRONG)
def test_what_cannot_be_is_refused_and_counted_by_reason(
    client: Client, lamp: int, store: EmbeddedStore, sent: Any, code: int, reason: str, says: str
) -> None:
    head = store.head()
    response = client.post("/v1.1/Observations", json=sent)
    assert response.status_code == code, response.text
    assert response.json()["code"] == code
    assert says in response.json()["message"]
    assert store.head() == head
    assert ledger(client)[f"rejected.{reason}"] == 1
    assert f'dongne_rejected_total{{way="single",reason="{reason}"}} 1' in client.get("/metrics").text


def test_numbers_that_json_has_not_are_refused(client: Client, lamp: int) -> None:
    for text in (b"NaN", b"Infinity", b"1e999", b"1" * 5000):
        response = client.post("/v1.1/Datastreams(1)/Observations", content=b'{"result": %b}' % text)
        assert response.status_code == 400, response.text
    assert client.post("/v1.1/Datastreams(77)/Observations", json={"result": 1}).status_code == 404


def test_of_a_data_array_the_good_rows_are_stored_and_the_others_named(client: Client, lamp: int) -> None:
    def group(stream: int, *rows: list[Any]) -> dict[str, Any]:
        return {"Datastream": {"@iot.id": stream}, "components": ["phenomenonTime", "result"], "dataArray": list(rows)}

    body = [
        group(1, [NOON, 1], [NOON, 101], ["soon", 1], ["2026-06-01T00:00:00Z", 1]),
        group(99, [NOON, 1]),
        group(2, [f"{NOON}/2026-05-01T13:00:00Z", 7]),
    ]
    response = client.post("/v1.1/CreateObservations", json=body)
    assert response.status_code == 201
    first, high, soon, late, unknown, interval = response.json()
    assert client.get(first).json()["result"] == 1
    assert high.startswith("error: Datastream 1: result 101 is outside 0..100")
    assert soon.startswith("error: 'soon' is not an instant")
    assert late.startswith("error: phenomenonTime 2026-06-01T00:00:00Z is more than 24 h ahead")
    assert unknown == "error: there is no Datastream 99; create it first or send the id of one that is there"
    assert client.get(interval).json()["phenomenonTime"] == f"{NOON}/2026-05-01T13:00:00Z"
    counted = ledger(client)
    assert (counted["stored"], counted["rejected"]) == (4, 4)  # with the two of the deep insert


def test_a_data_array_may_have_all_components_in_any_order(client: Client, lamp: int) -> None:
    components = ["result", "resultTime", "phenomenonTime", "parameters", "validTime", "resultQuality", "id"]
    rows = [
        ["wet", NOON, "2026-05-01T11:00:00Z", {"a": 1}, "2026-05-01T00:00:00Z/2026-05-02T00:00:00Z", "good", 5],
        [1.5, None, None, None, None, None, None],
        [1.5, None],
        [1.5, 5, None, None, None, None, None],
    ]
    body = [{"Datastream": {"@iot.id": 2}, "components": components, "dataArray": rows, "dataArray@iot.count": 4}]
    wet, plain, short, wrong = client.post("/v1.1/CreateObservations", json=body).json()
    found = client.get(wet).json()
    assert [found[name] for name in components[:6]] == rows[0][:6]
    assert client.get(plain).json()["phenomenonTime"] == NOON
    assert short == "error: $[0].dataArray[2]: expected a list of 7 values, one for each component"
    assert "Expected `str | null`, got `int`" in wrong
    assert client.json("Observations", filter="validTime lt 2026-05-03T00:00:00Z and resultQuality eq 'good'")[
        "value"
    ] == [found]


def test_a_whole_array_without_a_place_to_go_is_refused(client: Client, lamp: int) -> None:
    for body, says in [
        ([{"components": ["result"], "dataArray": [[1]]}], '"Datastream": {"@iot.id": n}'),
        ([{"Datastream": {"@iot.id": 1}, "components": ["nope", "result"], "dataArray": [[1, 2]]}], "unknown 'nope'"),
        ([{"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime"], "dataArray": []}], "'result' among them"),
        (5, "expected a list"),
    ]:
        response = client.post("/v1.1/CreateObservations", json=body)
        assert response.status_code == 400
        assert says in response.json()["message"]


def test_a_long_array_is_stored_in_order_and_whole(client: Client, lamp: int, store: EmbeddedStore) -> None:
    rows = [[f"2026-04-01T{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}Z", i] for i in range(12_345)]
    body = [{"Datastream": {"@iot.id": 2}, "components": ["phenomenonTime", "result"], "dataArray": rows}]
    links = client.post("/v1.1/CreateObservations", json=body).json()
    assert len(set(links)) == len(rows)
    assert client.get(links[12_344]).json()["result"] == 12_344
    assert client.json("Datastreams(2)/Observations", count="true", top="0")["@iot.count"] == len(rows)
    ledger(client)


def test_a_range_is_that_of_the_property_in_the_unit_of_the_datastream(client: Client, lamp: int) -> None:
    def stream(observed: dict[str, Any], symbol: str | None) -> int:
        return client.create(
            "Datastreams",
            {
                "name": "x",
                "Thing": {"@iot.id": lamp},
                "Sensor": {"@iot.id": 1},
                "unitOfMeasurement": {"name": symbol, "symbol": symbol, "definition": None},
                "ObservedProperty": {"definition": "https://example.org", **observed},
            },
        )

    own = stream({"name": "depth", "properties": {"unit": "m", "low": 0, "high": 2}}, "cm")
    shared = stream({"name": "temperature"}, "[degF]")
    other = stream({"name": "temperature"}, "kg")
    for where, value, code in [
        (own, 199, 201),
        (own, 201, 400),
        (shared, 139, 201),
        (shared, 141, 400),
        (other, 9e9, 201),
    ]:
        sent = {"result": value}
        assert client.post(f"/v1.1/Datastreams({where})/Observations", json=sent).status_code == code, (where, value)


def test_without_a_token_nothing_is_written(make_context: Any) -> None:
    guarded = Client(create_api(make_context(who_of=who_has("letmein"))))
    try:
        for path in ("Things", "Observations", "CreateObservations", "Datastreams(1)/Observations"):
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Digest letmein"}):
                response = guarded.post(f"/v1.1/{path}", json={}, headers=headers)
                assert response.status_code == 401
                assert "needs a token" in response.json()["message"]
        good = {"authorization": "Bearer letmein"}
        assert guarded.post("/v1.1/Things", json={"name": "x"}, headers=good).status_code == 201
    finally:
        guarded.close()


class FullStore:
    """A store whose queue is full."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open_door(self, on_commit: Any) -> Any:
        return self

    def append(self, *values: Any) -> None:
        raise RetryLater("200000 Observations wait to be stored; send it again in a second", reason="queue_full")

    def submit_soon(self, *values: Any) -> None:
        self.append()


def test_a_full_queue_says_come_back_later_and_the_ledger_knows(
    store: EmbeddedStore, client: Client, lamp: int, make_context: Any
) -> None:
    full = FullStore(store)
    intake = Intake(store)
    busy = Client(create_api(make_context(store=full, intake=intake)))
    try:
        group = {
            "Datastream": {"@iot.id": 1},
            "components": ["phenomenonTime", "result"],
            "dataArray": [[NOON, 1], [NOON, 2]],
        }
        for path, body in (("Observations", observation(5)), ("CreateObservations", [group])):
            response = busy.post(f"/v1.1/{path}", json=body)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            assert "send it again" in response.json()["message"]
    finally:
        busy.close()
    counts = intake.counts()
    assert (counts["received"], counts["stored"], counts["rejected.queue_full"]) == (3, 0, 3)


def test_a_body_that_is_too_long_is_refused_before_it_is_read(make_context: Any) -> None:
    small = Client(create_api(make_context(max_body_bytes=1_000)))
    try:
        read = 0

        async def endless() -> Any:
            nonlocal read
            while True:
                read += 500
                yield b" " * 500

        for content in (b"x" * 1_001, endless()):
            response = small.post("/v1.1/Things", content=content)
            assert response.status_code == 413
            assert "send it in several requests" in response.json()["message"]
    finally:
        small.close()


def test_the_clock_moves_what_is_future(client: Client, lamp: int, clock: StandingClock) -> None:
    tomorrow = observation(5, "2026-05-02T13:00:00Z")
    assert client.post("/v1.1/Observations", json=tomorrow).status_code == 400
    clock.now = clock.now.replace(hour=14)
    assert client.post("/v1.1/Observations", json=tomorrow).status_code == 201
