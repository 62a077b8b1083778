"""The description of the interface: right by the standard, whole, and true of a real city."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31
from starlette.routing import Route
from tests.openapi.conftest import RunningCity

from dongne.web.api.data import FORMS_OF
from dongne.web.api.events import CHOICE
from dongne.web.app import API_PATHS, create_pages

METHODS = ("get", "post", "patch", "put", "delete")
PAGES = {
    "",
    "things",
    "map",
    "answers",
    "walk",
    "boarding",
    "display",
    "replies",
    "data",
    "cases",
    "services",
    "webhooks",
    "preferences",
    "assets",
    "sign-in",
    "sign-out",
}  # what people read
OF_PAGES = {"/cases/watch.json"}  # what a page asks for itself


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, one) for path, item in document["paths"].items() for method, one in item.items()]


def test_the_document_is_openapi_3_1_and_its_schemas_are_json_schema(running: RunningCity) -> None:
    document = running.document
    assert document["openapi"].startswith("3.1")
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)
    for schema in {json.dumps(schema): schema for schema in list_schemas(document)}.values():
        jsonschema_rs.meta.validate(schema)


def list_schemas(node: Any) -> list[Any]:
    if isinstance(node, list):
        return [schema for one in node for schema in list_schemas(one)]
    if not isinstance(node, dict):
        return []
    here = [node["schema"]] if isinstance(node.get("schema"), dict) else []
    here += node["schemas"].values() if isinstance(node.get("schemas"), dict) else []
    return here + [
        schema for name, one in node.items() if name not in ("example", "examples") for schema in list_schemas(one)
    ]


def test_every_reference_leads_somewhere_and_every_operation_has_its_own_name(running: RunningCity) -> None:
    document = running.document
    names = [one["operationId"] for _, _, one in operations(document)]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for _, _, one in operations(document) for tag in one["tags"]} <= tags
    for found in set(re.findall(r"'\$ref': '#/([^']+)'", str(document))):
        here = document
        for step in found.split("/"):
            here = here[step]
    for _, path, one in operations(document):
        given = {p["name"] for p in one.get("parameters", ()) if p.get("in") == "path"}
        assert given == set(re.findall(r"{(\w+)}", path)), path


def test_every_route_of_the_interface_and_every_file_of_the_pages_is_described(running: RunningCity) -> None:
    described = {path for _, path, _ in operations(running.document)}
    assert {f"/api/{name}" for name in FORMS_OF} | {f"/events/{name}" for name in CHOICE} <= described
    for prefix in API_PATHS:
        assert any(path == prefix or path.startswith(f"{prefix}/") for path in described), (
            f"declare what {prefix} answers"
        )
    for route in create_pages(running.city.context).routes:
        assert isinstance(route, Route)
        path = re.sub(r":\w+}", "}", route.path).rstrip("/")
        first = path[1:].partition("/")[0]
        if path in OF_PAGES or first == "homes":  # of homes nothing is open
            continue
        if "." in path.rpartition("/")[2] or first not in PAGES:
            assert path in described, f"declare what {path} answers beside its route"


# --- examples ---------------------------------------------------------------------------------------------------------


class Checker:
    """Sends the examples of operations, and holds answers against what is said of them."""

    def __init__(self, running: RunningCity) -> None:
        self.client, self.document = running.client, running.document
        self._registry = jsonschema_rs.Registry([(DOCUMENT, self.document)], draft=jsonschema_rs.Draft202012)

    def _resolved(self, one: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in one:
            return one
        found: Any = self.document
        for step in one["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)

    def send(self, method: str, path: str, one: dict[str, Any]) -> list[httpx.Response]:
        """Once with what must be said, then once more for each example of what may be."""
        must: dict[str, Any] = {}
        may: list[tuple[str, Any]] = []
        for parameter in map(self._resolved, one.get("parameters", ())):
            values = [parameter["example"]] if "example" in parameter else []
            values += [example["value"] for example in parameter.get("examples", {}).values()]
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", str(values[0]))
            elif parameter.get("required"):
                must[parameter["name"]] = values[0]
            elif parameter["in"] == "query":
                may += [(parameter["name"], value) for value in values]
        if path.startswith("/api/") and may:
            must |= dict([may[0]])
        bodies = [
            (kind, example["value"])
            for kind, content in one.get("requestBody", {}).get("content", {}).items()
            for example in content.get("examples", {}).values()
        ]
        assert bodies or "requestBody" not in one, f"{method} {path} has no example"
        if path.startswith("/events/"):
            return [self._stream(path, {"last_event_id": 0})]
        answers = []
        for kind, body in bodies or [("", None)]:
            sent = {"json": body} if "json" in kind else {"content": body} if body else {}
            headers = {"content-type": kind + ("; boundary=b" if "multipart" in kind else "")} if kind else {}
            answers.append(self.client.request(method, path, params=must, headers=headers, **sent))
        for name, value in may if method == "get" else ():
            answers.append(self.client.get(path, params={**must, name: value}))
        return answers

    def _stream(self, path: str, params: dict[str, Any]) -> httpx.Response:
        with self.client.stream("GET", path, params=params) as response:
            next(response.iter_bytes())
            response._content = b""
            return response

    def check(self, one: dict[str, Any], response: httpx.Response) -> None:
        """Status, content type, headers and body are as described."""
        where = f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:300]}"
        assert str(response.status_code) in one["responses"], where
        said = self._resolved(one["responses"][str(response.status_code)])
        for name in said.get("headers", ()):
            if name in ("Location", "ETag", "Retry-After", "WWW-Authenticate"):
                assert name in response.headers, where
        if "content" not in said:
            assert not response.content, where
            return
        kind = response.headers["content-type"]
        kinds = {k.partition(";")[0]: content for k, content in said["content"].items()}
        assert kind.partition(";")[0] in kinds, where
        if "json" in kind:
            self.validate(response.json(), kinds[kind.partition(";")[0]]["schema"], where)

    def validate(self, value: Any, schema: dict[str, Any], where: str) -> None:
        """Raises where the value is none of the schema."""
        try:
            jsonschema_rs.Draft202012Validator(
                _absolute(schema), registry=self._registry, validate_formats=True
            ).validate(value)
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{where}\n{error.instance_path}: {error.message[:500]}") from None


def _absolute(schema: Any) -> Any:
    """References lead into the whole document."""
    return json.loads(json.dumps(schema).replace('"#/', f'"{DOCUMENT}#/'))


DOCUMENT = "urn:description"
REFUSED = {
    ("get", "/map/city.pmtiles"),  # nobody has made it here
    ("delete", "/v1.1/Locations({id})/HistoricalLocations/$ref"),  # it has one Location, and needs one
    ("post", "/api/webhooks/{id}/dead-letters/{letter}/resend"),  # nothing was given up here
    ("delete", "/api/webhooks/{id}/dead-letters/{letter}"),
    ("delete", "/v1.1/HistoricalLocations({id})/Locations/$ref"),
}
ORDER = {"get": 0, "post": 1, "patch": 2, "put": 3, "delete": 4}


def test_every_example_does_what_its_operation_says(running: RunningCity) -> None:
    run_examples(
        running, lambda method, path: method != "delete" or path.startswith(("/v1.1/Locations", "/v1.1/Tasks"))
    )


@pytest.mark.full
def test_every_deletion_does_what_it_says(running: RunningCity) -> None:
    run_examples(running, lambda method, path: method == "delete")


def run_examples(running: RunningCity, is_meant: Callable[[str, str], bool]) -> None:
    """Reads first, deletions last; after each of these the examples are those of what is left."""
    checker, wrong = Checker(running), []
    for method, path, said in sorted(operations(checker.document), key=lambda found: ORDER[found[0]]):
        if not is_meant(method, path):
            continue
        one = said
        if method == "delete":
            running.fill()
            checker = Checker(running)
            one = checker.document["paths"][path][method]
        for body in one.get("requestBody", {}).get("content", {}).values():
            for example in body.get("examples", {}).values():
                checker.validate(example["value"], body["schema"], f"the example of {method} {path}")
        for response in checker.send(method, path, one):
            try:
                checker.check(one, response)
                assert response.status_code < 400 or (method, path) in REFUSED, (
                    f"{method} {path}: {response.text[:300]}"
                )
            except AssertionError as error:
                wrong.append(str(error).partition("\nassert")[0])
    assert not wrong, "\n".join(wrong)
