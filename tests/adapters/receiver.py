"""A receiver of webhooks at a socket of its own: it verifies as the specification says, notes what came, and answers as
it is told, also badly."""

import hashlib
import hmac
import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str]]


class Receiver:
    """`answer(attempt, path)` says how the n-th request to a path is answered; it may wait."""

    def __init__(self, answer: Callable[[int, str], Answer] = lambda n, path: (200, {}), port: int = 0) -> None:
        self.answer = answer
        self.came: list[tuple[str, dict[str, str], bytes, float]] = []  # path, headers, body, when
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer._lock:
                    outer.came.append(
                        (self.path, {k.lower(): v for k, v in self.headers.items()}, body, time.monotonic())
                    )
                    attempt = sum(path == self.path for path, *_ in outer.came)
                status, headers = outer.answer(attempt, self.path)
                try:
                    self.send_response(status)
                    for name, value in {"content-length": "0", **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                except OSError:
                    self.close_connection = True  # whoever sent has gone

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def at(self, path: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """Headers and documents that came to a path, in order."""
        with self._lock:
            return [(headers, json.loads(body)) for p, headers, body, _ in self.came if p == path]

    def results(self, path: str) -> list[float]:
        """Of each delivery's Observations, doubles left out by their message id."""
        seen: set[str] = set()
        found = []
        for headers, document in self.at(path):
            if headers["webhook-id"] not in seen:
                seen.add(headers["webhook-id"])
                found += [event["data"]["result"] for event in document["data"]["events"]]
        return found


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """As the specification has it, written here once more."""
    key = b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")
