"""The line to a home: who is no longer heard from is noticed."""
