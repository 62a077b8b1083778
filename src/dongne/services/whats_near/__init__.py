"""A place and a radius: what is live there, in words."""
