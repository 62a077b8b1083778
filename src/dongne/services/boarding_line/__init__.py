"""How full the next train will be at each door, when it has let people off."""
