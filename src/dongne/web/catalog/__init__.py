"""The catalogue of the open data: what there is, how fresh and complete it is, and what changed in its schema."""
