"""Measurements at home: planned, reminded of, looked at by rules and by nurses."""
