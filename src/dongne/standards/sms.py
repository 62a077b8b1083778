"""How long a short message is: 3GPP TS 23.038 (the alphabets) and TS 23.040, 9.2.3.24.1 (messages in several segments)."""

import unicodedata
from typing import NamedTuple

GSM_7, UCS_2 = "GSM-7", "UCS-2"
# TS 23.038, 6.2.1: the default alphabet, and the table that its escape character leads to.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM_7 = _BASIC | _EXTENDED
_ROOM = {GSM_7: (160, 153), UCS_2: (70, 67)}  # characters of a lone message, and of each of several
_WORD_LOSS = 0.3  # a cut goes back to a blank where that costs no more than this part of the text


class Length(NamedTuple):
    """`units` are septets of GSM-7 or 16-bit units of UCS-2; `segments` is what it costs."""

    encoding: str
    units: int
    segments: int


def measure(text: str) -> Length:
    """How a gateway will send this text: GSM-7 if every character is in it, else UCS-2."""
    used = set(text)
    encoding = GSM_7 if used <= _GSM_7 else UCS_2
    double = used & _EXTENDED if encoding == GSM_7 else {c for c in used if c > "\uffff"}
    units = len(text) + sum(text.count(c) for c in double)
    alone, each = _ROOM[encoding]
    if units <= alone:
        return Length(encoding, units, 1)
    if not double:
        return Length(encoding, units, -(-units // each))
    segments, filled = 1, 0
    for size in [2 if c in double else 1 for c in text]:  # a character of two units is never cut in two
        if filled + size > each:
            segments, filled = segments + 1, 0
        filled += size
    return Length(encoding, units, segments)


def shorten(text: str, most_segments: int, tail: str = "") -> str:
    """The text with `tail` (a link) on a line of its own, in so many segments at most. What is too long is cut at the end of
    the text, where possible between words; the tail is never cut, and goes alone where there is no room beside it."""
    text = unicodedata.normalize("NFC", text).strip()
    whole = f"{text}\n{tail}" if tail and text else text or tail
    if measure(whole).segments <= most_segments:
        return whole
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(_cut(text, middle, tail)).segments <= most_segments:
            low = middle
        else:
            high = middle - 1
    blank = text[: low + 1].rfind(" ")
    if blank >= low * (1 - _WORD_LOSS):
        low = blank
    return _cut(text, low, tail) if low > 0 else tail


def _cut(text: str, characters: int, tail: str) -> str:
    """An ellipsis of GSM-7 ("…" is not in it) where all else is, so that it doesn't cost half of the room."""
    kept = text[:characters].rstrip()
    rest = f"\n{tail}" if tail else ""
    return f"{kept}{'...' if measure(kept + rest).encoding == GSM_7 else '…'}{rest}"
