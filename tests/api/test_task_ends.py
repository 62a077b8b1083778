"""Tasks that end by themselves: confirmed by an Observation, or expired."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.api.conftest import Client, StandingClock
from tests.api.test_tasking import capability, send

from dongne.runtime.confirming import Confirmer
from dongne.stores.embedded import EmbeddedStore


@pytest.fixture
def settle(store: EmbeddedStore) -> Callable[[], None]:
    confirmer = Confirmer(store)

    def run() -> None:
        while confirmer.step():
            pass

    return run


def observe(client: Client, clock: StandingClock, value: float, after_s: float) -> None:
    time = clock.now + timedelta(seconds=after_s)
    client.create("Datastreams(1)/Observations", {"result": value, "phenomenonTime": time.isoformat()})


def state(client: Client, number: int) -> Any:
    return client.json(f"Tasks({number})")["state"]


def test_an_observation_of_what_was_asked_for_makes_it_done(
    client: Client, lamp: int, clock: StandingClock, settle: Callable[[], None]
) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(confirmed_by=1, tolerance=0.5))
    number = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 40}})
    observe(client, clock, 40, -1)  # before it was asked for
    observe(client, clock, 41, 1)
    settle()
    assert state(client, number) == "created"
    observe(client, clock, 40.4, 2)
    settle()
    found = client.json(f"Tasks({number})")
    assert found["state"] == "done"
    assert found["properties"]["changedBy"] == "tasking"
    assert client.json("Tasks", filter="state eq 'done'", count="true")["@iot.count"] == 1


def test_a_task_expires_at_its_time_and_not_before(
    client: Client, lamp: int, clock: StandingClock, settle: Callable[[], None]
) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(confirmed_by=1, expires_s=60))
    number = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 40}})
    clock.now += timedelta(seconds=59)
    settle()
    assert state(client, number) == "created"
    clock.now += timedelta(seconds=11)
    settle()
    found = client.json(f"Tasks({number})")
    assert found["state"] == "expired"
    assert client.json("Tasks", filter=f"stateTime eq {found['stateTime']}", count="true")["@iot.count"] == 1
    observe(client, clock, 40, 1)
    settle()
    assert state(client, number) == "expired"


def test_after_a_restart_it_goes_on_where_it_was(
    client: Client, lamp: int, clock: StandingClock, store: EmbeddedStore
) -> None:
    made = client.create(f"Things({lamp})/TaskingCapabilities", capability(confirmed_by=1))
    number = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 40}})
    other = client.create(f"TaskingCapabilities({made})/Tasks", {"taskingParameters": {"level": 41}})
    observe(client, clock, 40, 1)  # while nobody follows
    first = Confirmer(store)
    while first.step():
        pass
    assert (state(client, number), state(client, other)) == ("done", "created")
    head = store.head()
    again = Confirmer(store)
    while again.step():
        pass
    assert store.head() == head
    assert send(client, made, level=9).status_code == 201
