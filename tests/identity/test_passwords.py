"""How passwords are kept and checked."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.utils import timezone
from rest_framework.test import APIClient

from cloudportal import settings as own
from identity.hashers import SmallArgon2Hasher
from identity.models import User
from identity.passwords import is_right_password
from tests.identity.conftest import PASSWORD


def test_new_passwords_are_hashed_by_argon2id_with_bounded_memory(settings):
    settings.PASSWORD_HASHERS = own.PASSWORD_HASHERS

    encoded = make_password("correct horse 1")

    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password("correct horse 1", encoded)
    assert not check_password("correct horse 2", encoded)


def test_the_hasher_is_the_first_choice():
    name = f"{SmallArgon2Hasher.__module__}.{SmallArgon2Hasher.__qualname__}"

    assert own.PASSWORD_HASHERS[0] == name


@pytest.fixture
def locking(settings):
    settings.LOCKOUT_TRIES = 3
    settings.LOCKOUT_S = 60
    return timezone.now()


def is_right(user, password, now):
    return is_right_password(User.objects.get(pk=user.pk), password, now)


def test_wrong_passwords_in_a_row_lock_out_for_a_while(member, locking):
    tries = [is_right(member, "wrong", locking) for _ in range(3)]

    assert tries == [False] * 3
    assert not is_right(member, PASSWORD, locking)
    assert not is_right(member, "wrong", locking + timedelta(seconds=59))
    assert is_right(member, PASSWORD, locking + timedelta(seconds=60))


def test_the_right_password_begins_the_count_anew(member, locking):
    for password in ("wrong", "wrong", PASSWORD, "wrong", "wrong"):
        is_right(member, password, locking)

    assert is_right(member, PASSWORD, locking)


def test_after_a_lock_the_count_begins_anew(member, locking):
    for _ in range(3):
        is_right(member, "wrong", locking)
    later = locking + timedelta(seconds=61)
    is_right(member, "wrong", later)

    assert is_right(member, PASSWORD, later)


def test_a_locked_out_user_is_answered_as_for_a_wrong_password(member, locking):
    def log_in(password):
        user = {"user": {"id": member.id, "password": password}}
        body = {"auth": {"identity": {"methods": ["password"], "password": user}}}
        return APIClient().post("/identity/v3/auth/tokens", body, format="json")

    wrong = [log_in("wrong") for _ in range(3)]
    locked = log_in(PASSWORD)
    body = {"user": {"original_password": PASSWORD, "password": "another horse 2"}}
    path = f"/identity/v3/users/{member.id}/password"

    assert locked.status_code == 401
    assert locked.json() == wrong[0].json()
    assert APIClient().post(path, body, format="json").status_code == 401


def test_another_password_ends_the_lock(member, locking):
    for _ in range(3):
        is_right(member, "wrong", locking)
    found = User.objects.get(pk=member.pk)
    found.set_password("another horse 2")
    found.save()

    assert is_right(member, "another horse 2", locking)


def test_none_is_locked_out_where_that_is_off(member, locking, settings):
    settings.LOCKOUT_TRIES = 0
    for _ in range(5):
        is_right(member, "wrong", locking)

    assert is_right(member, PASSWORD, locking)
