"""Answers with many rows: columns, and from them whatever you work with."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dongne.client.errors import CityError

if TYPE_CHECKING:
    import pandas as pd


class Table:
    """Rows as Arrow columns. `licences` is what the city says about use and origin, by Datastream or for all."""

    def __init__(self, arrow: pa.Table) -> None:
        self.arrow = arrow

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows: {', '.join(self.arrow.column_names)}>"

    @property
    def about(self) -> dict[str, str]:
        """What the city says of the whole: licence, attribution, units."""
        found = self.arrow.schema.metadata or {}
        return {name.decode(): value.decode() for name, value in found.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Each row by the names of the columns; times are aware datetimes."""
        found: list[dict[str, Any]] = self.arrow.to_pylist()
        return found

    def pandas(self) -> "pd.DataFrame":
        """A DataFrame. Needs pandas: pip install 'dongne[client]'."""
        try:
            return self.arrow.to_pandas()
        except ImportError:
            raise CityError(
                0, "pandas is not installed; pip install 'dongne[client]', or use .arrow or .rows()"
            ) from None


def read_arrow(body: bytes) -> Table:
    """The table of an Arrow IPC stream."""
    with pa.ipc.open_stream(body) as stream:
        return Table(stream.read_all())
