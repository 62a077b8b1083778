"""The city as one who asks may see it: what is hidden is as if it were not there. Pages read nothing else."""

from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.access import Sight, Veil
from dongne.model.cases import Case, CaseEvent
from dongne.model.entities import EntityType
from dongne.model.errors import NotFound
from dongne.model.records import decode_batch
from dongne.model.tasks import Task
from dongne.runtime.ports import CaseFilter, Clock, Store

LAST_ID = 2**63 - 1
SLICE = 500  # Cases read at once, where some of them may be hidden


class SeenCity:
    """What a sight reaches of a store; its `graph` is of the moment in which it was made. `only_things`: of Cases, only those at
    the Things that the sight names."""

    def __init__(self, store: Store, veil: Veil, sight: Sight, *, only_things: bool = False) -> None:
        self._store, self._veil, self.sight, self._only_things = store, veil, sight, only_things
        self.revision = store.graph.revision
        self.graph = veil.graph(sight)

    @property
    def hidden_things(self) -> frozenset[int]:
        """The ids of what is not in `graph`."""
        return self._veil.hidden(self.sight).of(EntityType.THING)

    @property
    def clock(self) -> Clock:
        """The city's clock."""
        return self._store.clock

    def latest_of(
        self, datastreams: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """See Store; number 0 and NaN for what is hidden."""
        numbers, times, results = self._store.latest_of(datastreams)
        seen = np.array([self.graph.find_stream(i) is not None for i in datastreams.tolist()], bool)
        return np.where(seen, numbers, 0), np.where(seen, times, 0), np.where(seen, results, np.nan)

    def find_parameters(self, number: int) -> dict[str, Any]:
        """What the Observation of this number says beside its result; empty where nothing, and where it is hidden or gone."""
        try:
            record, row = self._store.get_observation(number)
        except NotFound:
            return {}
        batch = decode_batch(record.body, record.count)
        if self.graph.find_stream(int(batch.datastream[row])) is None:
            return {}
        extra = batch.extras.get(row)
        return (extra.parameters if extra else None) or {}

    def series(self, datastream: int, start: datetime, end: datetime) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """See Store; empty for what is hidden."""
        if self.graph.find_stream(datastream) is None:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        return self._store.series(datastream, start, end)

    def list_cases(self, which: CaseFilter) -> list[Case]:
        """Newest first."""
        if self.sight.is_all:
            return self._store.list_cases(which)
        found: list[Case] = []
        wanted = which.skip + which.limit  # of those that may be seen
        part = msgspec.structs.replace(which, limit=max(SLICE, which.limit), skip=0)
        while len(found) < wanted:
            cases = self._store.list_cases(part)
            found += [case for case in cases if self._sees(case)]
            if len(cases) < part.limit:
                break
            if which.urgent_first:
                part = msgspec.structs.replace(part, skip=part.skip + len(cases))
            else:
                part = msgspec.structs.replace(part, before_id=cases[-1].id)
        return found[which.skip : wanted]

    def find_case(self, key: str) -> Case | None:
        """By its lasting identity; None where there is none that may be seen."""
        case = self._store.find_case(key)
        return case if case is not None and self._sees(case) else None

    def get_case(self, case_id: int) -> Case:
        """Raises NotFound."""
        case = self._store.get_case(case_id) if case_id <= LAST_ID else None
        if case is None or not self._sees(case):
            raise NotFound(f"there is no case {case_id}")
        return case

    def list_case_events(self, case_id: int) -> list[tuple[int, CaseEvent, str]]:
        """Number, event and chained hash, oldest first. Raises NotFound."""
        self.get_case(case_id)
        return self._store.list_case_events(
            case_id
        )  # as they were hashed; what they link to is for the page to look up

    def list_tasks(self, thing: int, limit: int) -> list[Task]:
        """Those of a Thing, newest first."""
        return self._store.list_tasks(thing=thing, limit=limit) if thing in self.graph.things else []

    def _sees(self, case: Case) -> bool:
        if self._only_things and case.thing not in self.sight.things:
            return False
        return self._veil.sees_case_of(self.sight, case.thing, case.access)
