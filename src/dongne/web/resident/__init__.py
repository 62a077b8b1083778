"""Pages for everybody: the district now, its things, the map, questions, open data."""
