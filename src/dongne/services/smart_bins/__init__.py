"""Smart bins: the truck comes before a bin overflows."""
