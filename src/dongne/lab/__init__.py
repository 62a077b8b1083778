"""The living lab: what would be, tried on what was recorded before anybody is bothered with it."""
