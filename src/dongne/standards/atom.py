"""Atom feeds (RFC 4287), with pages as RFC 5005, section 3, has them."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from dongne.model.times import format_instant
from dongne.standards.xml_text import escaped, writable

NAMESPACE = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"


class Link(msgspec.Struct, frozen=True):
    """An address that has something to do with it: self, alternate, next."""

    relation: str
    address: str
    media_type: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry; `id` is a URI that stays the same for ever."""

    id: str
    title: str
    updated: datetime
    published: datetime | None = None
    summary: str = ""
    links: tuple[Link, ...] = ()
    categories: tuple[str, ...] = ()


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The whole; `author` answers for all entries."""

    id: str
    title: str
    updated: datetime
    author: str
    language: str = ""
    links: tuple[Link, ...] = ()
    entries: tuple[Entry, ...] = ()


def encode(feed: Feed) -> bytes:
    """The feed as an XML document; a character that XML cannot hold is U+FFFD in it."""
    language = f' xml:lang="{_said(feed.language)}"' if feed.language else ""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="{NAMESPACE}"{language}>\n'
    return f"{head}{''.join(_feed(feed))}</feed>\n".encode()


def _feed(feed: Feed) -> Iterator[str]:
    yield from _common(feed, 1)
    yield f"  <author><name>{_said(feed.author)}</name></author>\n"
    for entry in feed.entries:
        yield "  <entry>\n"
        yield from _common(entry, 2)
        if entry.published is not None:
            yield f"    <published>{format_instant(entry.published)}</published>\n"
        yield from (f'    <category term="{_said(one)}"/>\n' for one in entry.categories)
        if entry.summary:
            yield f"    <summary>{_said(entry.summary)}</summary>\n"
        yield "  </entry>\n"


def _common(made: Feed | Entry, depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield f"{indent}<id>{_said(made.id)}</id>\n"
    yield f"{indent}<title>{_said(made.title)}</title>\n"
    yield f"{indent}<updated>{format_instant(made.updated)}</updated>\n"
    for link in made.links:
        kind = f' type="{_said(link.media_type)}"' if link.media_type else ""
        yield f'{indent}<link rel="{_said(link.relation)}"{kind} href="{_said(link.address)}"/>\n'


def _said(text: str) -> str:
    return escaped(writable(text))
