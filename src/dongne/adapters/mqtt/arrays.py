"""Data arrays that come over MQTT: which of their rows are to be stored, and who may send them."""

import numpy as np

from dongne.adapters.mqtt.known import Known
from dongne.adapters.mqtt.parcels import Decoder
from dongne.model.errors import DongneError
from dongne.model.graph import ThingGraph
from dongne.model.who import Who
from dongne.runtime.intake import Checked, Intake, check_sender
from dongne.runtime.ledger import Way
from dongne.standards.sensorthings.observations import ArrayRows


class ArrayReader:
    """Reads the data arrays of a Reception, in its thread."""

    def __init__(self, graph: ThingGraph, decoder: Decoder, known: Known, intake: Intake, way: Way) -> None:
        self._graph, self._decoder, self._known, self._intake, self._way = graph, decoder, known, intake, way

    def read(self, body: bytes, who: Who | None, *, again: bool) -> tuple[Checked, int]:
        """The rows, checked and counted, and how many were stored before; `again`: it may have come before. `who` is None
        where nobody has to ask. Raises BadInput."""
        rows = self._decoder.data_array(body)
        if who is not None:
            self._refuse_foreign(rows, who)
        known = self._known_rows(rows) if again else []
        checked = self._check(rows, known)
        return checked, len(known) + len(checked.duplicates)

    def _refuse_foreign(self, rows: ArrayRows, who: Who) -> None:
        for stream in np.unique(rows.datastream).tolist():
            try:
                check_sender(self._graph, who, stream)
            except DongneError as error:
                rows.errors.update(dict.fromkeys(np.flatnonzero(rows.datastream == stream).tolist(), error.message))

    def _known_rows(self, rows: ArrayRows) -> list[int]:
        there = self._graph.datastreams
        found = zip(rows.datastream.tolist(), rows.time_us.tolist(), rows.result.tolist(), strict=True)
        return [
            at
            for at, (stream, time_us, result) in enumerate(found)
            if stream in there and at not in rows.errors and self._known.holds(stream, time_us, result)
        ]

    def _check(self, rows: ArrayRows, known: list[int]) -> Checked:
        if not known:
            return self._intake.check_rows(rows, self._way)
        kept = np.delete(np.arange(len(rows)), known)
        places = {row: at for at, row in enumerate(kept.tolist())}
        checked = self._intake.check_rows(
            ArrayRows(
                rows.datastream[kept],
                rows.time_us[kept],
                rows.result[kept],
                {places[row]: extra for row, extra in rows.extras.items() if row in places},
                {places[row]: text for row, text in rows.errors.items()},
            ),
            self._way,
        )
        for _ in known:
            self._way.count_duplicate()
        errors = {int(kept[row]): text for row, text in checked.errors.items()} | dict.fromkeys(known, "stored before")
        return Checked(
            checked.batch, kept[checked.rows], {int(kept[r]): n for r, n in checked.duplicates.items()}, errors
        )
