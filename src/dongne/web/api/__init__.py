"""The open interface: OGC SensorThings API 1.1, server-sent events, metrics and status, as one ASGI app."""

from dongne.web.api.app import Api, create_api
from dongne.web.api.collector import quieten_collector, waken_collector
from dongne.web.api.context import ApiContext
from dongne.web.api.protocol import append_protocol

__all__ = [
    "Api",
    "ApiContext",
    "append_protocol",
    "create_api",
    "quieten_collector",
    "waken_collector",
]
