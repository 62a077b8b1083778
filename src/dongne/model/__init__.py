"""The words of a city: frozen, without I/O."""
