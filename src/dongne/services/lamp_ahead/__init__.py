"""Light runs ahead of whoever walks; full light when in doubt."""
