"""How the city is doing: `/metrics` for Prometheus, `/status` as JSON."""

import re
from collections.abc import Iterable

from dongne.model.access import PUBLIC, find_hidden
from dongne.model.entities import EntityType
from dongne.model.times import format_instant, from_us
from dongne.web.api.context import ApiContext, Send
from dongne.web.api.http import OPEN, send_bytes, send_json

Sample = tuple[dict[str, str], float]
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


def metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    """One metric in the text format of Prometheus (exposition format 0.0.4)."""
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def metrics_text(context: ApiContext, listeners: int, dropped: int) -> str:
    """All metrics: the ledger of Observations, requests by answer, event streams, and what the store counts."""
    counts = context.intake.counts()
    reasons = [({"reason": n.partition(".")[2]}, v) for n, v in counts.items() if n.startswith("rejected.")]
    ledger = [({"became": name}, counts[name]) for name in ("received", "stored", "duplicate", "rejected")]
    requests = [({"what": what, "code": str(code)}, n) for (what, code), n in sorted(context.requests.items())]
    parts = [
        metric("dongne_observations_total", "counter", "Observations sent to the API, by what became of them.", ledger),
        metric("dongne_rejected_total", "counter", "Observations turned away, by reason.", reasons),
        metric("dongne_requests_total", "counter", "Answers of the API.", requests),
        metric("dongne_event_streams", "gauge", "Open event streams.", [({}, listeners)]),
        metric("dongne_event_streams_dropped_total", "counter", "Event streams closed as too slow.", [({}, dropped)]),
    ]
    for way, status in context.mqtt().items():
        samples = [({"what": name}, value) for name, value in status.counts().items()]
        parts.append(
            metric(f"dongne_mqtt_{way}", "gauge", f"MQTT, {way}: counts since the start, and what is now.", samples)
        )
    for name, value in sorted(context.store.counts().items()):
        clean = "dongne_store_" + _NOT_A_NAME.sub("_", name)
        kind = "counter" if name.endswith("_total") else "gauge"
        parts.append(metric(clean, kind, f"The store's {name.replace('_', ' ')}.", [({}, value)]))
    return "".join(parts)


async def send_metrics(context: ApiContext, send: Send, listeners: int, dropped: int) -> None:
    """GET /metrics."""
    await send_bytes(send, 200, metrics_text(context, listeners, dropped).encode(), [_TEXT, OPEN], None)


async def send_status(context: ApiContext, send: Send, listeners: int) -> None:
    """GET /status: the ledger, the sequence and how far history is behind it; entities that are open data are counted."""
    store, hidden = context.store, find_hidden(context.store.graph, PUBLIC)
    document = {
        "city": context.city.id,
        "version": context.version,
        "time": format_instant(from_us(store.clock.now_us())),
        "sequence": {"first": store.first(), "head": store.head()},
        "history_lag": store.history_lag(),
        "observations": context.intake.counts(),
        "entities": {
            "things": len(store.graph.things.keys() - hidden.of(EntityType.THING)),
            "datastreams": len(store.graph.datastreams.keys() - hidden.of(EntityType.DATASTREAM)),
        },
        "event_streams": listeners,
        "mqtt": context.mqtt(),
        "store": store.counts(),
    }
    await send_json(send, 200, document, [OPEN, (b"cache-control", b"no-store")])
