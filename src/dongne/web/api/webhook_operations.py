"""What /api/webhooks answers, declared for the description of the interface."""

from typing import Any

from dongne.adapters.webhooks import NewWebhook
from dongne.model.who import Right
from dongne.runtime.webhooks import ACCESSES, DEAD, DELIVERED, EVENTS, FAILED
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

_ID: Schema = {"type": "integer", "minimum": 1, "maximum": 10**15 - 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT: Schema = {"type": "string"}
_HOOK = Parameter("id", _ID, "The webhook.", "path", True, (1,))
_LETTER = Parameter("letter", _ID, "The dead letter.", "path", True, (1,))
_SECRET: Schema = {"type": "string", "pattern": "^whsec_", "description": "Shown this once."}
_READ = (401, 403, 404, 429)
_NEW, _PARTS = schema_of(NewWebhook, "Webhooks")
_WEBHOOK: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name", "url", "choice", "access", "state", "position", "dead_letters"],
    "properties": {
        "id": _ID,
        "name": _TEXT,
        "url": {"type": "string", "format": "uri"},
        "choice": {"type": "object", "properties": {"events": {"type": "array", "items": {"enum": list(EVENTS)}}}},
        "access": {"enum": list(ACCESSES)},
        "owner": _TEXT,
        "attempts": _ID,
        "state": {"enum": ["active", "paused", "stopped"]},
        "why": {"enum": ["", "gone", "owner"]},
        "created": reference("Instant"),
        "position": {**_COUNT, "description": "The number of the sequence up to which it was sent."},
        "under_way": {"type": ["object", "null"]},
        **dict.fromkeys(("deliveries", "events", "failures", "dead_letters"), _COUNT),
    },
}
_CREATED = {**_WEBHOOK, "properties": {**_WEBHOOK["properties"], "secret": _SECRET}}
_ATTEMPT = {
    "type": "object",
    "properties": {"message": _TEXT, "status": _COUNT, "outcome": {"enum": [DELIVERED, FAILED, DEAD]}},
}


def _all_of(item: Schema) -> dict[str, Schema]:
    return {JSON: {"type": "object", "required": ["value"], "properties": {"value": {"type": "array", "items": item}}}}


def _step(path: str, name: str, summary: str, answers: dict[int, Answer], method: str = "POST") -> Operation:
    more = (_LETTER,) if "{letter}" in path else ()
    return Operation(
        method, f"/api/webhooks/{{id}}{path}", name, "webhooks", summary, answers, parameters=(_HOOK, *more),
        errors=(*_READ, 409), right=Right.WEBHOOK,
    )  # fmt: skip


_NOW = {200: Answer("As it is now.", {JSON: _WEBHOOK})}
_CAME = {
    "type": "object",
    "required": ["delivered", "status", "error", "took_ms"],
    "properties": {"delivered": {"type": "boolean"}},
}
OPERATIONS = (
    Operation(
        "GET", "/api/webhooks", "listWebhooks", "webhooks", "One's own webhooks; an admin's are all",
        {200: Answer("By id.", _all_of(_WEBHOOK))}, errors=_READ, right=Right.WEBHOOK,
    ),
    Operation(
        "POST", "/api/webhooks", "createWebhook", "webhooks", "Have what is stored sent to a URL",
        {201: Answer("With its secret.", {JSON: _CREATED}, ("Location",))},
        "Signed as Standard Webhooks 1.0.0 has it; docs/webhooks.md says what arrives.",
        body=Body({JSON: _NEW}, {"cases": {"url": "https://example.org/hook", "events": ["cases"]}}),
        errors=WRITE_ERRORS, right=Right.WEBHOOK, schemas=_PARTS,
    ),
    _step("", "getWebhook", "One webhook", _NOW, "GET"),
    _step("", "deleteWebhook", "Delete it, with its dead letters", {204: Answer("It is gone.")}, "DELETE"),
    _step("/pause", "pauseWebhook", "Send nothing for now", _NOW),
    _step("/resume", "resumeWebhook", "Go on where it was, at once", _NOW),
    _step("/test", "testWebhook", "Send a test now", {200: Answer("What came of it.", {JSON: _CAME})}),
    _step("/secret", "renewWebhookSecret", "A new secret; the old one signs too for a day", {
        200: Answer("The new one.", {JSON: {"type": "object", "required": ["secret"], "properties": {"secret": _SECRET}}})}),
    _step("/deliveries", "listDeliveries", "The last attempts", {200: Answer("Newest first.", _all_of(_ATTEMPT))}, "GET"),
    _step("/dead-letters", "listDeadLetters", "What was given up", {200: Answer("Oldest first.", _all_of({"type": "object"}))}, "GET"),
    _step("/dead-letters/{letter}", "dismissDeadLetter", "It need not be sent", {204: Answer("It is gone.")}, "DELETE"),
    _step("/dead-letters/{letter}/resend", "resendDeadLetter", "Send it once more", {202: Answer("It will be.")}),
)  # fmt: skip
