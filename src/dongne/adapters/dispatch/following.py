"""What desks say later is heard by long poll: the city asks, so that no control centre needs a way in to it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dongne.adapters.dispatch.desk import DeskLine
from dongne.adapters.http_line import FAILURES
from dongne.model.errors import DongneError
from dongne.standards.dispatch.events import DispatchEvent

log = logging.getLogger(__name__)
WAIT_S = 25.0
PAUSE_S = (1.0, 2.0, 5.0, 10.0)  # after the first, second ... failure in a row

Tell = Callable[[str, DispatchEvent], Awaitable[None]]
"""Takes an event of a desk by its name; where it raises, the event comes again."""


async def follow(
    line: DeskLine, tell: Tell, *, after: int = 0, failed: Callable[[str], None] = lambda why: None
) -> None:
    """Tells of each event of a desk behind `after`, in order, until cancelled. An event may be told twice (after a failure, or a
    start with an older `after`)."""
    failures = 0
    while True:
        try:
            page = await line.events(after, WAIT_S)
            if page.last < after:  # the desk began anew
                after = 0
                continue
            for event in page.events:
                await tell(line.desk.name, event)
                after = event.number
            failures = 0
        except Exception as error:  # also a fault of ours: without its ears the city never hears that 119 has an alarm
            if not isinstance(error, (*FAILURES, TimeoutError, DongneError)):
                log.exception("what desk %s says could not be taken in; asked again", line.desk.name)
            failed(f"{line.desk.name}: {error}"[:200])
            await asyncio.sleep(PAUSE_S[min(failures, len(PAUSE_S) - 1)])
            failures += 1
