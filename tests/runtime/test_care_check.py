"""Each sensor that life may depend on is followed to a human; what stands in the way is named."""

from collections.abc import Mapping
from typing import Any

import pytest

from dongne.model.entities import Datastream, Entity, Property, Thing
from dongne.model.graph import ThingGraph
from dongne.runtime.care_check import CareCheck, Gap, Latest, Why

MINUTE_US = 60_000_000
NOW_US = 1_000 * MINUTE_US


def graph(**properties: Any) -> ThingGraph:
    said = {"kind": "home", "gateway": "gw-1", **properties}
    names = ["heartbeat", "smoke", "battery_level", "motion"]
    entities: list[Entity] = [Thing(id=1, name="home", properties=said), Thing(id=2, name="lamp")]
    for number, name in enumerate(names, 1):
        entities += [
            Property(id=number, name=name),
            Datastream(
                id=number, name=name, thing_id=1, sensor_id=1, observed_property_id=number,
                properties={"device": f"{name}-1"},
            ),
        ]  # fmt: skip
    return ThingGraph(entities)


def gaps(
    found: ThingGraph,
    *,
    acts: bool = True,
    ways: tuple[str, ...] = ("119",),
    parked: Mapping[str, str] | None = None,
    quiet_min: int = 1,
    battery_percent: float = 90.0,
) -> list[Gap]:
    latest = {1: Latest(NOW_US - quiet_min * MINUTE_US, 1.0), 3: Latest(NOW_US, battery_percent)}
    check = CareCheck(
        found, lambda home, key: acts, lambda home: parked or {}, lambda home: list(ways), latest.get, NOW_US, 610.0
    )
    return check.list_gaps()


def test_a_home_where_all_is_well_has_no_gap() -> None:
    assert gaps(graph()) == []


@pytest.mark.parametrize(
    ("given", "gap"),
    [
        ({"acts": False}, Gap(1, "gw-1", Why.NO_SERVICE, "smoke-1", "smoke")),
        ({"ways": ()}, Gap(1, "gw-1", Why.NOBODY)),
        ({"parked": {"home_alarm": "record 7"}}, Gap(1, "gw-1", Why.PARKED, detail="home_alarm: record 7")),
        ({"quiet_min": 40}, Gap(1, "gw-1", Why.SILENT, detail="40 min")),
        ({"battery_percent": 9.0}, Gap(1, "gw-1", Why.BATTERY, "battery_level-1", "battery_level", "9 %")),
    ],
)
def test_what_stands_in_the_way_is_named(given: dict[str, Any], gap: Gap) -> None:
    assert gaps(graph(), **given) == [gap]


def test_a_home_without_gateway_and_sensors_is_not_taken_for_a_quiet_one() -> None:
    bare = ThingGraph([Thing(id=1, name="home", properties={"kind": "home"})])
    assert [gap.why for gap in gaps(bare)] == [Why.NO_GATEWAY, Why.NO_SENSOR, Why.NEVER_HEARD]
