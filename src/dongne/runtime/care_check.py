"""Which sensors that life may depend on have no way to a human, and why.

An alarm that is never raised looks like a quiet home. So each sensor is followed on its way: is it heard, does a service act on it,
is there anybody whom that reaches?
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

import msgspec

from dongne.model.entities import Datastream, Thing
from dongne.model.graph import ThingGraph
from dongne.model.home import HOME, LIFE_SAFETY

HEARTBEAT = "heartbeat"
BATTERY = "battery_level"
LOW_PERCENT = 15.0


class Why(StrEnum):
    """What stands in the way."""

    NO_GATEWAY = "no_gateway"  # the home has none
    NO_SENSOR = "no_sensor"  # the home has no sensor that life may depend on
    NEVER_HEARD = "never_heard"  # the gateway was never heard
    SILENT = "silent"  # nor lately
    BATTERY = "battery"  # the device's is low
    NO_SERVICE = "no_service"  # no service acts on this sensor
    PARKED = "parked"  # the service does not act on this home any more
    NOBODY = "nobody"  # no address of anybody can be reached


class Gap(msgspec.Struct, frozen=True):
    """One thing to mend: at a home, perhaps at one device and property of it."""

    home: int
    gateway: str
    why: Why
    device: str = ""
    property: str = ""
    detail: str = ""


class Latest(msgspec.Struct, frozen=True):
    """The newest value of a Datastream."""

    time_us: int
    value: float


class CareCheck(msgspec.Struct, frozen=True):
    """What is asked about each home: `acts(home, key)` whether a service acts on that property, `parked(home)` why one does not
    any more, `ways(home)` whom an alarm reaches and by what, `latest(datastream)` its newest value."""

    graph: ThingGraph
    acts: Callable[[int, str], bool]
    parked: Callable[[int], Mapping[str, str]]
    ways: Callable[[int], list[str]]
    latest: Callable[[int], Latest | None]
    now_us: int
    silent_s: float

    def list_gaps(self) -> list[Gap]:
        """All of them, by home."""
        homes = [thing for _, thing in sorted(self.graph.things.items()) if thing.kind == HOME]
        return [gap for home in homes for gap in self._of_home(home)]

    def _of_home(self, home: Thing) -> Iterator[Gap]:
        gateway = str(home.properties.get("gateway", ""))
        streams = [(self.graph.property_key(stream), stream) for stream in self.graph.list_datastreams(home.id)]
        sensors = [
            (key, stream) for key, stream in streams if key in LIFE_SAFETY and not stream.properties.get("service")
        ]
        if not gateway:
            yield Gap(home.id, gateway, Why.NO_GATEWAY)
        if not sensors:
            yield Gap(home.id, gateway, Why.NO_SENSOR)
        yield from self._link(home.id, gateway, streams)
        for service, why in sorted(self.parked(home.id).items()):
            yield Gap(home.id, gateway, Why.PARKED, detail=f"{service}: {why}")
        for key, stream in sensors:
            if not self.acts(home.id, key):
                yield Gap(home.id, gateway, Why.NO_SERVICE, str(stream.properties.get("device", "")), key)
        if not self.ways(home.id):
            yield Gap(home.id, gateway, Why.NOBODY)

    def _link(self, home: int, gateway: str, streams: list[tuple[str, Datastream]]) -> Iterator[Gap]:
        heard = [found.time_us for key, stream in streams if key == HEARTBEAT and (found := self.latest(stream.id))]
        if not heard:
            yield Gap(home, gateway, Why.NEVER_HEARD)
        elif (quiet_s := (self.now_us - max(heard)) / 1e6) > self.silent_s:
            yield Gap(home, gateway, Why.SILENT, detail=f"{quiet_s / 60:.0f} min")
        for key, stream in streams:
            if key == BATTERY and (found := self.latest(stream.id)) is not None and found.value < LOW_PERCENT:
                device = str(stream.properties.get("device", ""))
                yield Gap(home, gateway, Why.BATTERY, device, key, f"{found.value:.0f} %")
