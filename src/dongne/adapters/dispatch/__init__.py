"""The way to a control centre such as 119: alarms go out over HTTP, and what the desk says comes back (docs/dispatch.md)."""
