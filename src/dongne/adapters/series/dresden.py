"""Occupancy of car parks in Dresden every quarter of an hour, in percent."""

from pathlib import Path

import pyarrow.parquet as pq

from dongne.adapters.series.recording import Recording, recording


def read(path: Path, since_us: int | None = None) -> dict[str, Recording]:
    """Occupancy by car park; the few values outside 0 to 100 (the counters drift: -2 to 111) are brought to the edge."""
    table = pq.read_table(path, columns=["time", "occupancy_percent", "lot"])
    times = table["time"].cast("timestamp[us]").cast("int64").to_pylist()
    lots: dict[str, list[tuple[int, float]]] = {}
    for local_us, percent, lot in zip(
        times, table["occupancy_percent"].to_pylist(), table["lot"].to_pylist(), strict=True
    ):
        if percent is not None and (since_us is None or local_us >= since_us):
            lots.setdefault(lot, []).append((local_us, min(100.0, max(0.0, percent))))
    return {lot: recording(rows) for lot, rows in sorted(lots.items())}
