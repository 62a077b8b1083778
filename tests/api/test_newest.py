"""The newest first, by whatever clients sort: what memory answers is what history says."""

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
    client.create("Things", lamp)
    yield client
    client.close()
    selector.close()
    store.close()


def ids(client: Client, path: str, **options: str) -> list[int]:
    return [one["@iot.id"] for one in client.json(path, **options)["value"]]


def without_links(entity: dict[str, Any]) -> dict[str, Any]:
    """As it stands in an expansion."""
    return {name: value for name, value in entity.items() if not name.endswith("@iot.navigationLink")}


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
        expanded = city.json("Datastreams", expand=f"Observations($top=1;$orderby={order})", orderby="id")["value"]
        for stream in expanded:
            path = f"Datastreams({stream['@iot.id']})/Observations"
            slow = city.json(path, top="1", orderby=order, filter="id gt 0")
            quick = city.json(path, top="1", orderby=order)
            assert quick["value"] == slow["value"]
            assert stream["Observations"] == [without_links(one) for one in slow["value"]]
            assert ("@iot.nextLink" in slow) == ("Observations@iot.nextLink" in stream)
