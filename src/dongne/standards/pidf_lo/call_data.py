"""What is told about who calls, beside the place: blocks of RFC 7852 as XML.

SubscriberInfo (4.4) is a card of the person, as xCard (RFC 6351); Comment (4.5) is text for whoever takes the call, here the
medical note. Both name who provides them by a reference of the provider's own (3.1, DataProviderReference).
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import msgspec

from dongne.model.errors import BadInput, TooLarge
from dongne.standards.xml_text import UNWRITABLE, escaped
from dongne.standards.xml_tree import parse

COMMENT_TYPE = "application/EmergencyCallData.Comment+xml"
SUBSCRIBER_TYPE = "application/EmergencyCallData.SubscriberInfo+xml"
COMMENT = "urn:ietf:params:xml:ns:EmergencyCallData:Comment"
SUBSCRIBER = "urn:ietf:params:xml:ns:EmergencyCallData:SubscriberInfo"
VCARD = "urn:ietf:params:xml:ns:vcard-4.0"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
MOST_BYTES = 100_000
DEEPEST = 16
REASON = "call_data"


class Text(msgspec.Struct, frozen=True):
    """A text in one language (BCP 47; empty where nobody said)."""

    text: str
    language: str = ""


class Comment(msgspec.Struct, frozen=True):
    """EmergencyCallData.Comment."""

    provider: str
    texts: tuple[Text, ...]


class Related(msgspec.Struct, frozen=True):
    """Somebody the person knows (RFC 6350, 6.6.6): `kinds` such as "emergency", "neighbor", "kin"; `uri` as tel:+82..."""

    kinds: tuple[str, ...]
    name: str = ""
    uri: str = ""


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """EmergencyCallData.SubscriberInfo. `telephones` are URIs (tel:...). `is_private`: privacy was asked for."""

    provider: str
    name: str
    telephones: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    is_private: bool = False


# --- writing


def encode_comment(comment: Comment) -> bytes:
    """The block. Raises BadInput."""
    if not comment.texts:
        raise BadInput("a Comment without text says nothing; leave the block out", reason=REASON)
    lines = [
        f'<com:EmergencyCallData.Comment xmlns:com="{COMMENT}">',
        f"  <com:DataProviderReference>{_token(comment.provider)}</com:DataProviderReference>",
        *(f"  <com:Comment{_lang(one.language)}>{_plain(one.text)}</com:Comment>" for one in comment.texts),
        "</com:EmergencyCallData.Comment>",
    ]
    return _document(lines)


def encode_subscriber(subscriber: Subscriber) -> bytes:
    """The block. Raises BadInput."""
    asked = "true" if subscriber.is_private else "false"
    lines = [
        f'<sub:EmergencyCallData.SubscriberInfo xmlns:sub="{SUBSCRIBER}" privacyRequested="{asked}">',
        f"  <sub:DataProviderReference>{_token(subscriber.provider)}</sub:DataProviderReference>",
        f'  <sub:SubscriberData xmlns="{VCARD}">',
        "    <vcard>",
        *(f"      {line}" for line in _card_lines(subscriber)),
        "    </vcard>",
        "  </sub:SubscriberData>",
        "</sub:EmergencyCallData.SubscriberInfo>",
    ]
    return _document(lines)


def _card_lines(subscriber: Subscriber) -> Iterator[str]:
    yield f"<fn><text>{_plain(subscriber.name)}</text></fn>"
    for language in subscriber.languages:
        yield f"<lang><language-tag>{_plain(language)}</language-tag></lang>"
    for uri in subscriber.telephones:
        yield f"<tel><parameters><type><text>voice</text></type></parameters><uri>{_plain(uri)}</uri></tel>"
    for number, one in enumerate(subscriber.related, 1):
        kinds = "".join(f"<text>{_plain(kind)}</text>" for kind in one.kinds)
        head = f"<parameters><altid><text>{number}</text></altid><type>{kinds}</type></parameters>"
        if one.name:  # name and number are two forms of the same person (RFC 6350, 5.4)
            yield f"<related>{head}<text>{_plain(one.name)}</text></related>"
        if one.uri:
            yield f"<related>{head}<uri>{_plain(one.uri)}</uri></related>"


def _document(lines: list[str]) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(lines) + "\n").encode()


def _lang(language: str) -> str:
    return f' xml:lang="{_plain(language)}"' if language else ""


def _plain(text: str) -> str:
    if not text.strip():
        raise BadInput("a text of the block is empty; leave its element out", reason=REASON)
    if bad := UNWRITABLE.search(text):
        raise BadInput(f"{text[:80]!r} has the character U+{ord(bad[0]):04X}, which XML cannot hold", reason=REASON)
    return escaped(text)


def _token(text: str) -> str:
    if text != " ".join(text.split()):
        raise BadInput(f"DataProviderReference: {text[:80]!r} has blanks too many; leave them out", reason=REASON)
    return _plain(text)


# --- reading


def decode_comment(document: bytes) -> Comment:
    """The block. Raises BadInput, TooLarge."""
    root = _root(document, COMMENT, "EmergencyCallData.Comment")
    texts = [Text(_text(one), one.get(LANG, "")) for one in root.iter(f"{{{COMMENT}}}Comment") if _text(one)]
    if not texts:
        raise BadInput("EmergencyCallData.Comment has no Comment with text; give one", reason=REASON)
    return Comment(_provider(root, COMMENT), tuple(texts))


def decode_subscriber(document: bytes) -> Subscriber:
    """The block's first card. Raises BadInput, TooLarge."""
    root = _root(document, SUBSCRIBER, "EmergencyCallData.SubscriberInfo")
    asked = root.get("privacyRequested", "")
    if asked not in {"true", "false", "1", "0"}:
        raise BadInput(f"privacyRequested: {asked[:80]!r} is neither true nor false", reason=REASON)
    card = next(root.iter(f"{{{VCARD}}}vcard"), None)  # bare, or in vcards as some send it
    if card is None:
        raise BadInput("SubscriberData has no vcard; give one", reason=REASON)
    name = _find(card, "fn/text")
    if not name:
        raise BadInput("vcard has no fn; RFC 6350 demands one", reason=REASON)
    return Subscriber(
        provider=_provider(root, SUBSCRIBER), name=name, is_private=asked in {"true", "1"},
        telephones=tuple(_find(one, "uri") or _find(one, "text") for one in card.iter(f"{{{VCARD}}}tel")),
        languages=tuple(_find(one, "language-tag") for one in card.iter(f"{{{VCARD}}}lang")),
        related=_related(card),
    )  # fmt: skip


def _related(card: Element) -> tuple[Related, ...]:
    found: dict[str, Related] = {}
    for number, one in enumerate(card.iter(f"{{{VCARD}}}related")):
        same = _find(one, "parameters/altid/text") or f"#{number}"
        kinds = tuple(_text(kind) for kind in one.iterfind(_path("parameters/type/text")))
        before = found.get(same, Related(kinds))
        found[same] = Related(before.kinds, before.name or _find(one, "text"), before.uri or _find(one, "uri"))
    return tuple(found.values())


def _root(document: bytes, space: str, name: str) -> Element:
    if len(document) > MOST_BYTES:
        raise TooLarge(f"the block has {len(document)} bytes; send at most {MOST_BYTES}", reason=REASON)
    root = parse(document, REASON, DEEPEST)
    if root.tag != f"{{{space}}}{name}":
        raise BadInput(f"{root.tag[:120]!r} is no {name}; its root is that in {space}", reason=REASON)
    return root


def _provider(root: Element, space: str) -> str:
    found = root.find(f"{{{space}}}DataProviderReference")
    return "" if found is None else " ".join(_text(found).split())


def _path(path: str) -> str:
    return "/".join(f"{{{VCARD}}}{part}" for part in path.split("/"))


def _find(element: Element, path: str) -> str:
    found = element.find(_path(path))
    return "" if found is None else _text(found)


def _text(element: Element) -> str:
    return (element.text or "").strip()
