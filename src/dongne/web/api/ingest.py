"""The hot path: single Observations and data arrays, from the socket to the store with nothing between.

A single one is decoded, checked, put through the store's door, and answered after the commit that holds it: one
call back into the loop per commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.who import BENCH, Who
from dongne.runtime.features import FeatureMaker
from dongne.runtime.intake import Checked, Senders
from dongne.runtime.ledger import DATA_ARRAY, SINGLE
from dongne.runtime.ports import Entry, Lane, Receipt, Transaction
from dongne.standards.sensorthings.encode import encode
from dongne.standards.sensorthings.observations import (
    ObservationRow,
    decode_data_array,
    decode_observation,
    row_of,
)
from dongne.web.api.context import ApiContext, Door, Receive, Scope, Send
from dongne.web.api.http import Gone, Header, check_form, check_write, read_body, send_bytes, send_error

SLICE_ROWS = 5_000  # of a data array in one Transaction: what is more urgent goes between
THREAD_BYTES = 256 << 10  # a body longer than this is decoded in another thread
_ROOTS = 64
_NO_LENGTH = (b"content-length", b"0")


class NotPlain(Exception):
    """A body that only the general way can take: it makes more than one Observation in a Datastream."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class Ingest:
    """Takes Observations in."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._intake, self._store = context, context.intake, context.store
        self.singles, self._arrays = context.intake.ledger.way(SINGLE), context.intake.ledger.way(DATA_ARRAY)
        self._clock = context.store.clock
        self._door: Door | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._roots: dict[bytes, bytes] = {}
        self._features = FeatureMaker(context.store)
        self._senders = Senders(context.store.graph)

    # --- one

    async def single(self, scope: Scope, receive: Receive, send: Send, datastream: int | None = None) -> None:
        """POST of one Observation; `datastream` where the path names it."""
        is_new = True  # not in the ledger yet
        try:
            who = check_write(self._context, scope)
            check_form(scope)
            body = await read_body(scope, receive, self._context.max_body_bytes)
            row, number = self.take_one(body, datastream, who)
            status, is_new = 200, False
            if not number:
                number = await self._store_one(row)
                self.singles.count_stored()
                status = 201
        except Gone:
            return
        except DongneError as error:
            self.count_refused(error, received=is_new)
            await send_error(send, error)
            return
        self._context.requests["observation", status] += 1
        headers = [(b"location", b"%b%d)" % (self.observations_at(scope), number)), _NO_LENGTH]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def take_one(self, body: bytes, datastream: int | None, who: Who = BENCH) -> tuple[ObservationRow, int]:
        """A checked row, and the number of the Observation that says the same already; 0 where it is to be stored, and
        then it is in the ledger as received. Raises BadInput, NotFound."""
        row = self._decode(body, datastream, who)
        number = self._intake.check(row)
        if number:
            self.singles.count_duplicate()
        else:
            self.singles.count_received()
        return row, number

    def count_refused(self, error: DongneError, *, received: bool = True) -> None:
        """A single Observation was turned away; not `received`: it is in the ledger as received already."""
        self.singles.count_rejected(error.reason, received=received)
        self._context.requests["observation", error.status] += 1

    def _decode(self, body: bytes, datastream: int | None, who: Who) -> ObservationRow:
        sent = decode_observation(body)
        if sent.is_more:
            raise NotPlain(body)
        if datastream is None:
            if sent.datastream is None:
                raise BadInput(
                    'the Observation names no Datastream; add "Datastream": {"@iot.id": n} or POST it to '
                    "Datastreams(n)/Observations",
                    reason="missing",
                )
            datastream = sent.datastream.id
            self._senders.check(who, datastream)
        else:
            if datastream not in self._store.graph.datastreams:
                raise not_found(datastream)
            try:
                self._senders.check(who, datastream)
            except BadInput:
                raise not_found(datastream) from None
        row = row_of(sent, datastream, 0 if sent.phenomenon_time is not None else self._clock.now_us())
        if row.extra is not None and datastream in self._store.graph.multi_datastreams:
            raise BadInput(_as_multi(datastream), reason="unknown_datastream")
        if row.extra is not None and row.extra.feature_id is not None:
            self._check_feature(row.extra.feature_id)
        elif not self._intake.has_feature(datastream):
            self._features.see_to(datastream, must=True)
        return row

    def _check_feature(self, feature_id: int) -> None:
        if feature_id not in self._store.graph.features:
            raise BadInput(f"there is no FeatureOfInterest {feature_id}; create it first", reason="unknown_feature")

    def _store_one(self, row: ObservationRow) -> "asyncio.Future[int]":
        loop = asyncio.get_running_loop()
        if self._door is None or loop is not self._loop:
            self._loop, self._door = loop, self._store.open_door(_answer_in(loop))
        waiting: asyncio.Future[int] = loop.create_future()
        self._door.append(row.datastream, row.time_us, row.result, row.extra, waiting)
        return waiting

    def observations_at(self, scope: Scope) -> bytes:
        """The address of an Observation up to its number."""
        host = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
                break
        found = self._roots.get(host)
        if found is None:
            if len(self._roots) >= _ROOTS:
                self._roots.clear()
            found = self._roots[host] = f"{self._context.public_url(scope)}/v1.1/Observations(".encode()
        return found

    # --- many

    async def data_array(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST to CreateObservations: the address of each Observation in the order sent, or "error: ..." in its place."""
        rows = None
        try:
            who = check_write(self._context, scope)
            check_form(scope)
            body = await read_body(scope, receive, self._context.max_body_bytes)
            if len(body) <= THREAD_BYTES:
                rows = self._take(body, who)
            else:
                rows = await asyncio.get_running_loop().run_in_executor(None, self._take, body, who)
            answer, status, more = await self._store_many(rows, scope)
        except Gone:
            return
        except DongneError as error:
            if rows is None:  # else its rows are in the ledger already
                self._arrays.count_rejected(error.reason)
            self._context.requests["data_array", error.status] += 1
            await send_error(send, error)
            return
        self._context.requests["data_array", status] += 1
        await send_bytes(send, status, answer, more)

    def _take(self, body: bytes, who: Who = BENCH) -> Checked:
        rows = decode_data_array(body, self._clock.now_us())
        there = set(rows.datastream.tolist())
        refused = self._senders.refused(who, there)
        for stream, error in refused.items():
            rows.errors.update(dict.fromkeys(np.flatnonzero(rows.datastream == stream).tolist(), error.message))
        features = {extra.feature_id for extra in rows.extras.values()} - {None}
        for feature_id in features:
            self._check_feature(int(feature_id or 0))
        streams = there - refused.keys()
        mistaken = (rows.multi - refused.keys()) ^ (streams & self._store.graph.multi_datastreams.keys())
        for stream in mistaken:
            text = f"there is no MultiDatastream {stream}" if stream in rows.multi else _as_multi(stream)
            rows.errors.update(dict.fromkeys(np.flatnonzero(rows.datastream == stream).tolist(), text))
        for stream in self._intake.list_without_feature(streams - mistaken):
            self._features.see_to(stream)
        return self._intake.check_rows(rows, self._arrays)

    async def _store_many(self, checked: Checked, scope: Scope) -> tuple[bytes, int, list[Header]]:
        prefix = self.observations_at(scope).decode()
        count = len(checked.batch)
        numbers: list[int] = []
        failed: dict[int, str] = {}
        if count:
            parts = [(at, slice_of(checked.batch, at, at + SLICE_ROWS)) for at in range(0, count, SLICE_ROWS)]
            receipts = await asyncio.gather(*(self._submit(part) for _, part in parts), return_exceptions=True)
            nothing = not any(isinstance(receipt, Receipt) for receipt in receipts)
            for (at, part), receipt in zip(parts, receipts, strict=True):
                if isinstance(receipt, Receipt):
                    self._arrays.count_stored(len(part))
                    numbers.extend(range(receipt.numbers[0], receipt.numbers[0] + len(part)))
                    continue
                self._arrays.count_rejected(getattr(receipt, "reason", "error"), len(part), received=False)
                if not isinstance(receipt, DongneError) or (nothing and at == parts[-1][0]):
                    raise receipt  # where a part is stored, the others are named row by row
                failed.update(dict.fromkeys(range(at, at + len(part)), receipt.message))
                numbers.extend([0] * len(part))
        if not checked.errors and not checked.duplicates and not failed:
            return ('["' + '","'.join([f"{prefix}{number})" for number in numbers]) + '"]').encode(), 201, []
        links: dict[int, str] = {row: f"{prefix}{number})" for row, number in checked.duplicates.items()}
        links.update({row: f"error: {text}" for row, text in checked.errors.items()})
        for at, row in enumerate(checked.rows.tolist()):
            links[row] = f"error: {failed[at]}" if at in failed else f"{prefix}{numbers[at]})"
        return encode([links[row] for row in range(len(links))]), 201, [(b"retry-after", b"1")] if failed else []

    def _submit(self, batch: ObservationBatch) -> "asyncio.Future[Receipt]":
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Receipt] = loop.create_future()

        def done(outcome: Receipt | Exception) -> None:
            loop.call_soon_threadsafe(_settle, waiting, outcome)

        entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(batch))
        try:
            self._store.submit_soon(Transaction((entry,)), done, Lane.BULK)
        except DongneError as error:
            waiting.set_exception(error)
        return waiting


def not_found(datastream: int) -> NotFound:
    """What to say to a path that names a Datastream which is not there, or not to be seen."""
    return NotFound(f"there is no Datastream {datastream}", reason="unknown_datastream")


def _as_multi(stream: int) -> str:
    return f'{stream} is a MultiDatastream; send its Observations with "MultiDatastream": {{"@iot.id": {stream}}}'


def slice_of(batch: ObservationBatch, start: int, end: int) -> ObservationBatch:
    """The rows start..end."""
    if start == 0 and end >= len(batch):
        return batch
    extras = {row - start: extra for row, extra in batch.extras.items() if start <= row < end}
    return ObservationBatch(batch.datastream[start:end], batch.time_us[start:end], batch.result[start:end], extras)


def _answer_in(loop: asyncio.AbstractEventLoop) -> Callable[[list[Any], int, Exception | None], None]:
    def on_commit(tokens: list[Any], first: int, error: Exception | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_answer, tokens, first, error)

    return on_commit


def _answer(tokens: Sequence["asyncio.Future[int]"], first: int, error: Exception | None) -> None:
    for number, waiting in enumerate(tokens, first):
        if not waiting.done():  # its client may have gone
            if error is None:
                waiting.set_result(number)
            else:
                waiting.set_exception(error)


def _settle(waiting: "asyncio.Future[Receipt]", outcome: Receipt | Exception) -> None:
    if waiting.done():
        return
    if isinstance(outcome, Exception):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)


async def in_loop(future: "Future[Receipt]") -> Receipt:
    """The receipt of a submitted Transaction, waited for without holding the loop."""
    return await asyncio.wrap_future(future)
