"""The prices of later quarters of an hour, made when somebody asks for one and kept for the next who does."""

from collections.abc import Callable, Sequence

from dongne.methods.walk_costs import Fields
from dongne.methods.walk_metrics import AHEAD, Board, Metrics, Slice

MOST_SLICES = 6  # that are kept: those asked for last


class Later:
    """Boards beside the one in force. Their engines are made once and never changed."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # By number, with the revision of what was known; the one asked for last at the end.
        self._slices: dict[int, tuple[int, Slice]] = {}

    def missing(self, number: int, revision: int) -> list[int]:
        """The numbers of the slices of a board that are not there as of this revision."""
        kept = self._slices
        return [one for one in range(number, number + AHEAD) if one not in kept or kept[one][0] != revision]

    def plan(self, fields: Sequence[tuple[int, Fields]], revision: int) -> Callable[[], None]:
        """The work that makes slices of these numbers; nothing of it is seen before it is done."""

        def work() -> None:
            slices = dict(self._slices)
            for number, one in fields:
                slices.pop(number, None)
                slices[number] = revision, self._metrics.make_slice(one, [part for _, part in slices.values()])
            self._slices = dict(list(slices.items())[-MOST_SLICES:])

        return work

    def find(self, number: int) -> Board | None:
        """The board that begins with a quarter of an hour, as it was made last; None where there is none."""
        found = [self._slices.get(one) for one in range(number, number + AHEAD)]
        slices = tuple(part for kept in found if kept is not None for part in kept[1:])
        if len(slices) < AHEAD:
            return None
        return Board(number, slices, self._metrics.connect(slices[0]))
