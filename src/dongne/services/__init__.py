"""The services: one folder each, whole. None knows another."""
