"""What is read of a request's body, and what is not."""

import io

import pytest

from cloudportal.api.parsers import WireJSONParser
from cloudportal.errors import Invalid, UnsupportedMediaType


def parse(body: bytes, kind: str = "application/json"):
    return WireJSONParser().parse(io.BytesIO(body), kind)


@pytest.mark.parametrize(
    "kind",
    ["", "application/json", "application/json; charset=utf-8", "text/plain",
     "application/vnd.openstack.compute+json"],
)  # fmt: skip
def test_json_is_read_under_the_names_that_clients_give_it(kind):
    assert parse(b'{"a": [1, null]}', kind) == {"a": [1, None]}


def test_an_empty_body_is_none():
    assert parse(b"") is None


def test_another_media_type_is_refused():
    with pytest.raises(UnsupportedMediaType):
        parse(b"<a/>", "application/xml")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b"\xff",
        b'{"a": NaN}',
        b"[" * 100000,
        b'{"a": ["\\u0000"]}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
    ],
)
def test_what_is_not_json_or_cannot_be_stored_is_refused(body):
    with pytest.raises(Invalid, match="Malformed request body"):
        parse(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [(b'"\\\\u0000"', "\\u0000"), (b'"\\ud83d\\ude00"', "\U0001f600")],
)
def test_escapes_that_mean_ordinary_text_pass(body, value):
    assert parse(body) == value
