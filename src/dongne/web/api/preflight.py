"""What a browser asks before a script of another site may ask (Fetch standard, CORS protocol)."""

from dongne.web.api.context import Scope
from dongne.web.api.http import OPEN, Header

_READS = b"GET, HEAD, OPTIONS"
_ALL = b"GET, HEAD, OPTIONS, POST, PATCH, PUT, DELETE"
_HEADERS = (b"access-control-allow-headers", b"authorization, content-type, if-match, last-event-id, prefer")
_REMEMBERED = (b"access-control-max-age", b"3600")
_VARY = (b"vary", b"origin")


def preflight(scope: Scope, write_origins: tuple[str, ...]) -> list[Header]:
    """Everybody's scripts may read; those of these sites may write too."""
    origin: bytes = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    if origin and origin.decode("latin-1") in write_origins:
        own: Header = (b"access-control-allow-origin", origin)
        return [own, (b"access-control-allow-methods", _ALL), _HEADERS, _REMEMBERED, _VARY]
    return [OPEN, (b"access-control-allow-methods", _READS), _HEADERS, _REMEMBERED, _VARY]
