"""What a message says, ready for the store; and what its sender is told."""

from math import isfinite
from typing import Any

import msgspec

from dongne.adapters.mqtt.wire import Message
from dongne.model.errors import BadInput, DongneError, TooLarge
from dongne.model.records import ObservationBatch
from dongne.runtime.intake import Checked
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.observations import (
    ArrayRows,
    ObservationRow,
    decode_data_array,
    decode_observation,
    row_of,
)

SLICE_ROWS = 5_000  # of a data array in one Transaction: what is more urgent goes between
_LONGEST_NUMBER = 40
_NO_PARTS: dict[int, ObservationBatch] = {}


class Parcel:
    """A message on its way: stored, then acknowledged to the connection it came by.

    `mid` is 0 for QoS 0. Of a single Observation `row` is set; of a data array `parts` are the slices which are not yet
    stored, by the place of their first row among the good ones. `out` counts slices which are with the store.
    """

    __slots__ = (
        "answer_to", "checked", "connection", "correlation", "is_task", "mid", "numbers", "out", "parts", "row", "size", "topic",
        "tries", "trouble",
    )  # fmt: skip

    def __init__(self, connection: Any, message: Message, size: int) -> None:
        self.connection, self.mid, self.topic, self.size = connection, message.mid, message.topic, size
        self.answer_to, self.correlation = message.answer_to, message.correlation
        self.is_task = False
        self.row: ObservationRow | None = None
        self.checked: Checked | None = None
        self.parts: dict[int, ObservationBatch] = _NO_PARTS
        self.numbers: dict[int, int] = {}  # of each stored slice the number of its first row
        self.out = self.tries = 0
        self.trouble: Exception | None = None  # why a slice could not be stored just now

    @property
    def rows(self) -> int:
        """Observations not yet stored."""
        if self.is_task:
            return 0
        return sum(map(len, self.parts.values())) if self.parts else 1


class Decoder:
    """Reads payloads. Raises BadInput with the reason under which it is counted."""

    def __init__(self, store: Store, max_body_bytes: int) -> None:
        self._graph, self._clock, self._max_body_bytes = store.graph, store.clock, max_body_bytes

    def check_size(self, body: bytes) -> None:
        """Raises TooLarge."""
        if len(body) > self._max_body_bytes:
            raise TooLarge(
                f"the message has {len(body)} bytes, at most {self._max_body_bytes} are taken; send a data array in parts",
                reason="too_large",
            )

    def number(self, body: bytes, datastream: int, retained: bool) -> ObservationRow:
        """The short form: a bare number, measured now."""
        if retained:
            raise _retained()
        text = body.strip()
        try:
            if not 0 < len(text) <= _LONGEST_NUMBER or b"_" in text:
                raise ValueError
            result = float(text)
            if not isfinite(result):
                raise ValueError
        except ValueError:
            raise BadInput(
                f"{body[:_LONGEST_NUMBER].decode(errors='replace')!r} is not a number; send one like 21.5",
                reason="number",
            ) from None
        return ObservationRow(datastream, self._clock.now_us(), result)

    def observation(self, body: bytes, datastream: int | None, retained: bool) -> ObservationRow:
        """A single Observation as JSON."""
        sent = decode_observation(body)
        if datastream is None:
            if sent.datastream is None:
                raise BadInput(
                    'the Observation names no Datastream; add "Datastream": {"@iot.id": n} or publish it to '
                    "Datastreams(n)/Observations",
                    reason="missing",
                )
            datastream = sent.datastream.id
        if retained and sent.phenomenon_time is None:
            raise _retained()
        row = row_of(sent, datastream, self._clock.now_us())
        if row.extra is not None and row.extra.feature_id is not None:
            self._check_feature(row.extra.feature_id)
        return row

    def data_array(self, body: bytes) -> ArrayRows:
        """The rows of a data array."""
        rows = decode_data_array(body, self._clock.now_us())
        for feature_id in {extra.feature_id for extra in rows.extras.values()} - {None}:
            self._check_feature(int(feature_id or 0))
        return rows

    def _check_feature(self, feature_id: int) -> None:
        if feature_id not in self._graph.features:
            raise BadInput(f"there is no FeatureOfInterest {feature_id}; create it first", reason="unknown_feature")


def _retained() -> BadInput:
    return BadInput(
        "a retained message without a time is as old as nobody knows; publish without retain, or as JSON with a "
        "phenomenonTime",
        reason="retained",
    )


def slices(batch: ObservationBatch) -> dict[int, ObservationBatch]:
    """The batch in parts of at most SLICE_ROWS, by their first row."""
    if len(batch) <= SLICE_ROWS:
        return {0: batch} if len(batch) else {}
    return {at: _part(batch, at, at + SLICE_ROWS) for at in range(0, len(batch), SLICE_ROWS)}


def _part(batch: ObservationBatch, start: int, end: int) -> ObservationBatch:
    extras = {row - start: extra for row, extra in batch.extras.items() if start <= row < end}
    return ObservationBatch(batch.datastream[start:end], batch.time_us[start:end], batch.result[start:end], extras)


def answer_of(parcel: Parcel, number: int, root: str) -> bytes:
    """What the sender of a stored message is told: {"@iot.id": n}, or for a data array a list with the address of each
    Observation in the order sent, or "error: ..." in its place."""
    checked = parcel.checked
    if checked is None:
        return msgspec.json.encode({"code": 201, "@iot.id": number} if number else {"code": 200})  # 200: stored before
    links = {row: f"{root}/Observations({found})" for row, found in checked.duplicates.items()}
    links.update({row: f"error: {text}" for row, text in checked.errors.items()})
    good = checked.rows.tolist()
    for at, first in parcel.numbers.items():
        part = good[at : at + SLICE_ROWS]
        links.update({row: f"{root}/Observations({first + place})" for place, row in enumerate(part)})
    return msgspec.json.encode([links[row] for row in sorted(links)])


def refusal_of(error: DongneError, topic: str) -> bytes:
    """What the sender of a refused message is told."""
    said = {"code": error.status, "type": "error", "reason": error.reason, "message": error.message, "topic": topic}
    return msgspec.json.encode(said)
