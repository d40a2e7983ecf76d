"""Django's database backend for PostgreSQL, with instants read quickly."""
