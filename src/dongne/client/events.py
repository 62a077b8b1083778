"""Server-sent events read from bytes as they come (WHATWG HTML, 9.2 Server-sent events)."""

from collections.abc import Iterator
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """Something that was stored: `name` is "observation" or "case", `number` its place in the city's sequence."""

    name: str
    number: int
    data: dict[str, Any]


class EventReader:
    """Takes bytes, gives events. `last` is the number after which to go on when the connection was lost."""

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self._rest = b""

    def begin(self) -> dict[str, str]:
        """The headers of a new connection; what was half read is forgotten."""
        self._rest = b""
        return {} if self.last is None else {"last-event-id": str(self.last)}

    def take(self, more: bytes) -> Iterator[Event]:
        """The events which are whole now."""
        *whole, self._rest = (self._rest + more).split(b"\n\n")
        for block in whole:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and line[:1] != b":")
            name = fields.get(b"event", b"").decode()
            if name == "dropped":
                return  # too slow: the server ends the stream, and the next connection goes on behind `last`
            if b"id" in fields and b"data" in fields:
                self.last = int(fields[b"id"])
                yield Event(name, self.last, msgspec.json.decode(fields[b"data"]))
