"""Collections of street bins in Edinburgh: when each was emptied, and how full it was before and after."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq

FULL_SHARE = 0.8  # "100% is actually a bin that's 80% full", says the column's name
SITE = "Site name"
TIME = "Date & Time of bin collection (Europe/London)"
BEFORE = "Fill level before collection (%) [Nb 100% is actually a bin that's 80% full]"
AFTER = "Fill level after"


class Collection(msgspec.Struct, frozen=True, order=True):
    """A bin was emptied at this local time (microseconds); levels in true percent."""

    local_us: int
    before_percent: float
    after_percent: float


def read_collections(path: Path, at_least: int = 15) -> dict[str, list[Collection]]:
    """Collections by site, ascending in time, of the sites with at least so many; most collected first."""
    table = pq.read_table(path, columns=[SITE, TIME, BEFORE, AFTER])
    times = table[TIME].cast("timestamp[us]").cast("int64").to_pylist()
    sites: dict[str, dict[int, Collection]] = {}
    columns = (table[SITE].to_pylist(), times, table[BEFORE].to_pylist(), table[AFTER].to_pylist())
    for site, local_us, before, after in zip(*columns, strict=True):
        if None not in (site, local_us, before, after):
            levels = (FULL_SHARE * min(125.0, max(0.0, float(level))) for level in (before, after))
            sites.setdefault(site, {})[local_us] = Collection(local_us, *levels)
    kept = {site: sorted(found.values()) for site, found in sites.items() if len(found) >= at_least}
    return dict(sorted(kept.items(), key=lambda pair: (-len(pair[1]), pair[0])))
