"""OGC API - Features (17-069r4) with filters (Part 3, 19-079r2) over the Thing graph, under /ogc."""
