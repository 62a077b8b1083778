"""What a city has beside its Things: read from its sources, made once and kept in the data folder."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dongne.adapters.gtfs_city import load_planner, load_transit
from dongne.adapters.osm_places import load_places
from dongne.adapters.osm_walking import load_walk_network
from dongne.model.errors import BadSetup
from dongne.runtime.answer import Layers
from dongne.runtime.registry import LoadedAnswer

LAYERS: dict[
    str, Callable[[Path, Path | None, Path], Any]
] = {  # of a city's folder, its data, and where to keep what was made
    "places": load_places,
    "transit": load_transit,
    "transit_planner": load_planner,
    "walk_network": load_walk_network,
}


def load_layers(answers: Iterable[LoadedAnswer], city_folder: Path, data: Path | None, cache: Path) -> Layers:
    """The layers that these answers need. Raises BadSetup for one that there is not, or whose source is not here."""
    wanted = {name: answer.id for answer in answers for name in answer.cls.needs}
    for name, answer in wanted.items():
        if name not in LAYERS:
            raise BadSetup(
                f"services/{answer}/service.py needs the layer {name!r}; layers: {', '.join(sorted(LAYERS))}"
            )
    return {name: LAYERS[name](city_folder, data, cache) for name in sorted(wanted)}
