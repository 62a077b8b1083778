"""What goes into every file: whose data it is, what may be done with it, where it comes from, and its units."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from dongne.model.entities import Datastream
from dongne.model.rights import rights_of
from dongne.model.units import code_of
from dongne.web.api.context import ApiContext
from dongne.web.readings import origin_of

_CSVW_TYPES = {"int64": "integer", "double": "number"}


def unit_code(stream: Datastream) -> str:
    """UCUM."""
    return code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition) or ""


def about(context: ApiContext, streams: Sequence[Datastream]) -> dict[str, str]:
    """Publisher, licences, attributions, origins and units of Datastreams. `origin` is measured, rehomed (really
    measured elsewhere), simulated or derived, of each property."""
    graph, city = context.store.graph, context.city
    origins = [(graph.property_key(stream), origin_of(stream)) for stream in streams]
    rights = [rights_of(stream.properties, city) for stream in streams]
    found = {
        "publisher": city.publisher_name,
        "licence": _together(one.licence for one in rights),
        "attribution": _together(one.attribution for one in rights),
        "origin": _together(
            f"{key}: {origin.kind}" + "".join(f", {part}" for part in (origin.where, origin.what) if part)
            for key, origin in origins
        ),
        "units": _together(
            f"{key}: {unit}" for stream, (key, _) in zip(streams, origins, strict=True) if (unit := unit_code(stream))
        ),
    }
    return {name: text for name, text in found.items() if text}


def _together(parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(part for part in parts if part))


def table_metadata(schema: pa.Schema, known: dict[str, str], address: str) -> dict[str, Any]:
    """The description of a CSV (Metadata Vocabulary for Tabular Data, https://www.w3.org/TR/tabular-metadata/)."""
    columns = [{"name": f.name, "titles": f.name, "datatype": _CSVW_TYPES.get(str(f.type), "string")} for f in schema]
    said = {"publisher": "dc:publisher", "licence": "dc:license", "attribution": "dc:rights", "origin": "dc:source"}
    return {
        "@context": "http://www.w3.org/ns/csvw",
        "url": address,
        **{member: known[name] for name, member in said.items() if name in known},
        "dialect": {"commentPrefix": "#", "header": True},
        "tableSchema": {"columns": columns},
    }
