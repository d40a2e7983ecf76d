from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.db import connection

from quotas.errors import QuotaExceeded
from quotas.models import QuotaLimit
from servers.key_pairs import WantedKeyPair, create_key_pair
from servers.models import KeyPair
from tests.authorisation import (
    EVERYBODY,
    OWN_PROJECT,
    OWNER,
    OWNERS,
    Endpoint,
    actor_named,
    client_as,
    matrix,
)

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/os-keypairs"
# A published example key with its published fingerprint.
PUBLIC = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@host"
)
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def keep(name, user_id=OWNER):
    return KeyPair.objects.create(
        user_id=user_id, name=name, public_key=PUBLIC, fingerprint="00:11", created_at=NOW
    )


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", URL, 200, EVERYBODY),
            Endpoint("GET", f"{URL}?user_id={OWNER}", 200, OWNERS),
            Endpoint("GET", f"{URL}/one?user_id={OWNER}", 200, OWNERS),
            Endpoint("DELETE", f"{URL}/one?user_id={OWNER}", 204, OWNERS),
            Endpoint(
                "POST",
                URL,
                201,
                OWNERS,
                {"keypair": {"name": "two", "public_key": PUBLIC, "user_id": OWNER}},
            ),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    keep("one")

    assert endpoint.status(who) == endpoint.expected(who)


def test_a_foreign_key_of_the_same_name_is_not_found():
    keep("one")

    assert client_as("member").get(f"{URL}/one").status_code == 404


@pytest.mark.parametrize(
    ("microversion", "created", "deleted"), [("2.1", 200, 202), ("2.2", 201, 204)]
)
def test_statuses_changed_with_2_2(microversion, created, deleted):
    client = client_as("owner", microversion)

    made = client.post(URL, {"keypair": {"name": "k", "public_key": PUBLIC}})
    gone = client.delete(f"{URL}/k")

    assert (made.status_code, gone.status_code, gone.content) == (created, deleted, b"")


def test_importing_tells_the_md5_fingerprint():
    answer = client_as("owner", "2.2").post(URL, {"keypair": {"name": "k", "public_key": PUBLIC}})

    assert answer.json() == {
        "keypair": {
            "name": "k",
            "public_key": PUBLIC,
            "fingerprint": "65:96:2d:fc:e8:d5:a9:11:64:0c:0f:ea:00:6e:5b:bd",
            "type": "ssh",
            "user_id": OWNER,
        }
    }


def test_a_made_key_is_shown_once_and_fits():
    answer = client_as("owner", "2.91").post(URL, {"keypair": {"name": "k"}}).json()["keypair"]

    private = serialization.load_pem_private_key(answer["private_key"].encode(), None)
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    assert answer["public_key"].startswith(public.decode())
    assert "private_key" not in client_as("owner").get(f"{URL}/k").json()["keypair"]


def test_a_made_certificate_is_for_its_user():
    body = {"keypair": {"name": "k", "type": "x509"}}

    answer = client_as("owner", "2.2").post(URL, body).json()["keypair"]

    certificate = x509.load_pem_x509_certificate(answer["public_key"].encode())
    assert certificate.subject.rfc4514_string() == f"CN={OWNER}"
    assert len(answer["fingerprint"].split(":")) == 20
    private = serialization.load_pem_private_key(answer["private_key"].encode(), None)
    assert private.public_key() == certificate.public_key()
    again = client_as("owner", "2.92").post(
        URL, {"keypair": {"name": "k2", "type": "x509", "public_key": answer["public_key"]}}
    )
    assert again.json()["keypair"]["fingerprint"] == answer["fingerprint"]


def test_showing_tells_all_of_it():
    pair = keep("k")

    assert client_as("owner").get(f"{URL}/k").json() == {
        "keypair": {
            "name": "k",
            "public_key": PUBLIC,
            "fingerprint": "00:11",
            "user_id": OWNER,
            "id": pair.pk,
            "created_at": "2026-01-02T03:04:05.000006",
            "updated_at": None,
            "deleted": False,
            "deleted_at": None,
        }
    }


def generated_public_key():
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()


@pytest.mark.parametrize(
    ("microversion", "fields", "status"),
    [
        ("2.1", {"type": "ssh"}, 400),
        ("2.2", {"type": "ssh"}, 201),
        ("2.2", {"type": "gpg"}, 400),
        ("2.9", {"user_id": OWNER}, 400),
        ("2.10", {"user_id": OWNER}, 201),
        ("2.91", {"name": "a@b.c"}, 400),
        ("2.92", {"name": "a@b.c"}, 201),
        ("2.104", {"name": "with space_-1"}, 201),
        ("2.104", {"name": " a"}, 400),
        ("2.104", {"name": "a "}, 400),
        ("2.104", {"name": ""}, 400),
        ("2.104", {"name": "a\n"}, 400),
        ("2.104", {"name": "ä"}, 400),
        ("2.104", {"name": "x" * 256}, 400),
        ("2.104", {"public_key": ""}, 400),
        ("2.104", {"public_key": None}, 400),
        ("2.104", {"public_key": "ssh-rsa nonsense"}, 400),
        ("2.104", {"public_key": "ssh-rsa"}, 400),
        ("2.104", {"public_key": PUBLIC + "\nssh-rsa AAAA"}, 400),
        ("2.104", {"public_key": PUBLIC + "\n"}, 201),
        ("2.104", {"public_key": 'command="x" ' + PUBLIC}, 400),
        ("2.104", {"public_key": PUBLIC, "type": "x509"}, 400),
        ("2.104", {"unheard_of": 1}, 400),
    ],
)
def test_what_is_sent_is_checked(microversion, fields, status):
    body = {"keypair": {"name": "k", "public_key": PUBLIC, **fields}}

    answer = client_as("owner", microversion).post(URL, body)

    assert answer.status_code == status, answer.content


@pytest.mark.parametrize(("microversion", "status"), [("2.91", 201), ("2.92", 400)])
def test_keys_are_made_until_2_91(microversion, status):
    answer = client_as("owner", microversion).post(URL, {"keypair": {"name": "k"}})

    assert answer.status_code == status


def test_a_taken_name_is_a_conflict():
    keep("k")

    answer = client_as("owner").post(URL, {"keypair": {"name": "k", "public_key": PUBLIC}})

    assert (answer.status_code, message(answer)) == (409, "Key pair 'k' already exists.")


def test_one_too_many_is_over_quota():
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="key_pairs", limit=1)
    keep("k")

    answer = client_as("owner").post(URL, {"keypair": {"name": "l", "public_key": PUBLIC}})

    assert (answer.status_code, message(answer)) == (403, "Quota exceeded, too many key pairs.")


def test_pages_since_2_35():
    for name in "cab":
        keep(name)
    old, new = client_as("owner", "2.34"), client_as("owner", "2.35")

    def names(answer):
        return [entry["keypair"]["name"] for entry in answer.json()["keypairs"]]

    first = new.get(URL, {"limit": "2"})
    assert names(first) == ["a", "b"]
    assert "marker=b" in first.json()["keypairs_links"][0]["href"]
    assert names(new.get(URL, {"limit": "2", "marker": "b"})) == ["c"]
    assert new.get(URL, {"marker": "nowhere"}).status_code == 400
    assert names(old.get(URL, {"limit": "1", "marker": "b"})) == ["a", "b", "c"]


@pytest.mark.parametrize(("microversion", "status"), [("2.74", 200), ("2.75", 400)])
def test_unknown_queries_are_refused_since_2_75(microversion, status):
    assert client_as("owner", microversion).get(URL, {"x": 1}).status_code == status


@pytest.mark.parametrize("number", [2, 20])
def test_a_list_costs_one_query_however_long(number, django_assert_num_queries):
    for index in range(number):
        keep(f"k{index}")

    with django_assert_num_queries(1):
        client_as("owner", "2.35").get(URL)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_as_many_as_the_limit_pass():
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="key_pairs", limit=5)
    threads = 12
    start = Barrier(threads)

    def ask(index):
        start.wait(timeout=60)
        try:
            create_key_pair(
                wanted=WantedKeyPair(name=f"k{index}", public_key=generated_public_key()),
                user_id=OWNER,
                actor=actor_named("owner"),
                now=NOW,
            )
        except QuotaExceeded:
            return 0
        else:
            return 1
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        passed = sum(pool.map(ask, range(threads)))

    assert (passed, KeyPair.objects.count()) == (5, 5)
