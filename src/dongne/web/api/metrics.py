"""`/metrics`: how the city is doing, for Prometheus (text exposition format 0.0.4)."""

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dongne.standards.openapi import Answer, Operation
from dongne.web.api.context import ApiContext, Send
from dongne.web.api.http import OPEN, send_bytes

OPERATIONS = (
    Operation(
        "GET", "/metrics", "getMetrics", "status", "Counters for Prometheus",
        {200: Answer("Text exposition format 0.0.4.", {"text/plain; version=0.0.4; charset=utf-8": {"type": "string"}})},
        errors=(), takes_token=False,
    ),
)  # fmt: skip
Sample = tuple[dict[str, str], float]
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")
_STORE_COUNTERS = {
    "observations", "observations_emitted", "rows", "commits", "failed_commits", "callback_errors", "listeners_dropped",
    "history_errors", "history_turns", "history_compactions",
}  # fmt: skip
_COUNTER_PREFIXES = ("rejected_", "dropped_")
_MQTT_GAUGES = {
    "connected",
    "waiting",
    "held_back",
    "most_waiting",
    "connections",
    "sessions",
    "subscriptions",
    "behind",
}
_SCAIP_GAUGES = {"connections", "in_flight", "transactions"}
_SCAIP_LABELS = {"received": "by", "requests": "method", "answered": "code", "told": "snu", "refused": "reason"}
_STARTED_S = time.time()


def metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    """One metric in the text format of Prometheus. A counter's name gets its `_total`."""
    if kind == "counter":
        name = f"{name.removesuffix('_total')}_total"
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
    """All metrics: the ledger of Observations, queues, requests by answer, event streams, what the store counts, MQTT,
    and the process."""
    requests = [({"what": what, "code": str(code)}, n) for (what, code), n in sorted(context.requests.items())]
    limited = [({"what": what}, n) for what, n in sorted(context.rates.refused.items())]
    store = context.store.counts()
    return "".join(
        [
            *_ledger(context),
            *_queues(store),
            metric("dongne_requests_total", "counter", "Answers of the API.", requests),
            metric("dongne_limited_total", "counter", "Requests beyond what one client may, by what.", limited),
            metric("dongne_event_streams", "gauge", "Open event streams.", [({}, listeners)]),
            metric(
                "dongne_event_streams_dropped_total", "counter", "Event streams closed as too slow.", [({}, dropped)]
            ),
            *_store(store),
            *_mqtt(context),
            *_scaip(context),
            *_webhooks(context),
            *_outboxes(context),
            *_homes(context),
            *_process(),
        ]
    )


def _ledger(context: ApiContext) -> list[str]:
    became: list[Sample] = []
    rejected: list[Sample] = []
    waiting: list[Sample] = []
    for way, account in context.intake.ledger.accounts().items():
        of_way = {"way": way}
        became += [
            ({**of_way, "became": "received"}, account.received),
            ({**of_way, "became": "stored"}, account.stored),
            ({**of_way, "became": "duplicate"}, account.duplicate),
            ({**of_way, "became": "rejected"}, account.refused),
        ]
        rejected += [({**of_way, "reason": reason}, n) for reason, n in sorted(account.rejected.items())]
        waiting.append((of_way, account.waiting))
    about = "Observations by the way they came in and what became of them, since the start."
    return [
        metric("dongne_observations_total", "counter", about, became),
        metric("dongne_rejected_total", "counter", "Observations turned away, by way and reason.", rejected),
        metric("dongne_observations_waiting", "gauge", "Observations without an outcome yet.", waiting),
    ]


def _queues(store: dict[str, float]) -> list[str]:
    lanes = {name.removeprefix("queue_rows_"): n for name, n in store.items() if name.startswith("queue_rows_")}
    about = "Rows that may wait in a lane; beyond it senders are told to come again."
    limits = [({"lane": lane}, store["queue_limit_rows"]) for lane in lanes] if "queue_limit_rows" in store else []
    return [
        metric(
            "dongne_queue_rows", "gauge", "Rows that wait to be stored.", [({"lane": k}, n) for k, n in lanes.items()]
        ),
        metric("dongne_queue_limit_rows", "gauge", about, limits),
    ]


def _store(counts: dict[str, float]) -> list[str]:
    parts = []
    for name, value in sorted(counts.items()):
        if name.startswith(("queue_rows_", "queue_limit_rows")):
            continue
        kind = "counter" if name in _STORE_COUNTERS or name.startswith(_COUNTER_PREFIXES) else "gauge"
        clean = "dongne_store_" + _NOT_A_NAME.sub("_", name)
        parts.append(metric(clean, kind, f"The store's {name.replace('_', ' ')}.", [({}, value)]))
    return parts


def _mqtt(context: ApiContext) -> list[str]:
    found: dict[str, list[Sample]] = {}
    for way, status in context.mqtt().items():
        for name, value in status.counts().items():
            if "." not in name:
                found.setdefault(name, []).append(({"way": way}, value))
    return [
        metric(
            f"dongne_mqtt_{name}",
            "gauge" if name in _MQTT_GAUGES else "counter",
            f"MQTT, by way: {name.replace('_', ' ')}.",
            samples,
        )
        for name, samples in found.items()
    ]


def _scaip(context: ApiContext) -> list[str]:
    if context.scaip is None:
        return []
    found: dict[str, list[Sample]] = {}
    for counted, value in context.scaip().counts().items():
        name, _, label = counted.partition(".")
        found.setdefault(name, []).append(({_SCAIP_LABELS[name]: label} if label else {}, value))
    return [
        metric(
            f"dongne_scaip_{name}",
            "gauge" if name in _SCAIP_GAUGES else "counter",
            f"SCAIP: {name.replace('_', ' ')}.",
            samples,
        )
        for name, samples in found.items()
    ]


def _webhooks(context: ApiContext) -> list[str]:
    if context.webhooks is None:
        return []
    counts = context.webhooks.counts()
    states = [({"state": state}, counts[state]) for state in ("active", "paused", "stopped")]
    attempts = [({"became": name}, counts[name]) for name in ("deliveries", "failures")]
    letters = [({"became": name}, counts[name]) for name in ("given_up", "resent", "dismissed")]
    about = "Batches that were given up, and what became of them."
    return [
        metric("dongne_webhooks", "gauge", "Webhooks, by state.", states),
        metric("dongne_webhook_attempts_total", "counter", "Attempts to deliver, by what came of them.", attempts),
        metric("dongne_webhook_events_total", "counter", "Events delivered.", [({}, counts["events"])]),
        metric("dongne_webhook_dead_letters_total", "counter", about, letters),
        metric("dongne_webhook_dead_letters", "gauge", "Dead letters that lie there.", [({}, counts["dead_letters"])]),
    ]


def _homes(context: ApiContext) -> list[str]:
    if context.homes is None:
        return []
    found = context.homes.status()
    services, gateways = found["services"], found["gateways"]
    became = [({"became": name}, gateways[name]) for name in ("stored", "repeats", "skewed", "counted_anew")]
    refused = [({"reason": reason}, n) for reason, n in sorted(gateways["refused"].items())]
    return [
        metric(
            "dongne_homes_services_running", "gauge", "0 where the services of homes have stopped.",
            [({}, services["running"])],
        ),
        metric("dongne_homes_services_lag", "gauge", "Numbers they have not handled yet.", [({}, services["lag"])]),
        metric("dongne_homes_parked", "gauge", "Homes on which a service acts no more.", [({}, services["parked"])]),
        metric("dongne_homes_disk_full", "gauge", "1 where nothing can be stored.", [({}, found["disk_full"])]),
        metric("dongne_homes_messages_total", "counter", "Messages of gateways.", [({}, gateways["messages"])]),
        metric("dongne_homes_events_total", "counter", "What came of them and of what they said.", became),
        metric("dongne_homes_refused_total", "counter", "What was refused, by reason.", refused),
        metric("dongne_homes_unknown_gateways", "gauge", "Gateways that no home has.", [({}, gateways["unknown"])]),
    ]  # fmt: skip


_OUTBOX_GAUGES = {
    "pending": "Notices that have reached nobody yet.",
    "held": "Notices that wait for the end of quiet hours.",
    "oldest_s": "Age of the oldest pending notice, s.",
    "unwritten": "Records of the outbox that the store has not taken yet.",
    "stuck": "1 where the store could not take the last of them.",
}
_OUTBOX_COUNTERS = {
    "sent_unrecorded": "Attempts that were sent before the store had them.",
    "faults": "Faults of ours on the way; each was tried again.",
}


def _outboxes(context: ApiContext) -> list[str]:
    found = context.outboxes()
    if not found:
        return []
    parts = [
        metric(f"dongne_outbox_{name}", "gauge", about, [({"side": side}, one[name]) for side, one in found.items()])
        for name, about in _OUTBOX_GAUGES.items()
    ]
    parts += [
        metric(
            f"dongne_outbox_{name}_total",
            "counter",
            about,
            [({"side": side}, one[name]) for side, one in found.items()],
        )
        for name, about in _OUTBOX_COUNTERS.items()
    ]
    steps = [
        ({"side": side, "what": what, "channel": channel}, n)
        for side, one in found.items()
        for what, channels in one["by_channel"].items()
        for channel, n in channels.items()
    ]
    dead = [({"side": side, "to": to}, n) for side, one in found.items() for to, n in one["dead"].items()]
    parts.append(metric("dongne_outbox_steps_total", "counter", "Attempts and what came of them, by channel.", steps))
    parts.append(
        metric("dongne_outbox_dead_total", "counter", "Notices that were given up, by whom they were for.", dead)
    )
    return [*parts, *_first_attempts(found)]


def _first_attempts(found: dict[str, Any]) -> list[str]:
    """A histogram: from the request of a notice to its first attempt."""
    name = "dongne_outbox_first_attempt_seconds"
    lines = [f"# HELP {name} From the request of a notice to its first attempt.\n# TYPE {name} histogram\n"]
    for side, one in found.items():
        total = 0
        for edge, n in one["first_attempt_s"]["le"].items():
            total += n
            lines.append(f'{name}_bucket{{side="{side}",le="{edge}"}} {total}\n')
        lines.append(f'{name}_sum{{side="{side}"}} {one["first_attempt_s"]["sum"]:g}\n')
        lines.append(f'{name}_count{{side="{side}"}} {total}\n')
    return lines


def _process() -> list[str]:
    """What Prometheus' own clients say of a process, where the machine tells it."""
    cpu_s = sum(os.times()[:2])
    parts = [
        metric("process_start_time_seconds", "gauge", "When the process began, since 1970.", [({}, _STARTED_S)]),
        metric("process_cpu_seconds_total", "counter", "Time of processors used.", [({}, cpu_s)]),
    ]
    if (resident := find_resident_bytes()) is not None:
        parts.append(metric("process_resident_memory_bytes", "gauge", "Memory held.", [({}, resident)]))
    return parts


def find_resident_bytes() -> int | None:
    """How much memory this process holds; None where the machine doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


async def send_metrics(context: ApiContext, send: Send, listeners: int, dropped: int) -> None:
    """GET /metrics."""
    await send_bytes(send, 200, metrics_text(context, listeners, dropped).encode(), [_TEXT, OPEN], None)
