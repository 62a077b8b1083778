"""What memory answers is what history says: the newest, by whatever clients sort, and sets without a condition."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.conftest import CITY, LAMP, Client, StandingClock

from dongne.runtime.intake import Intake
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, create_api

KEYS = ("phenomenonTime", "resultTime", "@iot.id")
TIMES = st.integers(0, 5).map(lambda hour: f"2026-04-30T0{hour}:00:00Z")
SENT = st.tuples(st.sampled_from([1, 2]), TIMES, st.none() | TIMES, st.integers(0, 9))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = EmbeddedStore.open(Path(tmp_path_factory.mktemp("newest")) / "store", StandingClock())
    selector = Selector(store, store.history)
    client = Client(create_api(ApiContext(store, CITY, Intake(store), selector)))
    lamp = {**LAMP, "Datastreams": [{**one, "Observations": []} for one in LAMP["Datastreams"]]}
    for name in ("a", "b", "c", "d"):
        more = [{**one, "name": f"{name} {one['name']}"} for one in lamp["Datastreams"][: "abcd".index(name)]]
        client.create("Things", {**lamp, "name": name, "Datastreams": [*lamp["Datastreams"], *more]})
    yield client
    client.close()
    selector.close()
    store.close()


def ids(client: Client, path: str, **options: str) -> list[int]:
    return [one["@iot.id"] for one in client.json(path, **options)["value"]]


@settings(max_examples=10, deadline=None)
@given(sent=st.lists(SENT, max_size=8), gone=st.integers(0, 3), top=st.integers(1, 4), skip=st.integers(0, 2))
def test_memory_and_history_say_the_same_of_the_newest(
    city: Client, sent: list[tuple[int, str, str | None, int]], gone: int, top: int, skip: int
) -> None:
    everything = ids(city, "Observations", top="1000")
    for number in everything:
        city.request("DELETE", f"/v1.1/Observations({number})")
    for stream, time, result_time, result in sent:
        city.post(
            f"/v1.1/Datastreams({stream})/Observations",
            json={"phenomenonTime": time, "resultTime": result_time, "result": result},
        )
    for number in ids(city, "Observations", top=str(gone), orderby="result,id"):
        city.request("DELETE", f"/v1.1/Observations({number})")
    for key in KEYS:
        order = f"{key} desc"
        everywhere = {"top": str(top), "skip": str(skip), "orderby": order}
        # a condition that all fulfil takes the way through history alone
        assert ids(city, "Observations", **everywhere) == ids(city, "Observations", **everywhere, filter="id gt 0")
        if key == "phenomenonTime":
            continue  # of equal times the last that arrived is the latest; history has the first before it
        inner = f"$top=1;$orderby={order}"
        known, found = (
            city.json("Datastreams", expand=f"Observations({inner}{condition})")
            for condition in ("", ";$filter=id gt 0")
        )
        assert without_links(known) == without_links(found)
        page = {"top": "1", "orderby": order}
        known, found = (
            city.json("Datastreams(1)/Observations", **page, **condition) for condition in ({}, {"filter": "id gt 0"})
        )
        assert without_links(known) == without_links(found)


ORDERS = st.sampled_from(["", "id", "@iot.id desc"])


@settings(max_examples=30, deadline=None)
@given(
    top=st.integers(0, 4), skip=st.integers(0, 3), order=ORDERS, count=st.booleans(),
    way=st.sampled_from([("Things", "Datastreams"), ("Things", "Locations"), ("Datastreams", "Thing")]),
)  # fmt: skip
def test_sets_come_from_memory_as_from_history(
    city: Client, top: int, skip: int, order: str, count: bool, way: tuple[str, str]
) -> None:
    options = {"top": str(top), "skip": str(skip), "count": str(count).lower()} | ({"orderby": order} if order else {})
    inner = ";".join(f"${name}={value}" for name, value in options.items()) if way[1] != "Thing" else "$select=name"
    asked = {**options, "expand": f"{way[1]}({inner})"}
    slow = {**options, "expand": f"{way[1]}({inner};$filter=id gt 0)", "filter": "id gt 0"}
    known, found = without_links(city.json(way[0], **asked)), without_links(city.json(way[0], **slow))
    assert known == found
    if way[1] != "Thing":
        path = f"Things(1)/{way[1]}"
        with_filter = {**options, "filter": "id gt 0"}
        assert without_links(city.json(path, **options)) == without_links(city.json(path, **with_filter))


def without_links(document: object) -> object:
    """The document, of a nextLink only that it is there: it has the options."""
    if isinstance(document, dict):
        return {name: True if name.endswith("nextLink") else without_links(value) for name, value in document.items()}
    return [without_links(one) for one in document] if isinstance(document, list) else document
