"""What a broker may retain of this city, kept over restarts: what may no longer be told is taken back also when it became
so while the city or the broker was away."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

log = logging.getLogger(__name__)


class Topic(NamedTuple):
    """Of an entity; `rest` is what follows it: nothing, or "/Observations" for a last value."""

    set_name: str
    id: int
    rest: str = ""

    def text(self, root: str) -> str:
        """As a broker has it."""
        return f"{root}/{self.set_name}({self.id}){self.rest}"


class Told:
    """The topics, and the file that has them where there is one. What is added is in the file after `save`, so that
    nothing is said which the next start would not know of."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._ids: dict[str, set[int]] = {}  # by set and what follows: "Datastreams", "Datastreams/Observations"
        self._has_more = self._has_less = False
        if file is not None and file.exists():
            try:
                self._ids = msgspec.json.decode(file.read_bytes(), type=dict[str, set[int]])
            except (OSError, msgspec.DecodeError) as error:
                log.warning(
                    "what the broker retains can't be read in %s (%s); remove there by hand what may not be told", file,
                    error,
                )  # fmt: skip

    def __contains__(self, topic: Topic) -> bool:
        return topic.id in self._ids.get(topic.set_name + topic.rest, ())

    def list_other(self, there: Callable[[str], Iterable[int]], hidden: Callable[[str], frozenset[int]]) -> list[Topic]:
        """Those of entities which are not there, or hidden; both say it for a set."""
        found: list[Topic] = []
        for name, ids in self._ids.items():
            set_name, slash, rest = name.partition("/")
            found += [
                Topic(set_name, one, slash + rest) for one in ids.difference(there(set_name)) | (ids & hidden(set_name))
            ]
        return found

    def add(self, topics: Iterable[Topic]) -> None:
        """These are told soon."""
        for topic in topics:
            self._ids.setdefault(topic.set_name + topic.rest, set()).add(topic.id)
        self._has_more = True

    def discard(self, topic: Topic) -> None:
        """The broker confirmed that it does not retain this."""
        self._ids.get(topic.set_name + topic.rest, set()).discard(topic.id)
        self._has_less = True

    def save(self, *, also_less: bool) -> None:
        """Writes what was added; what is gone too, where `also_less`: forgetting that can wait. Raises OSError."""
        if not self._has_more and not (also_less and self._has_less):
            return
        if self._file is not None:
            partial = self._file.with_suffix(".new")
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
                opened.write(msgspec.json.encode(self._ids))
                opened.flush()
                os.fsync(opened.fileno())
            partial.replace(self._file)
        self._has_more = self._has_less = False
