"""Reads a recorded session of a third-party server: requests in order, with the answers that server gave."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIELD = re.compile(
    r"^(Request type|Request url|Request body|Response headers|Response body|Response status code): ?", re.M
)
_EMPTY = ("", "<empty>", "None")


@dataclass(frozen=True)
class Exchange:
    """One request and its recorded answer; `place` is its number in the session. Bodies are decoded JSON, else text."""

    place: int
    method: str
    url: str
    body: Any
    status: int
    location: str
    answer: Any


def read_session(file: Path) -> Iterator[Exchange]:
    """All exchanges of a recording (entries are parted by a line of 80 "=")."""
    text = gzip.decompress(file.read_bytes()).decode()
    for place, entry in enumerate(part for part in re.split(r"^={80}$", text, flags=re.M) if part.strip()):
        pieces = _FIELD.split(entry)
        fields = {name: value.strip() for name, value in zip(pieces[1::2], pieces[2::2], strict=True)}
        headers = fields.get("Response headers", "")
        location = re.search(r"'location': '([^']*)'", headers)
        yield Exchange(
            place,
            fields["Request type"],
            fields["Request url"],
            _decoded(fields.get("Request body", "")),
            int(fields["Response status code"]),
            location[1] if location else "",
            _decoded(fields.get("Response body", "")),
        )


def _decoded(text: str) -> Any:
    if text in _EMPTY:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
