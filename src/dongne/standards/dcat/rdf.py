"""A little RDF: things that are said of resources, written as Turtle 1.1 and JSON-LD 1.1.

Predicates and classes are written with the prefixes of PREFIXES ("dct:title"). A resource without an address is a blank node
of the one that speaks of it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dqv": "http://www.w3.org/ns/dqv#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_NOT_IN_ADDRESS = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROL = re.compile(r'[\\"\n\r\t\x00-\x1f\x7f]')


class Text(msgspec.Struct, frozen=True):
    """A literal: in a language, of a datatype ("xsd:date"), or neither."""

    text: str
    language: str = ""
    datatype: str = ""


class Address(msgspec.Struct, frozen=True):
    """A resource of which nothing more is said here. What may not stand in an IRI is percent-encoded."""

    text: str

    @property
    def iri(self) -> str:
        """The address as Turtle and JSON-LD take it."""
        return _NOT_IN_ADDRESS.sub(lambda found: f"%{ord(found[0]):02X}", self.text)


class Resource(msgspec.Struct, frozen=True):
    """A resource with its classes and what is said of it, in order; `address` None for a blank node."""

    address: Address | None
    classes: tuple[str, ...]
    says: tuple[tuple[str, "Value"], ...] = ()


Value = Text | Address | Resource


def said(*pairs: tuple[str, "Value | Iterable[Value] | None"]) -> tuple[tuple[str, Value], ...]:
    """What is said, without what is missing; several values of a predicate one after the other."""
    found: list[tuple[str, Value]] = []
    for predicate, value in pairs:
        if isinstance(value, Text | Address | Resource):
            found.append((predicate, value))
        elif value is not None:
            found += [(predicate, one) for one in value]
    return tuple(found)


def expand(name: str) -> str:
    """The whole address of "dct:title"."""
    prefix, _, rest = name.partition(":")
    return PREFIXES[prefix] + rest


# --- Turtle (https://www.w3.org/TR/turtle/)


def turtle(resources: Iterable[Resource]) -> str:
    """The resources and all that they speak of, each once."""
    lines = [f"@prefix {prefix}: <{address}> ." for prefix, address in PREFIXES.items()]
    blocks = [f"{_turtle_name(one)}{_turtle_says(one, 1)} ." for one in _named(resources)]
    return "\n".join([*lines, ""]) + "\n" + "\n\n".join(blocks) + "\n"


def _named(resources: Iterable[Resource]) -> list[Resource]:
    """Those with an address, and those that they speak of, the same once."""
    found: dict[str, Resource] = {}

    def visit(one: Resource) -> Iterator[Resource]:
        if one.address is not None:
            yield one
        for _, value in one.says:
            if isinstance(value, Resource):
                yield from visit(value)

    for resource in resources:
        for one in visit(resource):
            assert one.address is not None
            found.setdefault(one.address.iri, one)
    return list(found.values())


def _turtle_name(resource: Resource) -> str:
    assert resource.address is not None
    return f"<{resource.address.iri}>"


def _turtle_says(resource: Resource, depth: int) -> str:
    indent = "\n" + "    " * depth
    parts = [f"a {', '.join(resource.classes)}"] if resource.classes else []
    parts += [f"{predicate} {_turtle_value(value, depth)}" for predicate, value in resource.says]
    return "".join(f"{indent}{part}{' ;' if place < len(parts) else ''}" for place, part in enumerate(parts, 1))


def _turtle_value(value: Value, depth: int) -> str:
    match value:
        case Text(text, language, datatype):
            quoted = '"' + _CONTROL.sub(_escape, text) + '"'
            return quoted + (f"@{language}" if language else f"^^{datatype}" if datatype else "")
        case Address():
            return f"<{value.iri}>"
        case Resource(None, _, _):
            return f"[{_turtle_says(value, depth + 1)}\n{'    ' * depth}]"
    return _turtle_name(value)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[0]) or f"\\u{ord(found[0]):04X}"


# --- JSON-LD (https://www.w3.org/TR/json-ld11/)


def json_ld(resources: Iterable[Resource]) -> dict[str, Any]:
    """The same as one document with a graph."""
    return {"@context": PREFIXES, "@graph": [_object(one) for one in _named(resources)]}


def _object(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {"@id": resource.address.iri} if resource.address else {}
    if resource.classes:
        found["@type"] = list(resource.classes)
    for predicate, value in resource.says:
        found.setdefault(predicate, []).append(_json_value(value))
    return found


def _json_value(value: Value) -> dict[str, Any]:
    match value:
        case Text(text, language, datatype):
            more = {"@language": language} if language else {"@type": datatype} if datatype else {}
            return {"@value": text, **more}
        case Address():
            return {"@id": value.iri}
        case Resource(None, _, _):
            return _object(value)
    assert value.address is not None
    return {"@id": value.address.iri}
