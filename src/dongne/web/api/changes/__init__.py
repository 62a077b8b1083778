"""Changes of entities over the interface: made, changed, linked, deleted (18-088, clause 10). Each request, and each atomic
group of a batch, is worked out in a `Work` and stored as one Transaction."""
