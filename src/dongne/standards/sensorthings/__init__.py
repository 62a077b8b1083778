"""OGC SensorThings API 1.1, Part 1 (18-088): what a request says, as typed values, and entities as JSON. No I/O."""
