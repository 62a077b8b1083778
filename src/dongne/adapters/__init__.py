"""Sockets and files."""
