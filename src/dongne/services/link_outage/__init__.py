"""Outage of an area: many homes that fall silent together are one incident."""
