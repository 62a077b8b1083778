"""Dongne: what a city's sensors and residents say, acted on by small services, open to everybody."""

__version__ = "0.1.0"
