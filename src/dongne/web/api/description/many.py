"""The operations that take many at once: data arrays and batches."""

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
    schema_of,
)
from dongne.standards.sensorthings.batch import MOST_REQUESTS, JsonRequest
from dongne.standards.sensorthings.observations import COMPONENTS
from dongne.standards.sensorthings.schema import SETS
from dongne.web.api.description.examples import Examples

_TEXT: Schema = {"type": "string"}


def data_arrays(examples: Examples) -> Operation:
    """POST /v1.1/CreateObservations."""
    group = {
        "type": "object",
        "required": ["components", "dataArray"],
        "oneOf": [{"required": ["Datastream"]}, {"required": ["MultiDatastream"]}],
        "properties": {
            "Datastream": reference("Link"),
            "MultiDatastream": reference("Link"),
            "components": {
                "type": "array", "items": {"enum": ["id", *COMPONENTS]}, "contains": {"const": "result"}, "uniqueItems": True,
            },
            "dataArray@iot.count": {"type": "integer"},
            "dataArray": {"type": "array",  "description": "Lists of values in the order of components; a row that is none is an error in its place."},
        },
    }  # fmt: skip
    example = [{
        "Datastream": {"@iot.id": examples.ids["Datastream"]}, "components": ["phenomenonTime", "result"],
        "dataArray": [["2026-05-01T08:30:00Z", 1], ["2026-05-01T08:31:00Z", 2]],
    }]  # fmt: skip
    links = {"type": "array", "items": {"type": "string", "description": "The address of each row, or `error: ...`."}}
    return Operation(
        "POST", "/v1.1/CreateObservations", "createObservations", "Observations", "Many Observations as data arrays",
        {201: Answer("What became of each row, in the order sent.", {JSON: links})},
        "Each good row is stored (18-088, clause 13.2).", body=Body({JSON: {"type": "array", "items": group}}, {"rows": example}),
        errors=WRITE_ERRORS, right=Right.OBSERVE.value,
    )  # fmt: skip


def batch(examples: Examples) -> Operation:
    """POST /v1.1/$batch."""
    request, schemas = schema_of(JsonRequest, "batch")
    sent = {
        "type": "object",
        "required": ["requests"],
        "properties": {"requests": {"type": "array", "maxItems": MOST_REQUESTS, "items": request}},
    }
    answer = {
        "type": "object", "required": ["id", "status"],
        "properties": {"id": _TEXT, "status": {"type": "integer"}, "atomicityGroup": _TEXT, "headers": {"type": "object"}, "body": {}},
    }  # fmt: skip
    got = {"type": "object", "required": ["responses"], "properties": {"responses": {"type": "array", "items": answer}}}
    example = {
        "requests": [
            {"id": "1", "method": "post", "url": "Things", "body": examples.new(SETS["Things"]), "atomicityGroup": "g"},
            {"id": "2", "method": "patch", "url": "$1", "body": {"description": "new"}, "atomicityGroup": "g"},
            {"id": "3", "method": "get", "url": "$1", "dependsOn": ["g"]},
        ]
    }
    return Operation(
        "POST", "/v1.1/$batch", "batch", "SensorThings", "Several requests in one",
        {200: Answer("What became of each.", {JSON: got, "multipart/mixed": _TEXT})},
        f"At most {MOST_REQUESTS}, as JSON (OData JSON 4.01, 19) or multipart/mixed (18-088, clause 11); answered in the same form.",
        parameters=(Parameter("Prefer", _TEXT, "`odata.continue-on-error=false` ends it at the first that fails.", "header"),),
        body=Body({JSON: sent, "multipart/mixed": _TEXT}, {"requests": example, "multipart/mixed": _MULTIPART}),
        errors=(400, 401, 413, 415, 429, 503), schemas=schemas,
    )  # fmt: skip


_MULTIPART = "--b\r\nContent-Type: application/http\r\n\r\nGET Things?$top=1 HTTP/1.1\r\n\r\n\r\n--b--\r\n"
