"""What walking is like now and in the next hours: crowds, darkness and closures become prices, worked out beside the questions."""

from collections.abc import Callable

import numpy as np

from dongne.methods.advised_load import AdvisedLoad
from dongne.methods.crowd_field import CrowdField
from dongne.methods.sun import sun_elevation_deg
from dongne.methods.walk_costs import Fields, darkness_of
from dongne.methods.walk_metrics import AHEAD, SLICE_US, Board, Metrics
from dongne.methods.walk_network import Flags, WalkNetwork
from dongne.model.case_kinds import kind_of
from dongne.model.cases import CaseEvent
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch
from dongne.model.times import from_us
from dongne.services.calm_walk.counters import Counters, find_edges
from dongne.services.calm_walk.later import Later

CLOSURE = "closure"
EVERY_US = 60_000_000  # the fields change by themselves: light, and what was counted for the hour


class Live:
    """The fields of a network as records say them, and the boards of prices made of them."""

    def __init__(self, network: WalkNetwork, graph: ThingGraph) -> None:
        self.network, self.graph = network, graph
        self.counters = Counters(network, graph)
        self._closures: dict[str, int] = {}  # key of an open Case -> Thing
        self.closed: Flags = np.zeros(network.edges, np.bool_)  # edges nobody may walk
        self._crowd = CrowdField(network, self.counters.edges)
        self.load = AdvisedLoad(self._crowd.full_per_h)
        self._now = Metrics(network)
        self._later = Later(self._now)
        self._revision = 0  # counts what came in
        self._known: tuple[tuple[int, int], tuple[list[str], bool]] = ((-1, -1), ([], False))
        self._made: tuple[int, int] = (-1, 0)  # revision and instant of the newest plan
        self._middle = (float(network.node_lon.mean()), float(network.node_lat.mean()))

    # --- what comes in

    def take_batch(self, batch: ObservationBatch) -> None:
        """Counts of people, and forecasts of them."""
        self._revision += self.counters.take(batch)

    def take_graph(self, graph: ThingGraph) -> None:
        """The Thing graph after a change."""
        self.graph = graph
        counters = Counters(self.network, graph)
        counters.keep(self.counters)
        if counters.edges != self.counters.edges:
            self._crowd = CrowdField(self.network, counters.edges)
        self.counters = counters
        self._see_closures()

    def take_case(self, event: CaseEvent) -> None:
        """A closure was opened or is over."""
        if event.kind != CLOSURE:
            return
        if event.state in kind_of(CLOSURE).closed:
            self._closures.pop(event.key, None)
        elif event.thing is not None:
            self._closures[event.key] = event.thing
        self._see_closures()

    def _see_closures(self) -> None:
        self.closed = np.zeros(self.network.edges, np.bool_)
        for thing in self.closed_things:
            if thing in self.graph.things:
                self.closed[find_edges(self.network, self.graph, thing)] = True
        self._revision += 1

    # --- fields

    @property
    def closed_things(self) -> tuple[int, ...]:
        """The Things whose ways are closed."""
        return tuple(sorted(set(self._closures.values())))

    def fields(self, number: int, now_us: int) -> Fields:
        """In the middle of a quarter of an hour, by its number since 1970."""
        middle_us = number * SLICE_US + SLICE_US // 2
        counts, _ = self.counters.counts_at(middle_us)
        darkness = darkness_of(sun_elevation_deg(from_us(middle_us), self._middle))
        crowd = self._crowd.crowd(self._crowd.flow_per_h(counts))
        return Fields(crowd, self.closed, darkness, sent=self.load.everywhere(now_us))

    def known_at(self, time_us: int) -> tuple[list[str], bool]:
        """From where the crowd of this minute is known (see Counter.origin), and whether a forecast says it."""
        minute = self._revision, time_us // EVERY_US
        if self._known[0] != minute:
            counts, is_forecast = self.counters.counts_at(time_us)
            known = np.flatnonzero(~np.isnan(counts)).tolist()
            self._known = minute, (sorted({self.counters.all[number].origin for number in known}), is_forecast)
        return self._known[1]

    # --- boards

    def plan(self, now_us: int) -> Callable[[], None] | None:
        """The work that brings the board up to date; None where it is."""
        number = now_us // SLICE_US
        revision, made_us = self._made
        fresh = revision == self._revision and 0 <= now_us - made_us < EVERY_US and made_us // SLICE_US == number
        if fresh and self._now.board.slices:
            return None
        self._made = self._revision, now_us
        return self._now.plan(number, [self.fields(number + ahead, now_us) for ahead in range(AHEAD)])

    @staticmethod
    def is_soon(depart_us: int, now_us: int) -> bool:
        """Whether the prices that are kept up hold for somebody who sets out then."""
        return depart_us // SLICE_US < now_us // SLICE_US + AHEAD

    def plan_later(self, depart_us: int, now_us: int) -> Callable[[], None] | None:
        """The work without which there is no board for somebody who sets out then, or only one of what was known before; None where there is one."""
        if self.is_soon(depart_us, now_us):
            return None
        missing = self._later.missing(depart_us // SLICE_US, self._revision)
        if not missing:
            return None
        return self._later.plan([(number, self.fields(number, now_us)) for number in missing], self._revision)

    def board(self, depart_us: int, now_us: int) -> Board:
        """The prices for somebody who sets out then: those kept up for now, else those made for the asked quarter of an hour."""
        if self.is_soon(depart_us, now_us):
            if not self._now.board.slices and (plan := self.plan(now_us)) is not None:
                plan()
            return self._now.board
        found = self._later.find(depart_us // SLICE_US)
        while found is None:  # others asked for so many other ones since it was made
            if (work := self.plan_later(depart_us, now_us)) is not None:
                work()
            found = self._later.find(depart_us // SLICE_US)
        return found
