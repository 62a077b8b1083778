"""One POST of a channel, and what its answer means. Nothing is followed, all of it has one timeout, and of an answer no more
is read than is kept."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import httpx
import msgspec

from dongne.adapters.http_line import FAILURES, HttpLine
from dongne.adapters.webhooks.address import find_address, read_url
from dongne.model.errors import BadInput
from dongne.runtime.channels import Outcome
from dongne.standards.webhooks import retry_after_s

KEPT_BYTES = 64 << 10
SHOWN = 200  # characters of an answer, for operators
AGENT = {"user-agent": "dongne", "accept-encoding": "identity"}  # nothing small that unpacks to something large
OUTSIDE = 20  # connections of a channel to whoever its addresses name
GONE = frozenset({404, 410})  # of an address
GONE_OR_WRONG = GONE | {422}  # of an address, or one that can't be


class Answer(NamedTuple):
    """Of a gateway; `status` 0 and an error where there was none."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    error: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """Of an answer in JSON; empty where it is something else."""
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        return found if isinstance(found, dict) else {}


class Gateway:
    """A server that the city's configuration names: connections are kept, and so many requests may be under way."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float, connections: int = 20) -> None:
        self.url, self._timeout_s = url.rstrip("/"), timeout_s
        self._room = asyncio.Semaphore(connections)
        self._headers = {**AGENT, **({"authorization": f"Bearer {token}"} if token else {})}
        self._line = HttpLine(self._headers, connections=connections, trusted=trusted())

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Never raises but when cancelled."""
        return await self.ask("POST", self.url, headers, body)

    async def get(self, url: str, *, longer_s: float = 0.0) -> Answer:
        """The same of a GET, which the gateway may hold for `longer_s`."""
        return await self.ask("GET", url, {}, b"", longer_s=longer_s)

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, longer_s: float = 0.0
    ) -> Answer:
        """Never raises but when cancelled."""
        timeout_s = self._timeout_s + longer_s
        async with self._room:  # who waits for the city's own connections has not begun to wait for the gateway
            try:
                async with asyncio.timeout(timeout_s):
                    return Answer(*await self._line.ask(method, url, headers, body, KEPT_BYTES))
            except TimeoutError:
                return Answer(0, error=f"no answer within {timeout_s:g} s")
            except FAILURES as why:
                return Answer(0, error=f"{type(why).__name__}: {why}"[:300])

    async def close(self) -> None:
        """Connections end."""
        await self._line.close()


async def post_outside(
    url: str, headers: Mapping[str, str], body: bytes, *, inside: bool, permit: str, timeout_s: float
) -> Answer:
    """To a URL that somebody else gave: its name is looked up, the address checked, and the connection goes to that one.
    `permit` says what would allow an address inside. Never raises but when cancelled."""
    try:
        async with asyncio.timeout(timeout_s):
            target = read_url(url, inside=inside, permit=permit)
            address = await find_address(target, inside=inside, permit=permit)
            shown = f"[{address}]" if ":" in address else address
            async with httpx.AsyncClient(verify=trusted(), trust_env=False, timeout=None, headers=AGENT) as client:
                return await _ask(
                    client, "POST", f"{target.scheme}://{shown}:{target.port}{target.path}",
                    {**headers, "host": target.netloc}, body, timeout_s, {"sni_hostname": target.host},
                )  # fmt: skip
    except TimeoutError:
        return Answer(0, error=f"no answer within {timeout_s:g} s")
    except (OSError, ValueError, BadInput) as why:
        return Answer(0, error=f"{type(why).__name__}: {why}"[:300])


async def _ask(
    client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float,
    extensions: dict[str, Any] | None = None,
) -> Answer:  # fmt: skip
    try:
        async with (
            asyncio.timeout(timeout_s),
            client.stream(method, url, content=body, headers=dict(headers), extensions=extensions) as answer,
        ):
            said = b""
            async for part in answer.aiter_raw():
                said += part[: KEPT_BYTES - len(said)]
                if len(said) >= KEPT_BYTES:
                    break
            return Answer(answer.status_code, answer.headers, said)
    except TimeoutError:
        return Answer(0, error=f"no answer within {timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as why:
        return Answer(0, error=f"{type(why).__name__}: {why}"[:300])


def outcome_of(answer: Answer, receipt: str, *, final: frozenset[int], hide: tuple[str, ...] = ()) -> Outcome:
    """What an answer means: 2xx is a success, the statuses of `final` end this address. What a gateway says is kept for
    operators without what stands in `hide`: it may repeat addresses and secrets."""
    if 200 <= answer.status < 300:
        return Outcome(ok=True, receipt=receipt[:SHOWN])
    said = answer.error or f"{answer.status} {answer.body[:SHOWN].decode('utf-8', 'replace')}".strip()
    for secret in hide:
        said = said.replace(secret, "...") if secret else said
    asked_s = retry_after_s(answer.headers, time.time()) or None
    return Outcome(ok=False, error=said, retry_after_s=asked_s, is_final=answer.status in final)


@cache
def trusted() -> ssl.SSLContext:
    """Whom this machine trusts."""
    return ssl.create_default_context()
