"""The only place which wires everything: a city's folder, its store, its services, what streams in, and its pages."""

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
