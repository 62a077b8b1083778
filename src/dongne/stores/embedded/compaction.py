"""From order of arrival to order of Datastream and time: a query for one Datastream then reads a few blocks."""

import duckdb

from dongne.stores.embedded.tables import transaction

# A run is made when `recent` has so many rows: about 0.3 s during which history does not advance. Shorter runs are made
# sooner, but then more of them have to be looked into; scanning that many unsorted rows takes about 3 ms.
RUN_ROWS = 1_000_000


def sort_recent(connection: duckdb.DuckDBPyConnection) -> None:
    """Moves all of `recent` to `hist` as one sorted run, in one transaction: a reader sees each row once."""
    with transaction(connection):
        sql = "insert into hist select * from recent order by datastream_id, phenomenon_time, id"
        connection.execute(sql).fetchall()
        connection.execute("truncate recent").fetchall()
