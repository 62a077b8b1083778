"""A feed as RFC 4287 has it."""

from datetime import UTC, datetime
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from dongne.standards.atom import Entry, Feed, Link, encode

ATOM = {"a": "http://www.w3.org/2005/Atom"}
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EVIL = "<b>&\"'\r\n동네</b>"


def read(feed: Feed) -> ElementTree.Element:
    return ElementTree.fromstring(encode(feed))


def test_a_feed_has_what_the_standard_asks_of_it_and_of_each_entry() -> None:
    link = Link("self", "https://city.test/a?b=1&c=2", "application/atom+xml")
    entry = Entry(id="urn:x:1", title=EVIL, updated=NOW, published=NOW, summary=EVIL, links=(link,), categories=(EVIL,))
    root = read(Feed(id="urn:x", title="t", updated=NOW, author=EVIL, language="ko", links=(link,), entries=(entry,)))
    assert [child.tag.partition("}")[2] for child in root] == ["id", "title", "updated", "link", "author", "entry"]
    assert root.attrib == {"{http://www.w3.org/XML/1998/namespace}lang": "ko"}
    assert root.findtext("a:author/a:name", namespaces=ATOM) == EVIL
    assert root.findtext("a:updated", namespaces=ATOM) == "2026-11-20T12:00:00Z"
    found = root.find("a:entry", ATOM)
    assert found is not None
    assert [found.findtext(f"a:{tag}", namespaces=ATOM) for tag in ("id", "title", "summary", "published")] == [
        "urn:x:1", EVIL, EVIL, "2026-11-20T12:00:00Z",
    ]  # fmt: skip
    (linked,), (category,) = found.findall("a:link", ATOM), found.findall("a:category", ATOM)
    assert linked.attrib == {"rel": "self", "type": "application/atom+xml", "href": "https://city.test/a?b=1&c=2"}
    assert category.get("term") == EVIL.replace("\n", " ")  # as XML reads attributes


@given(st.text(max_size=20))
def test_whatever_the_title_the_feed_can_be_read(title: str) -> None:
    root = read(Feed(id="urn:x", title=title, updated=NOW, author="city"))
    assert len(root.findtext("a:title", namespaces=ATOM) or "") == len(title)
