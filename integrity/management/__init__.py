"""Commands of the integrity app."""
