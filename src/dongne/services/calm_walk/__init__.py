"""A walk that spares crowds, darkness, noise or steps, told turn by turn."""
