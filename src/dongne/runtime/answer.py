"""An answer: a question over live state. A view rebuilt from records, and a pure function of it and the question."""

from typing import ClassVar, Generic, TypeVar

from dongne.model.cases import CaseEvent
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.records import ObservationBatch

V = TypeVar("V")  # the view: made by `start`, changed by `update`, never stored
Q = TypeVar("Q")  # the question: a frozen dataclass; its fields are the URL, the form and the documentation
A = TypeVar("A")  # the answer: a frozen dataclass

Change = ObservationBatch | ThingGraph | CaseEvent


class Answer(Generic[V, Q, A]):
    """Base of an answer. Names its classes: `class WhatsNear(Answer[View, Question, Near])`.

    `reads` limits the Observations that reach `update`; empty means all.
    """

    reads: ClassVar[tuple[ObservedProperty, ...]] = ()

    def start(self, graph: ThingGraph) -> V:
        """The view of a city without Observations."""
        raise NotImplementedError

    def update(self, view: V, change: Change) -> None:
        """Take in Observations (a batch of columns), the Thing graph after a change, or a case event."""
        raise NotImplementedError

    def answer(self, question: Q, view: V, now_us: int) -> A:
        """The answer at the city's clock `now_us`. Raises BadInput or NotFound with what to ask instead."""
        raise NotImplementedError
