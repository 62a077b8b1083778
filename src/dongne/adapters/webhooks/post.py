"""One attempt: a POST to a receiver, and what came of it. Nothing is followed, and no more is read than is kept."""

import asyncio
import ssl
import time
from functools import cache

import httpx
import msgspec

from dongne.adapters.webhooks.address import find_address, read_url
from dongne.model.errors import BadInput
from dongne.standards.webhooks import retry_after_s

ANSWER_BYTES = 200  # of an answer that is no success, for people to see


class Came(msgspec.Struct, frozen=True):
    """What came of an attempt: `status` 0 where there was no answer."""

    status: int
    error: str
    took_ms: int
    retry_after_s: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Only 2xx is a success (Standard Webhooks, "Delivery success and failure")."""
        return 200 <= self.status < 300


class Line:
    """To one receiver: a connection of its own, kept between deliveries."""

    def __init__(self, url: str, *, inside: bool, timeout_s: float) -> None:
        self._url, self._inside, self._timeout_s = url, inside, timeout_s
        self._client: httpx.AsyncClient | None = None

    async def post(self, headers: dict[str, str], body: bytes) -> Came:
        """Within the time for all of it, however slowly the receiver reads or answers. Never raises but when cancelled."""
        began_s = time.monotonic()
        status, error, asked_s = 0, "", 0.0
        try:
            async with asyncio.timeout(self._timeout_s):
                status, error, asked_s = await self._post(headers, body)
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
            await self.close()
        except (httpx.HTTPError, OSError, BadInput, ssl.SSLError, ValueError) as why:
            error = f"{type(why).__name__}: {why}"[:300]
            await self.close()
        return Came(status, error, int((time.monotonic() - began_s) * 1000), asked_s)

    async def _post(self, headers: dict[str, str], body: bytes) -> tuple[int, str, float]:
        target = read_url(self._url, inside=self._inside)
        address = await find_address(target, inside=self._inside)
        shown = f"[{address}]" if ":" in address else address
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=_trusted() if target.scheme == "https" else False, trust_env=False, timeout=self._timeout_s,
                headers={"user-agent": "dongne-webhooks"}, limits=httpx.Limits(max_connections=1),
            )  # fmt: skip
        async with self._client.stream(
            "POST", f"{target.scheme}://{shown}:{target.port}{target.path}", content=body,
            headers={**headers, "host": target.netloc}, extensions={"sni_hostname": target.host},
        ) as answer:  # fmt: skip
            said = b""
            async for part in answer.aiter_raw():
                said += part[: ANSWER_BYTES - len(said)]
                if len(said) >= ANSWER_BYTES:
                    break
        asked_s = retry_after_s(answer.headers, time.time())
        if 200 <= answer.status_code < 300:
            return answer.status_code, "", 0.0
        return answer.status_code, f"{answer.status_code} {said.decode('utf-8', 'replace')}".strip(), asked_s

    async def close(self) -> None:
        """The connection ends."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()
