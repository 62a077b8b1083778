"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from datetime import datetime
from typing import Any

import msgspec

from dongne.model.times import format_instant

VERSION = "https://jsonfeed.org/version/1.1"
MEDIA_TYPE = "application/feed+json"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item. `address` is its page and its lasting id; `more` stands under the feed's extension."""

    address: str
    title: str
    text: str
    published: datetime
    updated: datetime
    tags: tuple[str, ...] = ()
    author: str = ""
    more: dict[str, Any] = {}


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. `address` is the feed's own, `page` that of the same for people; `extension` begins with "_"."""

    address: str
    page: str
    title: str
    language: str
    author: str
    extension: str
    items: tuple[Item, ...] = ()


def encode(feed: Feed) -> bytes:
    """The feed as JSON."""
    return msgspec.json.encode(
        {
            "version": VERSION, "title": feed.title, "home_page_url": feed.page, "feed_url": feed.address,
            "language": feed.language, "authors": [{"name": feed.author}],
            "items": [_item(item, feed.extension) for item in feed.items],
        }
    )  # fmt: skip


def _item(item: Item, extension: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": item.address, "url": item.address, "title": item.title, "content_text": item.text,
        "date_published": format_instant(item.published), "date_modified": format_instant(item.updated),
    }  # fmt: skip
    if item.tags:
        made["tags"] = list(item.tags)
    if item.author:
        made["authors"] = [{"name": item.author}]
    if item.more:
        made[extension] = item.more
    return made
