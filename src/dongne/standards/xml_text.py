"""Text inside XML 1.0 documents."""

import re
from xml.sax.saxutils import escape

UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_SPECIAL = re.compile('[&<>"\r]')
_MORE = {"\r": "&#13;", '"': "&quot;"}


def writable(text: str) -> str:
    """The text with U+FFFD for each character that XML cannot hold."""
    return text if text.isprintable() else UNWRITABLE.sub("\ufffd", text)


def escaped(text: str) -> str:
    """The text as content of an element or of an attribute in double quotes. A carriage return stays one."""
    return escape(text, _MORE) if _SPECIAL.search(text) else text
