"""Which host takes a server: filters cut, weighers order, a claim decides."""
