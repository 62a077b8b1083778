"""The operations below /v1.1, made of the entity sets and of what each address takes (`changes.methods`)."""

from collections.abc import Iterator
from typing import Any

import msgspec

from dongne.model.tasks import TASK_STATES
from dongne.model.who import Right
from dongne.standards.openapi import (
    JSON,
    WRITE_ERRORS,
    Answer,
    Body,
    Operation,
    Parameter,
    Schema,
    reference,
)
from dongne.standards.sensorthings.formats import CONTENT_TYPES
from dongne.standards.sensorthings.options import parse_path
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, TASKS, EntitySet
from dongne.web.api.changes.changer import JSON_PATCH, MOST_DELETED
from dongne.web.api.changes.methods import methods_of
from dongne.web.api.description.entities import new_at
from dongne.web.api.description.examples import OF_MULTI, Examples
from dongne.web.api.description.many import batch, data_arrays
from dongne.web.api.description.options import COUNT, SKIP, TOP, past_option, set_options, shown_options

_TEXT: Schema = {"type": "string"}
_PLAIN = "text/plain; charset=utf-8"
_LINK_BODY = Body(
    {
        JSON: {
            "anyOf": [
                reference("Link"),
                {"type": "object", "required": ["@odata.id"], "properties": {"@odata.id": _TEXT}},
            ]
        }
    }
)
_PATCH_BODY: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string", "description": "JSON Pointer (RFC 6901) into the entity."},
            "from": _TEXT,
            "value": {},
        },
    },
}
MADE = {201: Answer("It is there, and durable.", headers=("Location",))}
DELETED = {
    200: Answer(
        "They are gone, and that is durable.",
        {
            JSON: {
                "type": "object",
                "required": ["deleted"],
                "properties": {"deleted": {"type": "integer", "minimum": 0}},
            }
        },
    )
}
DONE = {200: Answer("Done, and durable.")}


def sensorthings_operations(examples: Examples) -> Iterator[Operation]:
    """All of them."""
    yield Operation(
        "GET", "/v1.1", "getRoot", "SensorThings", "The entity sets, and what is done of the standard",
        {200: Answer("The service's root (18-088, clause 9.2.1).", {JSON: _ROOT})}, errors=(),
    )  # fmt: skip
    for entity_set in SETS.values():
        yield from _Set(entity_set, examples).operations()
    yield data_arrays(examples)
    yield batch(examples)


_ROOT: Schema = {
    "type": "object",
    "required": ["value", "serverSettings"],
    "properties": {
        "value": {
            "type": "array",
            "items": {
                "type": "object", "required": ["name", "url"],
                "properties": {"name": _TEXT, "url": {"type": "string", "format": "uri"}},
            },
        },
        "serverSettings": {
            "type": "object",
            "required": ["conformance"],
            "properties": {"conformance": {"type": "array", "items": {"type": "string", "format": "uri"}}},
        },
    },
}  # fmt: skip


class _Set:
    """The operations of one entity set."""

    def __init__(self, entity_set: EntitySet, examples: Examples) -> None:
        self.set, self.examples = entity_set, examples
        self.one, self.tag = entity_set.type_name, entity_set.name
        self.id = Parameter(
            "id", reference("Id"), f"Of {entity_set.one}; {'/v1.1/' + entity_set.name} lists them.", "path", True,
            (examples.ids[self.one],),
        )  # fmt: skip

    def operations(self) -> Iterator[Operation]:
        at, one = f"/v1.1/{self.tag}", f"/v1.1/{self.tag}({{id}})"
        yield from self._resource(at, self.tag, self.set, f"{self.tag}", ())
        yield self._references(f"{at}/$ref", f"list{self.one}References", self.set, (), many=True)
        yield from self._resource(one, f"{self.tag}(1)", self.set, self.one, (self.id,))
        yield self._references(f"{one}/$ref", f"get{self.one}Reference", self.set, (self.id,), many=False)
        yield from self._properties(one)
        for name, way in self.set.navigations.items():
            target = SETS[way.target]
            if name == "MultiDatastream":  # an Observation has one of the two
                self.id = msgspec.structs.replace(self.id, examples=(self.examples.ids[OF_MULTI],))
            yield from self._resource(
                f"{one}/{name}", f"{self.tag}(1)/{name}", target, f"{name}Of{self.one}", (self.id,), self.set
            )
            yield from self._links(f"{one}/{name}/$ref", name, target)

    # --- entities

    def _resource(
        self,
        path: str,
        sample: str,
        target: EntitySet,
        name: str,
        given: tuple[Parameter, ...],
        source: EntitySet | None = None,
    ) -> Iterator[Operation]:
        """What can be done at the address of a set, or of one entity."""
        methods = methods_of(parse_path(sample))
        is_single = "PATCH" in methods
        whose = f" of {self.set.one}" if source else ""
        if is_single:
            yield Operation(
                "GET", path, f"get{name}", self.tag, f"{target.one}{whose}"[:1].upper() + f"{target.one}{whose}"[1:],
                {200: Answer(f"The {target.type_name}.", {JSON: reference(target.type_name)})},
                parameters=(*given, *shown_options(target)),
            )  # fmt: skip
        else:
            yield Operation(
                "GET", path, f"list{name}", self.tag, f"{target.name}{whose}, a page at a time",
                {200: Answer("A page of them.", _page_contents(target))}, parameters=(*given, *set_options(target, self.examples)),
            )  # fmt: skip
        for method in methods:
            if method not in ("GET", "HEAD"):
                yield self._change(method, path, target, name, given, source, is_single=is_single)

    def _change(
        self, method: str, path: str, target: EntitySet, name: str, given: tuple[Parameter, ...], source: EntitySet | None,
        *, is_single: bool,
    ) -> Operation:  # fmt: skip
        whose = f" of {self.set.one}" if source else ""
        right = Right.TASK if target is TASKS else Right.MODEL
        common: dict[str, Any] = {"right": right.value, "errors": WRITE_ERRORS, "parameters": given}
        match method:
            case "POST":
                return self._create(path, target, name, source, common, whose)
            case "PATCH":
                contents: dict[str, Schema] = {JSON: reference(f"Changed{target.type_name}")}
                body = Body(contents, {"change": self.examples.changed(target)})
                about = (
                    f"Moves a Task on: {' -> '.join(TASK_STATES[:4])}, or failed, expired." if target is TASKS else ""
                )
                if target is not TASKS:
                    contents[JSON_PATCH] = _PATCH_BODY
                    first = next(iter(self.examples.changed(target).items()))
                    patch = [{"op": "replace", "path": f"/{first[0]}", "value": first[1]}]
                    body = Body(contents, {"change": self.examples.changed(target), JSON_PATCH: patch})
                return Operation(
                    "PATCH",
                    path,
                    f"change{name}",
                    self.tag,
                    f"Change {target.one}{whose}",
                    DONE,
                    about,
                    body=body,
                    **common,
                )
            case "PUT":
                needed = {"allOf": [reference(f"Changed{target.type_name}"), {"required": list(target.required)}]}
                body = Body({JSON: needed}, {"replacement": self.examples.new(target, target)})
                about = "It is what the body says; links that it does not name stay."
                return Operation(
                    "PUT",
                    path,
                    f"replace{name}",
                    self.tag,
                    f"Replace {target.one}{whose}",
                    DONE,
                    about,
                    body=body,
                    **common,
                )
        if is_single:
            return Operation(
                "DELETE", path, f"delete{name}", self.tag, f"{'Cancel' if target is TASKS else 'Delete'} {target.one}{whose}",
                DONE, "What can't be without it goes too." if target is not TASKS else "", **common,
            )  # fmt: skip
        which = Parameter(
            "$filter", {"type": "string", "minLength": 1}, "Which; `id gt 0` means all of this path.", required=True,
            examples=("name eq 'nothing is called so'" if "name" in target.properties else "id eq 0",),
        )  # fmt: skip
        return Operation(
            "DELETE", path, f"delete{name}", self.tag, f"Delete those {target.name}{whose} that fit", DELETED,
            f"At most {MOST_DELETED} at once.", **{**common, "parameters": (*given, which)},
        )  # fmt: skip

    def _create(
        self, path: str, target: EntitySet, name: str, source: EntitySet | None, common: dict[str, Any], whose: str
    ) -> Operation:
        about, answers = "With what hangs on it, new or linked; all of it is stored or nothing.", dict(MADE)
        if target is OBSERVATIONS:
            common = {**common, "right": Right.OBSERVE.value}
            about = "Answered when it is durable. Without a phenomenonTime it is now; a time needs its zone."
            if source is None or source.name == "Datastreams":
                answers[200] = Answer("The latest says the same already; its address.", headers=("Location",))
        example = self.examples.new(target, source)
        return Operation(
            "POST", path, f"create{target.type_name}{name.partition('Of')[1]}{name.partition('Of')[2]}" if source else
            f"create{target.type_name}", self.tag, f"A new {target.type_name}{whose}", answers, about,
            body=Body({JSON: new_at(target, source)}, {"new": example}), **common,
        )  # fmt: skip

    # --- properties and links

    def _properties(self, one: str) -> Iterator[Operation]:
        names = list(self.set.properties)
        which = Parameter("property", {"enum": names}, "Its name.", "path", True, (names[0],))
        nothing = Answer("It has no value.")
        given = (self.id, which, *past_option(self.set))
        said = {"type": "object", "description": "The property alone.", "minProperties": 1, "maxProperties": 1}
        yield Operation(
            "GET", f"{one}/{{property}}", f"get{self.one}Property", self.tag, f"One property of {self.set.one}",
            {200: Answer("{name: value}", {JSON: said}), 204: nothing}, "What lies inside follows after a slash.",
            parameters=given,
        )  # fmt: skip
        yield Operation(
            "GET", f"{one}/{{property}}/$value", f"get{self.one}PropertyValue", self.tag,
            f"The bare value of a property of {self.set.one}", {200: Answer("The value.", {_PLAIN: _TEXT}), 204: nothing},
            parameters=given,
        )  # fmt: skip

    def _references(
        self, path: str, name: str, target: EntitySet, given: tuple[Parameter, ...], *, many: bool
    ) -> Operation:
        single = {
            "type": "object",
            "required": ["@iot.selfLink"],
            "properties": {"@iot.selfLink": {"type": "string", "format": "uri"}},
        }
        schema = reference("References") if many else single
        further = (TOP, SKIP, COUNT, *past_option(target)) if many else past_option(target)
        return Operation(
            "GET", path, name, self.tag, f"{'Addresses' if many else 'Address'} of {target.name if many else target.one}",
            {200: Answer("Addresses alone.", {JSON: schema})}, parameters=(*given, *further),
        )  # fmt: skip

    def _links(self, path: str, name: str, target: EntitySet) -> Iterator[Operation]:
        many = self.set.navigations[name].many
        yield self._references(path, f"get{name}ReferenceOf{self.one}", target, (self.id,), many=many)
        body = Body(_LINK_BODY.contents, {"link": {"@iot.id": self.examples.ids[target.type_name]}})
        for method in methods_of(parse_path(f"{self.tag}(1)/{name}/$ref")):
            common: dict[str, Any] = {"errors": WRITE_ERRORS, "right": Right.MODEL.value, "parameters": (self.id,)}
            answers = {204: Answer("The link is so, and durable.")}
            if method in ("POST", "PUT"):
                verb = "add" if method == "POST" else "set"
                yield Operation(
                    method, path, f"{verb}{name}LinkOf{self.one}", self.tag, f"Link {self.set.one} to {target.one}", answers,
                    body=body, **common,
                )  # fmt: skip
            elif method == "DELETE":
                which = Parameter(
                    "$id", {"type": "string", "minLength": 1}, "The address of the entity at its other end.", required=True,
                    examples=(f"{target.name}({self.examples.linked(self.set, name)})",),
                )  # fmt: skip
                yield Operation(
                    "DELETE", path, f"remove{name}LinkOf{self.one}", self.tag, f"Take away a link to {target.one}", answers,
                    "The entities stay.", **{**common, "parameters": (self.id, which)},
                )  # fmt: skip


def _page_contents(target: EntitySet) -> dict[str, Schema]:
    page = reference(f"{target.type_name}Page")
    found: dict[str, Schema] = {JSON: {"anyOf": [page, reference("DataArrays")]} if target is OBSERVATIONS else page}
    found[CONTENT_TYPES["CSV"].decode()] = _TEXT
    found[CONTENT_TYPES["GeoJSON"].decode()] = reference("FeatureCollection")
    return found
