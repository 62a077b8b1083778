"""What an interface answers, said in data: each room declares its operations beside its routes, and `describe` makes one
OpenAPI 3.1 document of them (https://spec.openapis.org/oas/v3.1.0).

    LATEST = Operation("GET", "/api/latest", "getLatest", "data", "The newest value of many Datastreams",
                       answers={200: Answer("One row for each", {"application/json": schema})})
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from dongne.model.errors import DongneError, NotAllowed, RetryLater, WrongMethod

VERSION = "3.1.0"
MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.1"
JSON = "application/json"
Schema = Mapping[str, Any]
READ_ERRORS = (400, 401, 404, 429, 503)
WRITE_ERRORS = (400, 401, 403, 404, 409, 413, 415, 429, 503)


class Parameter(msgspec.Struct, frozen=True):
    """One thing that a request may say. `place` is query, path or header; `examples` work when they are sent."""

    name: str
    schema: Schema
    about: str
    place: str = "query"
    required: bool = False
    examples: tuple[Any, ...] = ()


class Body(msgspec.Struct, frozen=True):
    """What a request brings: a schema for each content type, and examples that work when they are sent."""

    contents: Mapping[str, Schema]
    examples: Mapping[str, Any] = {}
    about: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What comes back: a schema for each content type (none: no body), and headers by name of HEADERS."""

    about: str
    contents: Mapping[str, Schema] = {}
    headers: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True):
    """A method at an address. `schemas` are further ones by name, to which it refers. `errors` are the statuses of refusals it may give; `refusal` is their content, where it is not `Error` as JSON; `right` is what a
    token must allow, empty where nobody needs one. `path` has its gaps in braces: /v1.1/Things({id})."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    errors: tuple[int, ...] = READ_ERRORS
    right: str = ""
    takes_token: bool = True
    refusal: Mapping[str, Schema] | None = None
    schemas: Mapping[str, Schema] = {}


class About(msgspec.Struct, frozen=True):
    """The interface as a whole. `is_open`: whoever brings no token may write; `roles` are the roles that have a right."""

    title: str
    version: str
    about: str
    tags: Mapping[str, str]
    schemas: Mapping[str, Schema]
    roles: Mapping[str, Sequence[str]]
    is_open: bool = False
    links: Mapping[str, str] = {}


def reference(name: str) -> dict[str, Any]:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def schema_of(kind: Any, prefix: str) -> tuple[dict[str, Any], dict[str, Schema]]:
    """The JSON Schema of a dataclass or Struct, and those to which it refers, their names with this prefix."""
    (found,), parts = msgspec.json.schema_components([kind], ref_template=f"#/components/schemas/{prefix}.{{name}}")
    return found, {f"{prefix}.{name}": part for name, part in parts.items()}


AS_PAGE: Mapping[str, Schema] = {"text/html; charset=utf-8": {"type": "string"}}
ERROR: Schema = {
    "type": "object",
    "description": "Why nothing was done: the message names the value, its place and what helps.",
    "required": ["code", "type", "message"],
    "properties": {
        "code": {"type": "integer", "description": "The status of the answer."},
        "type": {"const": "error"},
        "message": {"type": "string", "minLength": 1},
    },
    "additionalProperties": False,
    "examples": [{"code": 404, "type": "error", "message": "there is no Thing 99"}],
}
_TEXT: Schema = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "Location": {"description": "The address of what was made.", "schema": {"type": "string", "format": "uri"}},
    "ETag": {"description": "The same as long as the answer is (RFC 9110, 8.8.3).", "schema": _TEXT},
    "Content-Disposition": {"description": "The name of the file.", "schema": _TEXT},
    "Link": {"description": "What describes it (RFC 8288).", "schema": _TEXT},
    "Retry-After": {"description": "Not sooner than in so many seconds.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": _TEXT},
    "Allow": {"description": "The methods that the address takes.", "schema": _TEXT},
}


def describe(about: About, operations: Iterable[Operation]) -> dict[str, Any]:
    """The document. Operations of one path come together; parameters and errors that many share are said once."""
    shared: dict[str, dict[str, Any]] = {}
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Schema] = {"Error": ERROR, **about.schemas}
    for operation in operations:
        schemas.update(operation.schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, about, shared)
    return {
        "openapi": VERSION,
        "info": {"title": about.title, "version": about.version, "description": about.about, **about.links},
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [{"name": name, "description": text} for name, text in about.tags.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": shared,
            "responses": _refusals(),
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`dongne token issue` makes a token."},
                "basic": {
                    "type": "http", "scheme": "basic",
                    "description": "The same token as password, for clients that know only this; any name.",
                },
            },
        },
    }  # fmt: skip


def _operation(operation: Operation, about: About, shared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    said = operation.about
    if operation.right:
        roles = ", ".join(about.roles.get(operation.right, ()))
        said = f"{said} Needs a token with the right `{operation.right}` (roles: {roles}), unless the city is open.".strip()
    found: dict[str, Any] = {"operationId": operation.id, "tags": [operation.tag], "summary": operation.summary}
    if said:
        found["description"] = said
    if operation.parameters:
        found["parameters"] = [_parameter(one, shared) for one in operation.parameters]
    if operation.body:
        found["requestBody"] = _body(operation.body)
    found["responses"] = {
        **{str(status): _answer(answer) for status, answer in operation.answers.items()},
        **{str(status): _refusal(status, operation.refusal) for status in operation.errors},
    }
    if operation.takes_token:
        optional: list[dict[str, Any]] = [{}] if about.is_open or not operation.right else []
        found["security"] = [*optional, {"bearer": []}, {"basic": []}]
    return found


def _parameter(one: Parameter, shared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "in": one.place, "description": one.about, "schema": dict(one.schema)}
    if one.required or one.place == "path":
        found["required"] = True
    if len(one.examples) == 1:
        found["example"] = one.examples[0]
    elif one.examples:
        found["examples"] = {f"example{at}": {"value": value} for at, value in enumerate(one.examples, 1)}
    if one.place == "path" or one.examples:
        return found
    name = one.name.lstrip("$") if shared.get(one.name.lstrip("$"), found) == found else ""
    if not name:
        return found
    shared[name] = found
    return {"$ref": f"#/components/parameters/{name}"}


def _body(body: Body) -> dict[str, Any]:
    contents: dict[str, Any] = {}
    for at, (kind, schema) in enumerate(body.contents.items()):
        contents[kind] = {"schema": dict(schema)}
        fitting = {
            name: value for name, value in body.examples.items() if name == kind or (at == 0 and "/" not in name)
        }
        if fitting:
            contents[kind]["examples"] = {
                name.partition("/")[0] if name == kind else name: {"value": value} for name, value in fitting.items()
            }
    found: dict[str, Any] = {"required": True, "content": contents}
    return {**found, "description": body.about} if body.about else found


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.about}
    if answer.headers:
        found["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers}
    if answer.contents:
        found["content"] = {kind: {"schema": dict(schema)} for kind, schema in answer.contents.items()}
    return found


# --- errors: what dongne.model.errors knows of each -------------------------------------------------------------------


def _kinds(base: type[DongneError] = DongneError) -> Iterable[type[DongneError]]:
    for kind in base.__subclasses__():
        if "status" in vars(kind):
            yield kind
        yield from _kinds(kind)


def _name(status: int) -> str:
    return f"Error{status}"


def _refusals() -> dict[str, Any]:
    found = {}
    for kind in _kinds():
        text = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        headers = [
            name
            for base, name in ((RetryLater, "Retry-After"), (NotAllowed, "WWW-Authenticate"), (WrongMethod, "Allow"))
            if issubclass(kind, base)
        ]
        found[_name(kind.status)] = _answer(Answer(text, {JSON: reference("Error")}, tuple(headers)))
    return found


def _refusal(status: int, contents: Mapping[str, Schema] | None) -> dict[str, Any]:
    if contents is not None:
        return _answer(Answer("It says why.", contents))
    return {"$ref": f"#/components/responses/{_name(status)}"}
