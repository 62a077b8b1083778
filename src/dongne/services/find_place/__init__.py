"""A few letters of a name or an address: which places are called so."""
