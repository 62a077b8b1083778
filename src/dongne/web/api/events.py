"""Server-sent events: Observations and cases as they are stored, resumable by the number of their record.

The sequence is the memory: who comes back with Last-Event-ID reads on from there, then joins the live ones. Nobody
waits for a slow listener: its queue is bounded, and when it is full the listener is told and dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from dongne.model.access import Sight
from dongne.model.errors import BadInput, DongneError, RetryLater, TooMany
from dongne.model.records import Record, RecordKind, decode_batch
from dongne.model.who import Who
from dongne.runtime.ports import Store
from dongne.runtime.wanted import Told, Wanted, WantedCases, WantedObservations, records_after
from dongne.standards.openapi import Answer, Operation, Parameter
from dongne.standards.sensorthings.encode import encode
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.http import OPEN, send_error
from dongne.web.api.read import options_of

Event = tuple[int, bytes]  # number, the event as it goes over the wire
SEND_WITHIN_S = 30.0
READ_RECORDS = 200
CLOSING = "the server stops; connect again with Last-Event-ID"
REVOKED = "the token of this stream holds no more, or reaches less; connect again with one that does"


def _operation(what: str, summary: str, choice: tuple[str, ...], example: str) -> Operation:
    ids = {"type": "string", "pattern": r"^\d{1,18}(?:,\d{1,18})*$"}
    about = {"datastream": "Ids of Datastreams", "thing": "Ids of Things", "property": "Keys of observed properties",
             "kind": "Kinds of cases", "service": "Ids of services"}  # fmt: skip
    return Operation(
        "GET", f"/events/{what}", f"stream{what.capitalize()}", "events", summary,
        {200: Answer("Until the client leaves, or reads too slowly.", {"text/event-stream": {"type": "string"}})},
        f"The id of an event is the number of its record; who comes back with Last-Event-ID gets what was stored since. {example}",
        parameters=(
            *(Parameter(name, ids if name in ("datastream", "thing") else {"type": "string"}, f"{about[name]}, commas between.")
              for name in choice),
            Parameter("last_event_id", _NUMBER, "Begin after this number; for who can't send the header.", examples=(0,)),
            Parameter("Last-Event-ID", _NUMBER, "Begin after this number.", "header"),
        ),
        errors=(400, 401, 429),
    )  # fmt: skip


_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
CHOICE = {"observations": ("datastream", "thing", "property"), "cases": ("kind", "thing", "service")}
OPERATIONS = (
    _operation("observations", "Observations as they are stored", CHOICE["observations"],
               'Each is `event: observation` with a SensorThings Observation as data; `event: dropped` says to come back.'),
    _operation("cases", "What happens to cases", CHOICE["cases"], "Each is `event: case`."),
)  # fmt: skip


def wire_events(told: list[Told]) -> list[Event]:
    """Events as they go over the wire; what is encoded as JSON has no line breaks."""
    return [
        (number, b"event: %b\nid: %d\ndata: %b\n\n" % (name.encode(), number, encode(document)))
        for number, name, document in told
    ]


class Listener:
    """One open stream: what it wants, and what waits for it."""

    def __init__(self, wanted: Wanted, most: int) -> None:
        self.wanted, self._most = wanted, most
        self.waiting: deque[Event] = deque()
        self.overflowed = False
        self.closing = ""  # why the stream ends
        self.arrived = asyncio.Event()

    def close(self, why: str) -> None:
        """The stream ends, and says why; what waits is sent, but to nobody who may not have it any more."""
        self.closing = why
        if why == REVOKED:
            self.waiting.clear()
        self.arrived.set()

    def take(self, events: list[Event]) -> None:
        """Queue them, or give up."""
        if self.overflowed or self.closing == REVOKED or not events:
            return
        if len(self.waiting) + len(events) > self._most:
            self.overflowed = True
            self.waiting.clear()
        else:
            self.waiting.extend(events)
        self.arrived.set()


class Events:
    """All open streams. Listens to the store only while there is one."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._store = context, context.store
        self._listeners: set[Listener] = set()
        self._stop: Callable[[], None] | None = None
        self._closing = False
        self.dropped = 0

    def close(self) -> None:
        """The server stops: each listener is told, and its stream ends."""
        self._closing = True
        for listener in self._listeners:
            listener.close(CLOSING)

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    async def stream(self, scope: Scope, receive: Receive, send: Send, what: str) -> None:
        """GET /events/<what>: the stream, until the client leaves or is too slow."""
        try:
            who = self._context.who_of(scope)
            wanted = self._wanted(what, scope, who.sight)
            after = _last_event_id(scope)
            if self._closing:
                raise RetryLater("the server stops; connect again when it runs", reason="closing")
            if len(self._listeners) >= self._context.max_listeners:
                raise TooMany(f"{len(self._listeners)} streams are open; come back later", reason="listeners")
        except DongneError as error:
            self._context.requests["events", error.status] += 1
            await send_error(send, error)
            return
        self._context.requests["events", 200] += 1
        listener = Listener(wanted, self._context.event_queue)
        self._join(listener)
        gone = asyncio.ensure_future(_gone(receive))
        feed = asyncio.ensure_future(self._feed(listener, after, send))
        watch = asyncio.ensure_future(self._watch(listener, scope, who))
        try:
            await asyncio.wait((gone, feed), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the server stops; there is nothing above this that wants to know
        finally:
            self._leave(listener)
            for task in (gone, feed, watch):
                task.cancel()
            await asyncio.gather(gone, feed, watch, return_exceptions=True)

    async def _watch(self, listener: Listener, scope: Scope, who: Who) -> None:
        """Ends the stream soon after its token has ended. That it was asked for is in the audit log already: no path, no
        further entry."""
        while who.is_known and not listener.closing:
            await asyncio.sleep(self._context.heartbeat_s)
            try:
                still = self._context.who_of({**scope, "path": ""}).sight == who.sight
            except DongneError:
                still = False
            if not still:
                listener.close(REVOKED)

    def _wanted(self, what: str, scope: Scope, sight: Sight) -> Wanted:
        names = CHOICE[what]
        chosen: dict[str, set[str]] = {name: set() for name in names}
        for name, value in options_of(scope):
            if name not in chosen and name != "last_event_id":
                raise BadInput(f"there is no option {name[:40]!r}; options: {', '.join(names)}", reason="query")
            if name in chosen:
                chosen[name].update(part.strip() for part in value.split(",") if part.strip())
        things = _ids(chosen["thing"], "thing")
        if what == "observations":
            streams = _ids(chosen["datastream"], "datastream")
            return WantedObservations(self._store.graph, streams, things, chosen["property"], sight)
        return WantedCases(self._store, chosen["kind"], things, chosen["service"], sight)

    # --- the writer's side

    def _join(self, listener: Listener) -> None:
        self._listeners.add(listener)
        if self._stop is None:
            loop = asyncio.get_running_loop()

            def heard(records: Sequence[Record]) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._publish, records)

            self._stop = self._store.subscribe(heard)

    def _leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._stop is not None:
            self._stop()
            self._stop = None

    def _publish(self, records: Sequence[Record]) -> None:
        for record in records:
            batch = None
            if record.kind is RecordKind.OBSERVATIONS:
                batch = decode_batch(record.body, record.count)
            elif record.kind is not RecordKind.CASE:
                continue
            for listener in self._listeners:
                if not listener.overflowed:
                    listener.take(wire_events(listener.wanted.told(record, batch, 0)))

    # --- the listener's side

    async def _feed(self, listener: Listener, after: int | None, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), OPEN]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        last = self._store.head() if after is None else after
        await _say(send, b"retry: 2000\n: listening after %d\n\n" % last)
        if after is not None:
            last = await self._catch_up(listener, after, send)
            if listener.closing:  # perhaps not yet at those that wait
                await _end(send, b"closing", listener.closing, last)
                return
        while not listener.overflowed:
            if listener.waiting:  # also when it closes: what is there is sent
                ready = [event for number, event in listener.waiting if number > last]
                last = max(last, listener.waiting[-1][0])
                listener.waiting.clear()
                if ready:
                    await _say(send, b"".join(ready))
                continue
            if listener.closing:
                await _end(send, b"closing", listener.closing, last)
                return
            listener.arrived.clear()
            try:
                # not wait_for: before Python 3.12 it takes a cancellation away when the event comes at the same time
                async with asyncio.timeout(self._context.heartbeat_s):
                    await listener.arrived.wait()
            except TimeoutError:
                await _say(send, b": still here\n\n")
        self.dropped += 1
        message = f"you read too slowly: more than {self._context.event_queue} events waited. Connect again with Last-Event-ID: {last}"
        await _end(send, b"dropped", message, last)

    async def _catch_up(self, listener: Listener, after: int, send: Send) -> int:
        """Sends what was stored after this number, until nothing was lost between it and the live ones."""
        loop = asyncio.get_running_loop()
        while True:
            listener.overflowed = False
            until = self._store.head()
            while after < until and not listener.closing:
                events, after = await loop.run_in_executor(None, read_events, self._store, listener.wanted, after)
                if events:
                    await _say(send, b"".join(events))
            if not listener.overflowed or listener.closing:
                return after


def read_events(store: Store, wanted: Wanted, after: int) -> tuple[list[bytes], int]:
    """The next stored events after a number, and how far was read."""
    events: list[bytes] = []
    last = after
    for record in records_after(store, after, READ_RECORDS):
        events.extend(event for _, event in wire_events(wanted.told(record, None, after)))
        last = max(last, record.last)
    return events, max(last, after + 1) if last == after and store.head() > after else last


async def _say(send: Send, text: bytes) -> None:
    """Raises TimeoutError where the client takes nothing for so long."""
    async with asyncio.timeout(SEND_WITHIN_S):
        await send({"type": "http.response.body", "body": text, "more_body": True})


async def _end(send: Send, name: bytes, message: str, last: int) -> None:
    """The last event of a stream, and its end."""
    await _say(send, b"event: %b\ndata: %b\n\n" % (name, encode({"message": message, "last": last})))
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _last_event_id(scope: Scope) -> int | None:
    """The header, else the option; each must be a number where it is given."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"last-event-id"]
    sent += [value for name, value in options_of(scope) if name == "last_event_id"]
    given = [text for text in sent if text.strip()]
    for text in given:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise BadInput(f"Last-Event-ID {text[:40]!r} is not the number of an event", reason="query")
    return int(given[0]) if given else None


def _ids(texts: set[str], name: str) -> set[int]:
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise BadInput(f"{name}={text[:40]!r} is not an id; ids are whole numbers", reason="query")
    return {int(text) for text in texts}
