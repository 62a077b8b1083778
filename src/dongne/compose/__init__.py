"""The only place which wires everything: a city's folder, its store, its services, what streams in, and its pages."""

from dongne.compose.folder import import_city, import_file, rebuild_store, seal_store, store_status
from dongne.compose.opened import OpenCity, RunOptions, open_records
from dongne.compose.running import RunningCity
from dongne.compose.serving import run_city

__all__ = [
    "OpenCity",
    "RunOptions",
    "RunningCity",
    "import_city",
    "import_file",
    "open_records",
    "rebuild_store",
    "run_city",
    "seal_store",
    "store_status",
]
