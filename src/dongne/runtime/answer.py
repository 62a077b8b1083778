"""An answer: a question over live state. A view rebuilt from records, and a pure function of it and the question."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from dongne.model.cases import CaseEvent
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.records import ObservationBatch

V = TypeVar("V")  # the view: made by `start`, changed by `update`, never stored
Q = TypeVar("Q")  # the question: a frozen dataclass; its fields are the URL, the form and the documentation
A = TypeVar("A")  # the answer: a frozen dataclass

Change = ObservationBatch | ThingGraph | CaseEvent
Layers = Mapping[str, Any]  # what a city has beside its Things, by the names an answer `needs`: "walk_network"


class Sentence(msgspec.Struct, frozen=True):
    """A sentence of an answer by its catalogue key. A value named `<x>_key` is itself a catalogue key: its text fills in `{<x>}`; where
    the text has gaps of its own, they are in `<x>_values`. `names` holds `{name}` by language. `web.telling.tell` does this."""

    key: str
    values: dict[str, Any] = {}


class Answer(Generic[V, Q, A]):
    """Base of an answer. Names its classes: `class WhatsNear(Answer[View, Question, Near])`.

    `reads` limits the Observations that reach `update`; empty means all. `needs` names the layers of the city that `start` gets.
    """

    reads: ClassVar[tuple[ObservedProperty, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()

    def start(self, graph: ThingGraph, layers: Layers) -> V:
        """The view of a city without Observations."""
        raise NotImplementedError

    def update(self, view: V, change: Change) -> None:
        """Take in Observations (a batch of columns), the Thing graph after a change, or a case event."""
        raise NotImplementedError

    def refresh(self, view: V, now_us: int) -> Callable[[], None] | None:
        """What the view wants worked out beside the questions, asked for every second at most and after what came in; None for nothing.

        The work is done while questions are answered: it may look only at what it was made with, and hand over its outcome to the view by a single assignment.
        """
        return None

    def prepare(self, question: Q, view: V, now_us: int) -> Callable[[], None] | None:
        """What has to be worked out before this question can be answered, done while others are answered; None, as mostly, for nothing.

        What holds for the work of `refresh` holds for this too. One is done at a time, then `answer` is asked, also where more came in meanwhile.
        """
        return None

    def answer(self, question: Q, view: V, now_us: int) -> A:
        """The answer at the city's clock `now_us`. Raises BadInput or NotFound with what to ask instead."""
        raise NotImplementedError
