"""GTFS Realtime 2.0: where vehicles are, how full, how late, and what is disrupted, as protocol buffers (docs/transit.md)."""
