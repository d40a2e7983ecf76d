"""Passwords for guests: made, and kept encrypted until the guest has been built."""

from __future__ import annotations

import base64
import secrets
from functools import lru_cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PASSWORD_LENGTH = 12
# Without characters that are read as one another.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_password() -> str:
    """A random password with a digit, an upper case and a lower case letter in it."""
    while True:
        text = "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH))
        if (
            any(map(str.isdigit, text))
            and any(map(str.isupper, text))
            and any(map(str.islower, text))
        ):
            return text


def seal(text: str) -> str:
    """Encrypt a secret for the database."""
    return _cipher(settings.SECRET_KEY).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret again.

    Raises:
        cryptography.fernet.InvalidToken: sealed under another key, or not sealed at all.
    """
    return _cipher(settings.SECRET_KEY).decrypt(sealed.encode()).decode()


@lru_cache(maxsize=2)
def _cipher(secret_key: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"servers.sealed_admin_password")
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret_key.encode())))
