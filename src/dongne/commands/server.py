"""The running city, asked over HTTP: DuckDB opens in one process only, so other commands go through the one that has it."""

import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

from dongne.model.errors import BadInput, BadSetup, RetryLater

TIMEOUT_S = 60


class Note(msgspec.Struct, frozen=True):
    """`server.json` in a city's data folder, there while the city runs."""

    url: str
    pid: int = 0
    token: str = ""


class Server:
    """A running city at an address. Raises RetryLater where it does not answer, BadInput with what it refuses."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token

    def get(self, path: str, accept: str = "application/json") -> bytes:
        """The body at a path."""
        return self._send(urllib.request.Request(self.url + path, headers={"Accept": accept}))[0]

    def post(self, path: str, body: Any) -> tuple[bytes, str]:
        """Body and Location of the answer to this JSON."""
        return self._send(
            urllib.request.Request(
                self.url + path, msgspec.json.encode(body), {"Content-Type": "application/json"}, method="POST"
            )
        )

    def delete(self, path: str) -> bytes:
        """The body of the answer to a DELETE."""
        return self._send(urllib.request.Request(self.url + path, method="DELETE"))[0]

    def _send(self, request: urllib.request.Request) -> tuple[bytes, str]:
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return answer.read(), answer.headers.get("Location", "")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            kind = RetryLater if error.code in (429, 503) else BadInput
            raise kind(f"{request.full_url} answered {error.code}: {_message(said)}") from None
        except (urllib.error.URLError, OSError) as error:
            raise RetryLater(f"{self.url} does not answer ({error}); start the city with `dongne run`") from None


def _message(body: str) -> str:
    """What an answer says: the message of its JSON, or its first line; a page says it in its title."""
    if title := re.search("<title>(.*?)</title>", body, re.DOTALL):
        return title[1].strip()
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.strip().partition("\n")[0][:300]
    while isinstance(found, dict):
        found = found.get("message") or found.get("error") or next(iter(found.values()), "")
    return str(found)


def find_server(folder: Path) -> Server | None:
    """The server of this city, if it runs; a note left behind by one that was killed does not count."""
    try:
        note = msgspec.json.decode((folder / "server.json").read_bytes(), type=Note)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    server = Server(note.url, note.token)
    try:
        server.get("/status")
    except BadInput:
        return server  # it refuses, so it is there
    except RetryLater:
        return None
    return server


def get_server(folder: Path) -> Server:
    """The running server of this city. Raises RetryLater where it does not run."""
    server = find_server(folder)
    if server is None:
        raise RetryLater(f"the city in {folder} is not running; start it with `dongne run --folder {folder}`")
    return server


def refuse_if_running(folder: Path) -> None:
    """Raises BadSetup while the city runs, for work which needs the store for itself."""
    if server := find_server(folder):
        raise BadSetup(f"the city in {folder} is running at {server.url}; stop it first (Ctrl-C where it was started)")
