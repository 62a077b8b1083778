"""A control centre on this machine: it takes alarms as 119 would, shows them, and answers as its operator says (docs/dispatch.md)."""
