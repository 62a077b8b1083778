"""Whose homes somebody may see: the one place which decides that, for every page."""

from dongne.model.access import Sight
from dongne.model.home import HOME
from dongne.model.who import BENCH, Right, Who
from dongne.runtime.ports import Store


class HomesSight:
    """Over a homes' store. Carers and administrators see all homes. On an open bench, where whoever comes may do everything and
    sees open data, homes that are simulated are seen too: nobody lives there. All others see none."""

    def __init__(self, store: Store) -> None:
        self._graph = store.graph
        self._known: tuple[int, frozenset[int]] = (-1, frozenset())

    def find(self, who: Who) -> Sight | None:
        """What of the homes' store this one may see; None where that is nothing."""
        if who.sight.is_all and who.may(Right.CASE):
            return who.sight
        if who == BENCH and (simulated := self._simulated()):
            return Sight(things=simulated)
        return None

    def _simulated(self) -> frozenset[int]:
        revision, found = self._known
        if revision != self._graph.revision:
            revision = self._graph.revision
            found = frozenset(
                thing.id
                for thing in list(self._graph.things.values())
                if thing.kind == HOME and thing.properties.get("simulated") is True
            )
            self._known = (revision, found)
        return found
