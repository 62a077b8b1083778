"""Answers that are made while they are sent: what they hold does not grow with their length."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import Executor

from dongne.web.api.context import Receive, Send
from dongne.web.api.http import Gone, Header

log = logging.getLogger(__name__)
SEND_WITHIN_S = 60.0  # a reader slower than this is left


async def send_stream(
    receive: Receive, send: Send, headers: list[Header], first: bytes, parts: Iterator[bytes], pool: Executor
) -> None:
    """The first part, then all others, each made in a thread while nobody else waits. Where one fails, the connection
    breaks off: the reader sees that the answer is not whole. Raises Gone then, and where the reader hung up."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    loop = asyncio.get_running_loop()
    gone = asyncio.create_task(_hung_up(receive))
    part: bytes | None = first
    try:
        while part is not None:
            if gone.done():
                raise Gone
            async with asyncio.timeout(SEND_WITHIN_S):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await loop.run_in_executor(pool, next, parts, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except Gone:
        raise
    except Exception as error:
        log.warning("an answer could not be sent to its end: %s: %s", type(error).__name__, error)
        raise Gone from error
    finally:
        gone.cancel()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
