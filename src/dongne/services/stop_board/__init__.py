"""The next departures of a stop, with how sure they are."""
