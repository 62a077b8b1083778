"""The services, one folder each, whole."""
