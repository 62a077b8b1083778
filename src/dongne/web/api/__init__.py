"""The open interface: OGC SensorThings API 1.1, server-sent events, metrics and status, as one ASGI app."""

from dongne.web.api.app import API_PREFIXES, create_api, with_api
from dongne.web.api.context import ApiContext

__all__ = ["API_PREFIXES", "ApiContext", "create_api", "with_api"]
