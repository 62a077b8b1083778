"""All addresses of the boarding line."""

from collections.abc import Iterator

from dongne.standards.openapi import Operation
from dongne.web.boarding import display, feeds, phone
from dongne.web.seen import SeenCity

ROUTES = [*phone.ROUTES, *display.ROUTES, *feeds.ROUTES]


def list_operations(seen: SeenCity) -> Iterator[Operation]:
    """What is answered to programs."""
    yield from display.list_operations(seen)
    yield from feeds.list_operations(seen)
