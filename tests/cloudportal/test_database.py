"""A database that is away is said to be away: 503 in each API's own words, and in the pages."""

import sqlite3

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from cloudportal.api.faults import wire_exception_handler
from cloudportal.database import is_away


def caused(error, code):
    cause = sqlite3.OperationalError(str(error))
    cause.sqlite_errorcode = code
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("the database system is starting up"), True),
        (InterfaceError("connection already closed"), True),
        (caused(OperationalError("database is locked"), sqlite3.SQLITE_BUSY), True),
        (caused(OperationalError("no such table: x"), sqlite3.SQLITE_ERROR), False),
        (DatabaseError("wrong"), False),
        (ValueError("wrong"), False),
        (None, False),
    ],
)
def test_what_may_go_well_in_a_moment_counts_as_away(error, expected):
    assert is_away(error) is expected


def view_of(service):
    return {"view": type("View", (), {"service": service})()}


@pytest.mark.parametrize(
    ("service", "envelope"),
    [
        ("compute", "serviceUnavailable"),
        ("identity", "error"),
        ("network", "NeutronError"),
        ("image", "error"),
    ],
)
def test_each_api_answers_503_in_its_own_envelope(service, envelope):
    response = wire_exception_handler(OperationalError("server closed"), view_of(service))

    assert response.status_code == 503
    assert envelope in response.data
    assert response["Retry-After"] == "5"
    assert "server closed" not in str(response.data)


def test_a_page_says_that_the_database_does_not_answer(client, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("the database system is shutting down")

    client.raise_request_exception = False
    client.cookies["sessionid"] = "a-session-that-must-be-looked-up"
    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", away)

    response = client.get("/")

    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert b"Try again in a few seconds" in response.content


def test_the_health_page_says_so_too(client, monkeypatch):
    def away(*args, **kwargs):
        raise InterfaceError("connection already closed")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", away)

    response = client.get("/healthz")

    assert response.status_code == 503
    assert response.json() == {"status": "failing", "database": "does not answer"}
