"""GTFS Schedule: a timetable read from a zip, each fault named with file, line, value and remedy (docs/transit.md)."""
