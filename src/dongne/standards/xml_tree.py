"""XML of strangers as a tree, read safely.

Without a document type there are no entities, and so no bombs of them: a document that declares one is refused.
"""

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from dongne.model.errors import BadInput


def parse(document: bytes, reason: str, deepest: int) -> Element:
    """The root; names of elements and attributes are {namespace}name. Raises BadInput, counted under `reason`, for what is
    not well-formed, declares a document type or has more than `deepest` elements one in another."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > deepest:
            raise BadInput(
                f"the message has more than {deepest} elements one in another; send fewer levels", reason=reason
            )
        builder.start(_named(name), {_named(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_named(name))

    def refuse(name: str, *_: Any) -> None:
        raise BadInput(f"the message declares a document type ({name[:40]!r}); leave it out", reason=reason)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding nobody knows is a LookupError
        raise BadInput(f"the message is not well-formed XML ({error}); send UTF-8", reason=reason) from None
    root: Element = builder.close()
    return root


def _named(name: str) -> str:
    return "{" + name if "}" in name else name
