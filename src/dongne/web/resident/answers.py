"""/answers/<id>: a question as a form, its answer in words; the same address gives JSON."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.errors import BadInput, DongneError
from dongne.model.times import hint_time
from dongne.standards.openapi import AS_PAGE, JSON, Answer, Operation, Parameter, reference, schema_of
from dongne.web.context import WebContext
from dongne.web.frame import Page, open_page, render
from dongne.web.names import plain
from dongne.web.resident import walk
from dongne.web.telling import tell

NOT_ASKED = frozenset({"lang", "format"})
ASIDE_DEG = 0.002  # about a hundred metres, for examples
OWN_PAGES = {walk.ANSWER: walk.show}  # answers that are asked on a page of their own


@dataclass(frozen=True)
class Field:
    """A field of the form."""

    name: str
    label: str
    value: str
    is_number: bool
    is_flag: bool


def show(request: Request) -> Response:
    """GET /answers/<id>: the form; with the question's fields in the address, the answer too."""
    page = open_page(request)
    answer = request.path_params["id"]
    given = {key: value for key, value in request.query_params.items() if key not in NOT_ASKED}
    if wants_json(request):
        return _json_answer(page, answer, given)
    if answer in OWN_PAGES:
        return OWN_PAGES[answer](request)
    question_class = page.context.runtime.question_class(answer)
    fields = list_fields(page, answer, question_class, given)
    said, error, status, found = [], "", 200, None
    if given:
        try:
            found = page.context.runtime.ask(answer, make_question(question_class, given), page.who.sight)
            said = say_answer(page, found)
        except DongneError as caught:
            error, status = caught.message, caught.status
    return render(
        page, "answer.html", status, answer=answer, fields=fields, said=said, error=error,
        asked=bool(given), items=list_items(page, found), rest=plain_answer(found) if found and not said else "",
        json_link=page.link(format="json"), curl=f"curl -H 'Accept: application/json' '{page.base_url}{page.link()}'",
        place={f.name for f in fields} >= {"lon", "lat"},
    )  # fmt: skip


def wants_json(request: Request) -> bool:
    """Whether JSON is asked for rather than a page."""
    accept = request.headers.get("accept", "")
    form = request.query_params.get("format")
    return form not in (None, "html") or ("application/json" in accept and "text/html" not in accept)


def _json_answer(page: Page, answer: str, given: Mapping[str, str]) -> Response:
    try:
        form = page.request.query_params.get("format", "json")
        if form != "json":
            raise BadInput(f"format={form[:40]!r} is not answered here; there are json and html", reason="query")
        question_class = page.context.runtime.question_class(answer)
        found = page.context.runtime.ask(answer, make_question(question_class, given), page.who.sight)
        body, status = found, 200
    except DongneError as error:
        body, status = {"code": error.status, "type": "error", "message": error.message}, error.status
    return Response(msgspec.json.encode(body), status, media_type="application/json", headers={"vary": "Accept"})


def make_question(question_class: type, given: Mapping[str, str]) -> Any:
    """The question of the address; a field that is left empty and may be missing is missing. Raises BadInput naming the field and what it must be."""
    known = {field.name for field in dataclasses.fields(question_class)}
    optional = {field.name for field in dataclasses.fields(question_class) if field.default is None}
    given = {name: value for name, value in given.items() if value or name not in optional}
    if unknown := set(given) - known:
        raise BadInput(f"the question has no field {min(unknown)[:40]!r}; its fields: {', '.join(sorted(known))}")
    try:
        return msgspec.convert(dict(given), question_class, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"{error}{hint_time(str(error))}; fields: {', '.join(sorted(known))}") from error


def list_fields(page: Page, answer: str, question_class: type, given: Mapping[str, str]) -> list[Field]:
    """The form's fields: what was given, else the default, else for a place the city's middle."""
    lon, lat = page.context.config.centre
    middle = {"lon": f"{lon:.5f}", "lat": f"{lat:.5f}"}
    fields = []
    for field in dataclasses.fields(question_class):
        default = (
            ""
            if field.default is dataclasses.MISSING or field.default is None
            else f"{field.default:g}"
            if isinstance(field.default, float)
            else str(field.default)
        )
        kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
        label = page.words.find([f"{answer}.question.{field.name}"]) or plain(field.name)
        fields.append(
            Field(
                field.name,
                label,
                given.get(field.name, default or middle.get(field.name, "")),
                kind in {"float", "int"},
                kind == "bool",
            )
        )
    return fields


def say_answer(page: Page, found: Any) -> list[str]:
    """The answer in words, where it has `sentences`."""
    things = {item.name: page.thing_name(item.thing) for item in getattr(found, "items", ()) if hasattr(item, "thing")}
    return tell(page.words, page.names, getattr(found, "sentences", ()), things)


def list_items(page: Page, found: Any) -> list[tuple[int, str, str]]:
    """(id, name, distance) of the Things the answer speaks of."""
    return [
        (item.thing, page.thing_name(item.thing), f"{item.distance_m:.0f} m" if hasattr(item, "distance_m") else "")
        for item in getattr(found, "items", ())
        if hasattr(item, "thing")
    ]


def plain_answer(found: Any) -> str:
    """The answer as JSON to read, where it has no words."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def list_operations(context: WebContext) -> list[Operation]:
    """One for each answer: its question's fields are the parameters."""
    lon, lat = (round(x, 5) for x in context.config.centre)
    given = {"lon": lon, "lat": lat, "start": f"{lon},{lat}", "end": f"{lon + ASIDE_DEG:.5f},{lat}", "text": "a"}
    return [_operation(*answer, given) for answer in context.runtime.list_answers()]


def _operation(answer: str, question: type, reply: type, shown: Mapping[str, Any]) -> Operation:
    asked, parts = schema_of(question, answer)
    asked = asked if "$ref" not in asked else dict(parts[asked["$ref"].rpartition("/")[2]])
    said, schemas = schema_of(reply, answer)
    doc = " ".join((question.__doc__ or "").split())
    given = tuple(
        Parameter(
            name,
            schema,
            f"{plain(name).capitalize()}.",
            required=name in asked.get("required", ()),
            examples=(shown[name],) if name in shown else (),
        )
        for name, schema in asked["properties"].items()
    )
    name = "".join(part.capitalize() for part in answer.split("_"))
    return Operation(
        "GET", f"/answers/{answer}", f"ask{name}", "answers", doc.partition("? ")[0] + "?",
        {200: Answer("As JSON, or as a page.", {JSON: said, **AS_PAGE})}, doc.partition("? ")[2],
        parameters=(Parameter("format", {"enum": ["json", "html"]}, "Which form; what Accept says where this is missing.", examples=("json",)), *given),
        errors=(400, 404, 503), schemas=schemas, refusal={JSON: reference("Error"), **AS_PAGE},
    )  # fmt: skip


ROUTES = [Route("/answers/{id}", show)]
