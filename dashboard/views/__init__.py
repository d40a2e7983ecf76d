"""The pages; each asks one use case, or reads through a query of the room it is about."""
