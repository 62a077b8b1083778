"""CQL2, the Common Query Language of OGC (21-065r2), as text and as JSON, over the expressions of `$filter`."""
