"""How passwords are kept and checked."""

from django.contrib.auth.hashers import check_password, make_password

from cloudportal import settings as own
from identity.hashers import SmallArgon2Hasher


def test_new_passwords_are_hashed_by_argon2id_with_bounded_memory(settings):
    settings.PASSWORD_HASHERS = own.PASSWORD_HASHERS

    encoded = make_password("correct horse 1")

    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password("correct horse 1", encoded)
    assert not check_password("correct horse 2", encoded)


def test_the_hasher_is_the_first_choice():
    name = f"{SmallArgon2Hasher.__module__}.{SmallArgon2Hasher.__qualname__}"

    assert own.PASSWORD_HASHERS[0] == name
