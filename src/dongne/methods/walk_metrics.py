"""Prices of a walking network that change while questions are answered: for each profile, and for each quarter of an hour ahead.

Every metric has two engines. `plan` says what has to be worked out for other fields, its work prices and customises the engines nobody asks, and an
assignment puts those of a quarter of an hour in place, the nearest first; those who ask until then get the answers of before. A metric whose costs stay the same is not touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np

from dongne.methods.shortest_paths import Engine, Graph, make_engine
from dongne.methods.walk_costs import Exposures, Fields, Profile, Tariff, blend, exposures, list_profiles
from dongne.methods.walk_network import Flags, Floats, WalkNetwork
from dongne.methods.walk_routes import Router, connected_edges

SLICE_US = 900_000_000
SHARES = (0.0, 0.5, 1.0)  # of all a profile minds, for which routes are looked for
DRAWS = (1,)  # of costs by street, in which other routes are found: see walk_choices
AHEAD = 2  # slices that are kept up: this quarter of an hour and the next


class Slice(NamedTuple):
    """A quarter of an hour: what it is like, and who finds routes, by profile with its weights as `blend` gives it. `columns` are crowd, darkness
    and noise by edge, side by side."""

    fields: Fields
    exposed: Exposures
    routers: Mapping[Profile, Router]
    columns: Floats


class Board(NamedTuple):
    """What is in force: slices one after the other from the quarter of an hour `first` since 1970 on. `connected` are the edges that lead anywhere,
    by profile."""

    first: int
    slices: tuple[Slice, ...]
    connected: Mapping[str, Flags]

    def number_of(self, time_us: int) -> int:
        """Which slice an instant is in, or is nearest to."""
        return min(max(time_us // SLICE_US - self.first, 0), len(self.slices) - 1)

    def slice_of(self, time_us: int) -> Slice:
        """The slice of an instant, or the one that is nearest."""
        return self.slices[self.number_of(time_us)]


@cache
def profiles_of(profile: Profile) -> tuple[Profile, ...]:
    """The profile with its weights at each of SHARES, each once, the whole one last."""
    return tuple(dict.fromkeys(blend(profile, share) for share in SHARES))


@cache
def draws_of(profile: Profile) -> tuple[Profile, ...]:
    """The whole profile with the costs of each of DRAWS."""
    return tuple(msgspec.structs.replace(profiles_of(profile)[-1], draw=draw) for draw in DRAWS)


@cache
def list_companions(profile: Profile, profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
    """The others, with all they mind, who walk as fast and are barred from the same: their routes are open to this profile too."""
    alike = [profiles_of(other)[-1] for other in profiles if blend(other, 0.0) == blend(profile, 0.0)]
    own = profiles_of(profile)
    return tuple(one for one in alike if one not in own)


class Metrics:
    """The metrics of one network. `board` may be read at any time."""

    def __init__(
        self,
        network: WalkNetwork,
        profiles: Sequence[Profile] | None = None,
        make: Callable[[Graph, Sequence[int] | None], Engine] = make_engine,
    ) -> None:
        self.network = network
        self.profiles = tuple(profiles or list_profiles())
        self._tariffs = {
            one: Tariff(network, one)
            for profile in self.profiles
            for one in (*profiles_of(profile), *draws_of(profile))
        }
        self._root = make(Graph(network.tail, network.head, network.node_m), network.order.tolist() or None)
        self._spare: dict[Profile, list[Engine]] = {one: [] for one in self._tariffs}
        self._retired: list[tuple[Profile, Engine]] = []
        self._connected: tuple[Flags | None, Mapping[str, Flags]] = (None, {})  # what was closed then
        self.board = Board(0, (), {})

    def plan(self, first: int, fields: Sequence[Fields]) -> Callable[[], None]:
        """The work that brings the board to these fields, of slices from `first` on. Plan while nobody asks: engines that are out of use by
        now are used again."""
        before = self.board
        retired, self._retired = self._retired, []
        for profile, engine in retired:
            self._spare[profile].append(engine)

        def work() -> None:
            for board in self._work(before, first, fields):
                self.board = board

        return work

    def _work(self, before: Board, first: int, fields: Sequence[Fields]) -> Iterator[Board]:
        """A board with each slice that is done: what is near comes first, with what was known before of what is later."""
        old = {before.first + i: part for i, part in enumerate(before.slices)}
        done: list[Slice] = []
        for i, one in enumerate(fields):
            known = [part for part in (done[-1] if done else None, old.get(first + i)) if part]
            done.append(self._slice(one, known, self._take_engine))
            later = [old[number] for number in range(first + i + 1, first + len(fields)) if number in old]
            yield Board(first, (*done, *later), self.connect(done[0]))
        used = {id(router.engine) for part in done for router in part.routers.values()}
        out = {id(r.engine): (p, r.engine) for part in before.slices for p, r in part.routers.items()}
        self._retired = [kept for number, kept in out.items() if number not in used]

    def make_slice(self, fields: Fields, known: Sequence[Slice]) -> Slice:
        """A slice beside those of the board, in any thread: with engines of its own, and those of `known` ones that were made so."""
        return self._slice(fields, known, lambda _: self._root.twin())

    def _take_engine(self, profile: Profile) -> Engine:
        spare = self._spare[profile]
        return spare.pop() if spare else self._root.twin()

    def _slice(self, fields: Fields, known: Sequence[Slice], take_engine: Callable[[Profile], Engine]) -> Slice:
        """With the routers of known ones where their costs are the same."""
        routers, exposed = {}, exposures(self.network, fields)
        for profile, tariff in self._tariffs.items():
            prices = tariff.price(fields, exposed)
            costs = prices.total
            same = (part.routers[profile] for part in known if np.array_equal(part.routers[profile].costs, costs))
            if (router := next(same, None)) is not None:
                routers[profile] = router
                continue
            engine = take_engine(profile)
            engine.customise(costs)
            routers[profile] = Router(self.network, engine, prices)
        return Slice(fields, exposed, routers, np.stack(exposed[:3], axis=1))

    def connect(self, part: Slice) -> Mapping[str, Flags]:
        """The edges that lead anywhere, by profile; worked out anew where other edges are closed."""
        closed, flags_by_id = self._connected
        if closed is None or not np.array_equal(closed, part.fields.closed):
            alike = {profiles_of(profile)[0]: profile for profile in self.profiles}  # barred from the same
            flags = {one: connected_edges(self.network, part.routers[one].prices) for one in alike}
            flags_by_id = {profile.id: flags[profiles_of(profile)[0]] for profile in self.profiles}
            self._connected = part.fields.closed, flags_by_id
        return flags_by_id
