"""The only place which wires everything: a city's folder, its store, its services, what streams in, and its pages.

Its parts are loaded when they are first used: what looks at a store needs no pages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dongne.compose.folder import (
        back_up,
        import_city,
        import_file,
        list_faults,
        open_access,
        rebuild_store,
        restore,
        seal_store,
        store_status,
    )
    from dongne.compose.opened import OpenCity, RunOptions, open_records
    from dongne.compose.running import RunningCity
    from dongne.compose.serving import run_city

__all__ = [
    "OpenCity",
    "RunOptions",
    "RunningCity",
    "back_up",
    "import_city",
    "import_file",
    "list_faults",
    "open_access",
    "open_records",
    "rebuild_store",
    "restore",
    "run_city",
    "seal_store",
    "store_status",
]
_ELSEWHERE = {
    "OpenCity": "opened", "RunOptions": "opened", "open_records": "opened", "RunningCity": "running", "run_city": "serving",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'folder')}"), name)
