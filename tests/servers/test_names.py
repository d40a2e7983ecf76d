"""Names, hostnames and secrets of servers."""

from uuid import UUID

import pytest

from servers.names import hostname_from, hostname_numbered, new_reservation_id, numbered
from servers.secrets import new_password, seal, unseal

ID = UUID(int=1)


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("web", "web"),
        ("My Web_Server.1", "my-web-server-1"),
        ("-.web.-", "web"),
        ("w\N{SNOWMAN}eb!", "web"),
        ("\N{SNOWMAN}", f"Server-{ID}"),
        ("a" * 70, "a" * 63),
    ],
)
def test_hostname_is_made_of_what_a_hostname_may_hold(name, hostname):
    assert hostname_from(name, ID) == hostname


def test_only_several_are_numbered():
    assert numbered("web", 0, 1) == "web"
    assert [numbered("web", index, 2) for index in range(2)] == ["web-1", "web-2"]
    assert hostname_numbered("a" * 70, ID, 9, 10) == "a" * 60 + "-10"
    assert hostname_numbered("\N{SNOWMAN}", ID, 1, 2) == f"Server-{ID}"


def test_reservation_ids_differ():
    assert new_reservation_id() != new_reservation_id()


def test_sealed_password_opens_again_and_shows_nothing():
    password = new_password()

    sealed = seal(password)

    assert unseal(sealed) == password
    assert password not in sealed
    assert seal(password) != sealed
