"""What a control centre is handed of one alarm, and what it says later (docs/dispatch.md)."""
