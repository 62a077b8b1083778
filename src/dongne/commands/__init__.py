"""The commands of `dongne`, one module each: its long help, its arguments, and what it does."""
