"""Readers of recorded series: each gives Recordings by name, in the local time of where they were measured."""
