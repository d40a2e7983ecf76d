"""How passwords are hashed."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class SmallArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes.

    Django's own choice takes 100 MiB for each login that is under way, which eight threads of one
    process turn into 800 MiB. Source: OWASP Password Storage Cheat Sheet, the argon2id minimum.
    """

    time_cost = 2
    memory_cost = 19456
    parallelism = 1
