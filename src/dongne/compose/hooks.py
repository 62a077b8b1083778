"""A city's webhooks, and who stands behind them: what their token allows now, not when the webhook was made."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dongne.adapters.webhooks import Rules, Webhooks
from dongne.model.errors import NotAllowed
from dongne.model.who import BENCH, Who
from dongne.stores.access import AccessBook
from dongne.stores.webhooks import WebhookFile

if TYPE_CHECKING:
    from dongne.compose.running import RunningCity

FOLDER, OPEN, TOKEN = "folder", "open", "token:"


class TokenOwners:
    """By the id of their token; the folder's own token, and whoever may write where writing is open, by a word.
    `is_open()`: whether it is."""

    def __init__(self, book: AccessBook, admin: Who, is_open: Callable[[], bool]) -> None:
        self._book, self._admin, self._is_open = book, admin, is_open

    def name_of(self, who: Who) -> str:
        """What is kept of this one. Raises NotAllowed."""
        if who is self._admin:
            return FOLDER
        if who is BENCH:
            return OPEN
        found = self._book.find_token_id(who.name) if who.is_known else None
        if found is None:
            raise NotAllowed("there is no token behind this; issue one with `dongne token issue`", reason="token")
        return f"{TOKEN}{found}"

    def find(self, owner: str) -> Who | None:
        """Who that is now; None where it holds no more."""
        if owner == FOLDER:
            return self._admin
        if owner == OPEN:
            return BENCH if self._is_open() else None
        return self._book.find_who_of(int(owner.removeprefix(TOKEN)), time.time_ns() // 1_000)


def make_webhooks(city: "RunningCity", owners: TokenOwners) -> Webhooks | None:
    """The webhooks of this folder, sending from here on; None where they are off."""
    options = city.options
    if options.webhooks == "off":
        return None
    rules = Rules(inside=options.webhooks == "anywhere")
    webhooks = Webhooks(city.store, WebhookFile(options.folder), owners, rules, city.config.id)
    webhooks.start()
    return webhooks
