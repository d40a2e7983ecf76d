"""Django's database backend for PostgreSQL, with instants and many rows read quickly."""
