"""`/status`: the ledger, queues and their limits, and how far history is behind, as a document; pages show the same."""

from typing import Any

from dongne.model.access import PUBLIC, Sight, find_hidden
from dongne.model.entities import EntityType
from dongne.model.times import format_instant, from_us
from dongne.runtime.ledger import Account, total_of
from dongne.standards.openapi import JSON, Answer, Operation, Schema, reference
from dongne.web.api.context import ApiContext
from dongne.web.api.metrics import find_resident_bytes

_COUNT: Schema = {"type": "integer"}
_NUMBERS: Schema = {"type": "object", "additionalProperties": {"type": "number"}}
_ACCOUNT: Schema = {
    "type": "object",
    "description": "received = stored + duplicate + rejected + waiting.",
    "required": ["received", "stored", "duplicate", "rejected", "waiting", "reasons"],
    "properties": {
        **dict.fromkeys(("received", "stored", "duplicate", "rejected", "waiting"), _COUNT),
        "reasons": {"type": "object", "additionalProperties": _COUNT},
    },
}
_PROPERTIES: dict[str, Schema] = {
    "city": {"type": "string"},
    "version": {"type": "string"},
    "time": reference("Instant"),
    "since": reference("Instant"),
    "sequence": {"type": "object", "properties": {name: _COUNT for name in ("first", "head")}},
    "history_lag": {**_COUNT, "description": "How many numbers history is behind the sequence."},
    "observations": _NUMBERS,
    "ledger": {
        "type": "object",
        "required": ["total", "ways", "sequence"],
        "properties": {
            "total": _ACCOUNT,
            "ways": {"type": "object", "additionalProperties": _ACCOUNT},
            "sequence": {"type": "object", "additionalProperties": _COUNT},
        },
    },
    "queues": {"type": "object", "description": "Rows that wait, and how many may."},
    "mqtt": {"description": "The connection to the broker, and the listener for MQTT clients."},
    "scaip": {"description": "The server for gateways that speak SCAIP; null where there is none."},
    "webhooks": {
        "description": "How many in each state, and what was delivered and given up; null where there are none."
    },
    "outboxes": {
        "type": "object",
        "description": "By side (homes, city): what must reach somebody, and how far it is.",
    },
    "homes": {
        "description": "How services of homes are doing, and what came of gateways' messages; null where no homes are looked after."
    },
    "memory_bytes": _COUNT,
    "entities": {**_NUMBERS, "description": "Only what is open data is counted."},
    "event_streams": _COUNT,
    "store": _NUMBERS,
}
OPERATIONS = (
    Operation(
        "GET", "/status", "getStatus", "status", "The ledger of Observations, queues, how far history is behind",
        {200: Answer("As JSON.", {JSON: {"type": "object", "required": list(_PROPERTIES), "properties": _PROPERTIES}})},
        errors=(),
    ),
)  # fmt: skip


def status_document(context: ApiContext, started_us: int, listeners: int, sight: Sight = PUBLIC) -> dict[str, Any]:
    """How the city is doing; only entities that this sight reaches are counted."""
    store, hidden = context.store, find_hidden(context.store.graph, sight)
    accounts = context.intake.ledger.accounts()  # before what the store counts: it is never behind them
    counts = store.counts()
    return {
        "city": context.city.id,
        "version": context.version,
        "time": format_instant(from_us(store.clock.now_us())),
        "since": format_instant(from_us(started_us)),
        "sequence": {"first": store.first(), "head": store.head()},
        "history_lag": store.history_lag(),
        "observations": context.intake.counts(),
        "ledger": ledger_of(accounts, counts),
        "queues": {
            "rows": int(counts.get("queue_rows", 0)),
            "limit_rows": int(counts.get("queue_limit_rows", 0)),
            "lanes": {n.removeprefix("queue_rows_"): int(v) for n, v in counts.items() if n.startswith("queue_rows_")},
            "turned_away": int(counts.get("rejected_queue_full", 0)),
            "disk_full": bool(counts.get("disk_full", 0)),
        },
        "mqtt": context.mqtt(),
        "scaip": None if context.scaip is None else context.scaip(),
        "webhooks": None if context.webhooks is None else context.webhooks.counts(),
        "outboxes": context.outboxes(),
        "homes": None if context.homes is None else context.homes.status(),
        "memory_bytes": find_resident_bytes(),
        "entities": {
            "things": len(store.graph.things.keys() - hidden.of(EntityType.THING)),
            "datastreams": len(store.graph.datastreams.keys() - hidden.of(EntityType.DATASTREAM)),
        },
        "event_streams": listeners,
        "store": counts,
    }


def ledger_of(accounts: dict[str, Account], counts: dict[str, float]) -> dict[str, Any]:
    """Each way's account since the start, and the sum beside the sequence: `unaccounted` are Observations which the
    sequence has and no account, 0 but for those being stored in this moment."""
    total = total_of(accounts)
    there, before = int(counts.get("observations", 0)), int(counts.get("observations_before", 0))
    emitted = int(counts.get("observations_emitted", 0))
    return {
        "total": _said(total),
        "ways": {name: _said(account) for name, account in accounts.items()},
        "sequence": {
            "observations": there,
            "before_the_start": before,
            "from_services": emitted,
            "unaccounted": there - before - emitted - total.stored,
        },
    }


def _said(account: Account) -> dict[str, Any]:
    return {
        "received": account.received,
        "stored": account.stored,
        "duplicate": account.duplicate,
        "rejected": account.refused,
        "waiting": account.waiting,
        "reasons": dict(sorted(account.rejected.items())),
    }
