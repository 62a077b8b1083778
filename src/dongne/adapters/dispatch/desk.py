"""One receiving desk: a POST to it and what came of it, and a long poll for what it says later."""

import asyncio
import time
from collections.abc import Mapping

import msgspec

from dongne.adapters.http_line import FAILURES, HttpLine
from dongne.model.errors import BadInput
from dongne.standards.dispatch.events import DispatchEvents, read_events
from dongne.standards.webhooks import retry_after_s

ALARMS, EVENTS = "/alarms", "/events"
CONNECTIONS = 64
ANSWER_BYTES = 2_000
EVENT_BYTES = 1_000_000
BUSY = frozenset({429, 503})
HAS_IT = 409
MEANT_BADLY = frozenset({400, 413, 415, 422})  # the same body will never be taken


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """Where alarms go. `takes_tests`: it is a simulator or a desk's test line, to which alarms of homes where nobody lives may
    go; they go nowhere else, and alarms of people never go there. `timeout_s` is for one attempt, all of it."""

    name: str
    url: str
    token: str = ""
    takes_tests: bool = False
    timeout_s: float = 4.0


class Came(msgspec.Struct, frozen=True):
    """What came of a POST. `is_final`: the desk has understood it and will never take it."""

    ok: bool
    receipt: str = ""
    error: str = ""
    retry_after_s: float = 0.0
    is_final: bool = False


class DeskLine:
    """Connections to one desk, kept between alarms."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.failed_s: float | None = None  # when the last attempt failed, on the monotonic clock
        self._line = HttpLine({"user-agent": "dongne-dispatch"}, connections=CONNECTIONS)

    async def post(self, identifier: str, content_type: str, body: bytes) -> Came:
        """One attempt, within the desk's time for all of it. Never raises but when cancelled."""
        headers = {"content-type": content_type, "idempotency-key": f'"{identifier}"', **self._headers()}
        try:
            async with asyncio.timeout(self.desk.timeout_s):
                came = await self._post(headers, body)
        except TimeoutError:
            came = Came(False, error=f"no answer within {self.desk.timeout_s:g} s")
        except FAILURES as why:
            came = Came(False, error=f"{type(why).__name__}: {why}"[:200])
        self.failed_s = None if came.ok else time.monotonic()
        return came

    async def _post(self, headers: Mapping[str, str], body: bytes) -> Came:
        status, answered, said = await self._line.ask("POST", self.desk.url + ALARMS, headers, body, ANSWER_BYTES)
        asked_s = retry_after_s(answered, time.time())
        if 200 <= status < 300 or status == HAS_IT:
            return Came(True, _receipt(said) or str(status))
        error = f"{status} {said.decode('utf-8', 'replace')}".strip()[:200]
        return Came(
            False, error=error, retry_after_s=asked_s if status in BUSY else 0.0, is_final=status in MEANT_BADLY
        )

    async def events(self, after: int, wait_s: float) -> DispatchEvents:
        """What the desk says behind `after`; it holds the answer back up to `wait_s` until there is something. Raises OSError
        and others of FAILURES where it can't be reached, BadInput for an answer that is not as agreed."""
        url = f"{self.desk.url}{EVENTS}?after={after}&wait_s={wait_s:g}"
        async with asyncio.timeout(wait_s + self.desk.timeout_s):
            status, _, said = await self._line.ask("GET", url, self._headers(), None, EVENT_BYTES)
        if status != 200:
            raise BadInput(f"{self.desk.name} answers {status} for events", reason="dispatch_events")
        return read_events(said)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.desk.token}"} if self.desk.token else {}

    async def close(self) -> None:
        """The connections end."""
        await self._line.close()


class _Receipt(msgspec.Struct):
    receipt: str = ""


def _receipt(said: bytes) -> str:
    try:
        return msgspec.json.decode(said, type=_Receipt).receipt[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
