"""Pages for whoever is on duty: cases and services."""
