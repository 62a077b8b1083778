"""Algorithms with their source."""
