"""Observations on the wire: one as JSON, and many as a data array (18-088, clauses 8.2.7 and 13).

Times of many are kept as texts by the decoder and cast at once by Arrow: several times faster than one by one.
"""

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dongne.model.errors import BadInput
from dongne.model.records import ObservationExtra
from dongne.standards.sensorthings.decode import decode_json, entity_id
from dongne.standards.sensorthings.times import format_time_us, format_us, parse_instant_us, parse_time_us


class Reference(msgspec.Struct, frozen=True, gc=False):
    """A link to what exists."""

    id: int = msgspec.field(name="@iot.id")


class ObservationBody(msgspec.Struct, rename="camel", gc=False):
    """A single Observation as it is sent; unknown members are left aside."""

    result: Any = msgspec.UNSET
    phenomenon_time: str | None = None
    datastream: Reference | None = msgspec.field(name="Datastream", default=None)
    result_time: str | None = None
    result_quality: Any = None
    valid_time: str | None = None
    parameters: dict[str, Any] | None = None
    feature_of_interest: dict[str, Any] | None = msgspec.field(name="FeatureOfInterest", default=None)
    multi_datastream: dict[str, Any] | None = msgspec.field(name="MultiDatastream", default=None)

    @property
    def is_more(self) -> bool:
        """Whether it belongs to a MultiDatastream, or brings a new FeatureOfInterest along."""
        return self.multi_datastream is not None or (
            self.feature_of_interest is not None and "@iot.id" not in self.feature_of_interest
        )


class ObservationRow(msgspec.Struct, frozen=True, gc=False):
    """An Observation ready to be checked. `result` is NaN where `extra.result` holds one that is not a number."""

    datastream: int
    time_us: int
    result: float
    extra: ObservationExtra | None = None


_body_decoder = msgspec.json.Decoder(ObservationBody)


def decode_observation(body: bytes) -> ObservationBody:
    """A single Observation. Raises BadInput with the byte or the JSON path of what is wrong."""
    try:
        return _body_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadInput(f"the Observation cannot be read: {error}", reason="json") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"the body is not JSON: {error}; check it with a JSON validator", reason="json") from None


def row_of(body: ObservationBody, datastream: int, now_us: int, place: str = "$") -> ObservationRow:
    """The row of a decoded Observation; without a phenomenonTime it is now (clause 8.2.7). Raises BadInput."""
    result = body.result
    if result is msgspec.UNSET:
        raise BadInput(f"{place}: an Observation needs 'result'; add it", reason="missing")
    try:
        time_us, end_us = (now_us, None) if body.phenomenon_time is None else parse_time_us(body.phenomenon_time)
        number = result.__class__ is float or result.__class__ is int
        if number and end_us is None and body.result_time is None and _is_plain(body):
            return ObservationRow(datastream, time_us, float(result))
        return ObservationRow(
            datastream, time_us, float(result) if number else float("nan"), _extra(body, number, end_us)
        )
    except BadInput as error:
        raise BadInput(f"{place}: {error.message}", reason=error.reason) from None
    except OverflowError:
        raise BadInput(f"{place}.result: the number is too large", reason="not_finite") from None


def _is_plain(body: ObservationBody) -> bool:
    return (
        body.result_quality is None
        and body.valid_time is None
        and not body.parameters
        and body.feature_of_interest is None
    )


def _extra(body: ObservationBody, number: bool, end_us: int | None) -> ObservationExtra | None:
    valid_start, valid_end = (None, None) if body.valid_time is None else parse_time_us(body.valid_time)
    feature = body.feature_of_interest
    extra = ObservationExtra(
        result=None if number else body.result,
        phenomenon_end_us=end_us,
        result_time_us=None if body.result_time is None else parse_instant_us(body.result_time),
        result_quality=body.result_quality,
        valid_start_us=valid_start,
        valid_end_us=valid_end,
        parameters=body.parameters or None,
        feature_id=None if feature is None else entity_id(feature.get("@iot.id"), "FeatureOfInterest"),
    )
    return None if extra == ObservationExtra() else extra


def observation_values(time_us: int, result: float, extra: ObservationExtra | None) -> dict[str, Any]:
    """The properties of an Observation by wire name."""
    if extra is None:
        return plain_values(format_us(time_us), result)
    valid = None
    if extra.valid_start_us is not None:
        valid = format_time_us(extra.valid_start_us, extra.valid_end_us)
    return {
        "phenomenonTime": format_time_us(time_us, extra.phenomenon_end_us),
        "result": extra.result if result != result else _number(result),  # noqa: PLR0124  # NaN: not a number
        "resultTime": None if extra.result_time_us is None else format_us(extra.result_time_us),
        "resultQuality": extra.result_quality,
        "validTime": valid,
        "parameters": extra.parameters,
    }


def plain_values(time: str, result: float) -> dict[str, Any]:
    """The properties of an Observation that has nothing but a time and a number."""
    return {
        "phenomenonTime": time,
        "result": _number(result),
        "resultTime": None,
        "resultQuality": None,
        "validTime": None,
        "parameters": None,
    }


def _number(value: float) -> float | int | None:
    if value != value:  # noqa: PLR0124  # NaN
        return None
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


# --- data arrays ---------------------------------------------------------------------------------------------------


class ArrayRows(msgspec.Struct):
    """The rows of a data array as columns, in the order sent. `errors` says by row what could not be read; `multi` has
    the ids that were sent as those of MultiDatastreams."""

    datastream: NDArray[np.int64]
    time_us: NDArray[np.int64]
    result: NDArray[np.float64]
    extras: dict[int, ObservationExtra]
    errors: dict[int, str]
    multi: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.datastream)


class _TimeFirst(msgspec.Struct, gc=False):
    datastream: Reference = msgspec.field(name="Datastream")
    components: tuple[Literal["phenomenonTime"], Literal["result"]]
    rows: list[tuple[str, float]] = msgspec.field(name="dataArray")


class _ResultFirst(msgspec.Struct, gc=False):
    datastream: Reference = msgspec.field(name="Datastream")
    components: tuple[Literal["result"], Literal["phenomenonTime"]]
    rows: list[tuple[float, str]] = msgspec.field(name="dataArray")


_time_first = msgspec.json.Decoder(list[_TimeFirst])
_result_first = msgspec.json.Decoder(list[_ResultFirst])
_rows_of = attrgetter("rows")
COMPONENTS = (
    "phenomenonTime",
    "result",
    "resultTime",
    "resultQuality",
    "validTime",
    "parameters",
    "FeatureOfInterest/id",
)


def decode_data_array(body: bytes, now_us: int) -> ArrayRows:
    """The rows of a CreateObservations body. Raises BadInput where the frame is wrong; what is wrong in a row is in
    `errors` and the others are good."""
    try:
        timed = _time_first.decode(body)
        return _plain_columns(timed, *_turned(timed))
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            valued = _result_first.decode(body)
            return _plain_columns(valued, *reversed(_turned(valued)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _decode_any(body, now_us)  # neither of the two plain forms


def _turned(groups: list[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The two columns of the rows of all groups; without a step in Python for each row."""
    first, second = tuple(zip(*chain.from_iterable(map(_rows_of, groups)), strict=True)) or ((), ())
    return first, second


def _plain_columns(groups: list[Any], texts: Sequence[str], results: Sequence[float]) -> ArrayRows:
    streams = np.array([group.datastream.id for group in groups], np.int64)
    datastream = np.repeat(streams, [len(group.rows) for group in groups])
    time_us, errors = instants_us(texts)
    extras: dict[int, ObservationExtra] = {}
    for row in list(errors):
        if "/" in texts[row]:
            _take_interval(row, texts[row], time_us, extras, errors)
    return ArrayRows(datastream, time_us, np.fromiter(results, np.float64, len(results)), extras, errors)


def _take_interval(
    row: int, text: str, time_us: NDArray[np.int64], extras: dict[int, ObservationExtra], errors: dict[int, str]
) -> None:
    try:
        time_us[row], end_us = parse_time_us(text)
        extras[row] = ObservationExtra(phenomenon_end_us=end_us)
        del errors[row]
    except BadInput as error:
        errors[row] = error.message


def instants_us(texts: Sequence[str]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Microseconds of ISO 8601 instants; by row what is wrong, its time then 0."""
    try:
        column = pa.array(texts, pa.string()).cast(pa.timestamp("us", "UTC"))
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False).copy(), {}
    except pa.ArrowInvalid:
        pass  # some row is not a plain instant: one by one
    times = np.zeros(len(texts), np.int64)
    errors: dict[int, str] = {}
    for row, text in enumerate(texts):
        try:
            times[row] = parse_instant_us(text)
        except BadInput as error:
            errors[row] = error.message
    return times, errors


def _decode_any(body: bytes, now_us: int) -> ArrayRows:
    document = decode_json(body)
    if isinstance(document, dict):
        document = document.get("value", [document])
    if not isinstance(document, list):
        raise BadInput("$: expected a list of {Datastream, components, dataArray}", reason="json")
    streams: list[int] = []
    rows: list[ObservationRow | None] = []
    errors: dict[int, str] = {}
    multi: set[int] = set()
    for place, group in enumerate(document):
        datastream, components, values = _frame(group, f"$[{place}]")
        if "MultiDatastream" in group:
            multi.add(datastream)
        for number, value in enumerate(values):
            streams.append(datastream)
            try:
                rows.append(_row(value, components, datastream, now_us, f"$[{place}].dataArray[{number}]"))
            except BadInput as error:
                errors[len(rows)] = error.message
                rows.append(None)
    return ArrayRows(
        np.array(streams, np.int64),
        np.array([0 if row is None else row.time_us for row in rows], np.int64),
        np.array([0.0 if row is None else row.result for row in rows], np.float64),
        {number: row.extra for number, row in enumerate(rows) if row is not None and row.extra is not None},
        errors,
        frozenset(multi),
    )


def _frame(group: Any, place: str) -> tuple[int, list[str], list[Any]]:
    named = [name for name in ("Datastream", "MultiDatastream") if isinstance(group, dict) and name in group]
    if len(named) != 1 or not isinstance(group[named[0]], dict):
        raise BadInput(
            f'{place}: expected an object with "Datastream": {{"@iot.id": n}} or a "MultiDatastream"', reason="json"
        )
    datastream = entity_id(group[named[0]].get("@iot.id"), f"{place}.{named[0]}")
    components, values = group.get("components"), group.get("dataArray")
    if not isinstance(components, list) or "result" not in components:
        raise BadInput(f"{place}.components: expected a list of names with 'result' among them", reason="json")
    for name in components:
        if name not in COMPONENTS and name != "id":
            raise BadInput(f"{place}.components: unknown {str(name)[:40]!r}; known: {', '.join(COMPONENTS)}")
    if not isinstance(values, list):
        raise BadInput(f"{place}.dataArray: expected a list of rows", reason="json")
    return datastream, components, values


def _row(value: Any, components: list[str], datastream: int, now_us: int, place: str) -> ObservationRow:
    if not isinstance(value, list) or len(value) != len(components):
        raise BadInput(f"{place}: expected a list of {len(components)} values, one for each component", reason="json")
    members = dict(zip(components, value, strict=True))
    feature = members.get("FeatureOfInterest/id")
    try:
        body = msgspec.convert(
            {
                **{name: part for name, part in members.items() if name not in ("id", "FeatureOfInterest/id")},
                "FeatureOfInterest": None if feature is None else {"@iot.id": feature},
            },
            ObservationBody,
        )
    except msgspec.ValidationError as error:
        raise BadInput(f"{place}: {error}", reason="json") from None
    return row_of(body, datastream, now_us, place)
