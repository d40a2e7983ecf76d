"""What a connection to PostgreSQL is set to."""

import pytest
from django.db import connection

from cloudportal.postgresql.base import RANDOM_PAGE_COST


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_rows_are_looked_up_rather_than_tables_read():
    with connection.cursor() as cursor:
        cursor.execute("SHOW random_page_cost")
        assert cursor.fetchone() == (str(RANDOM_PAGE_COST),)
