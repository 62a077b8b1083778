"""One receiving desk: a POST to it and what came of it, and a long poll for what it says later."""

import asyncio
import ssl
import time
from collections.abc import Mapping

import httpx
import msgspec

from dongne.model.errors import BadInput
from dongne.standards.dispatch.events import DispatchEvents, read_events
from dongne.standards.webhooks import retry_after_s

ALARMS, EVENTS = "/alarms", "/events"
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
        self._client: httpx.AsyncClient | None = None

    async def post(self, identifier: str, content_type: str, body: bytes) -> Came:
        """One attempt, within the desk's time for all of it. Never raises but when cancelled."""
        headers = {"content-type": content_type, "idempotency-key": f'"{identifier}"', **self._headers()}
        try:
            async with asyncio.timeout(self.desk.timeout_s):
                came = await self._post(headers, body)
        except TimeoutError:
            came = Came(False, error=f"no answer within {self.desk.timeout_s:g} s")
        except (httpx.HTTPError, OSError, ssl.SSLError, ValueError) as why:
            came = Came(False, error=f"{type(why).__name__}: {why}"[:200])
        self.failed_s = None if came.ok else time.monotonic()
        return came

    async def _post(self, headers: Mapping[str, str], body: bytes) -> Came:
        async with self._opened().stream("POST", self.desk.url + ALARMS, content=body, headers=headers) as answer:
            said = await _read(answer, ANSWER_BYTES)
            status, asked_s = answer.status_code, retry_after_s(answer.headers, time.time())
        if 200 <= status < 300 or status == HAS_IT:
            return Came(True, _receipt(said) or str(status))
        error = f"{status} {said.decode('utf-8', 'replace')}".strip()[:200]
        return Came(
            False, error=error, retry_after_s=asked_s if status in BUSY else 0.0, is_final=status in MEANT_BADLY
        )

    async def events(self, after: int, wait_s: float) -> DispatchEvents:
        """What the desk says behind `after`; it holds the answer back up to `wait_s` until there is something. Raises OSError
        and httpx.HTTPError where it can't be reached, BadInput for an answer that is not as agreed."""
        asked = {"after": str(after), "wait_s": f"{wait_s:g}"}
        async with asyncio.timeout(wait_s + self.desk.timeout_s):
            async with self._opened().stream(
                "GET",
                self.desk.url + EVENTS,
                params=asked,
                headers=self._headers(),
                timeout=wait_s + self.desk.timeout_s,
            ) as answer:
                said = await _read(answer, EVENT_BYTES)
                if answer.status_code != 200:
                    raise BadInput(
                        f"{self.desk.name} answers {answer.status_code} for events", reason="dispatch_events"
                    )
        return read_events(said)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.desk.token}"} if self.desk.token else {}

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                trust_env=False, timeout=self.desk.timeout_s, headers={"user-agent": "dongne-dispatch"},
                verify=self.desk.url.startswith("https://"), limits=httpx.Limits(max_connections=64),
            )  # fmt: skip
        return self._client

    async def close(self) -> None:
        """The connections end."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


async def _read(answer: httpx.Response, most: int) -> bytes:
    said = b""
    async for part in answer.aiter_raw():
        said += part[: most - len(said)]
        if len(said) >= most:
            break
    return said


class _Receipt(msgspec.Struct):
    receipt: str = ""


def _receipt(said: bytes) -> str:
    try:
        return msgspec.json.decode(said, type=_Receipt).receipt[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
