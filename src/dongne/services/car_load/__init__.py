"""People in each car of a train, by the scales under it."""
