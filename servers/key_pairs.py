"""Key pairs: the public keys of users, put into their servers; made here or brought along.

They belong to a user, not to a project. A private key made here is shown once and never kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from django.db import transaction
from django.db.models import QuerySet

import servers.rules  # noqa: F401 - declares the rules
from identity import policy
from identity.actors import Actor
from quotas.consume import limits, lock_ledger
from quotas.errors import QuotaExceeded
from quotas.resources import UNLIMITED
from servers.errors import InvalidKeyPair, KeyPairExists, KeyPairNotFound
from servers.models import KeyPair

KEY_BITS = 2048
CERTIFICATE_LIFETIME = timedelta(days=3650)
# Microsoft's "user principal name", by which Windows maps a certificate to an account.
USER_PRINCIPAL_NAME = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_NAME = re.compile(r"[A-Za-z0-9_\-@. ]{1,255}")
_UNREADABLE = "Keypair data is invalid: failed to generate fingerprint"


@dataclass(frozen=True)
class MadeKeyPair:
    """A key pair just made; `private_key` is PEM, and None when only a public key was given."""

    key_pair: KeyPair
    private_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class WantedKeyPair:
    """What is asked for; without `public_key` a key is made. `type` is ssh or x509."""

    name: str
    type: str = "ssh"
    public_key: str | None = None


def key_pairs_of(*, user_id: str, actor: Actor) -> QuerySet[KeyPair]:
    """A user's key pairs, by name.

    Raises:
        Forbidden: another user's, and the actor is no administrator.
    """
    policy.require(actor, "os_compute_api:os-keypairs:index", user_id=user_id)
    return KeyPair.objects.filter(user_id=user_id).order_by("name")


def find_key_pair(*, user_id: str, name: str, actor: Actor) -> KeyPair:
    """A user's key pair of that name.

    Raises:
        Forbidden: another user's, and the actor is no administrator.
        KeyPairNotFound: there is none.
    """
    policy.require(actor, "os_compute_api:os-keypairs:show", user_id=user_id)
    found = KeyPair.objects.filter(user_id=user_id, name=name).first()
    if found is None:
        raise KeyPairNotFound(f"Keypair {name} not found for user {user_id}")
    return found


def create_key_pair(
    *, wanted: WantedKeyPair, user_id: str, actor: Actor, now: datetime
) -> MadeKeyPair:
    """Keep a public key under a name, or make a pair and keep its public half.

    Raises:
        Forbidden: for another user, and the actor is no administrator.
        InvalidKeyPair: the name has other characters, or the key cannot be read.
        KeyPairExists: the user has one of that name.
        QuotaExceeded: the user has as many as the project's limit allows.
    """
    policy.require(actor, "os_compute_api:os-keypairs:create", user_id=user_id)
    if not _NAME.fullmatch(wanted.name) or wanted.name != wanted.name.strip():
        raise InvalidKeyPair("Keypair data is invalid: Keypair name contains unsafe characters")
    private_key = None
    if wanted.public_key is None:
        make = _make_ssh if wanted.type == "ssh" else _make_x509
        private_key, public_key = make(user_id, now)
    else:
        public_key = wanted.public_key.strip()
    made = KeyPair(
        user_id=user_id,
        name=wanted.name,
        type=wanted.type,
        public_key=public_key,
        fingerprint=fingerprint_of(public_key, wanted.type),
        created_at=now,
    )
    _store(made, actor, now)
    return MadeKeyPair(made, private_key)


def delete_key_pair(*, user_id: str, name: str, actor: Actor) -> None:
    """Forget a key pair; servers keep the key they were made with.

    Raises:
        Forbidden: another user's, and the actor is no administrator.
        KeyPairNotFound: there is none.
    """
    policy.require(actor, "os_compute_api:os-keypairs:delete", user_id=user_id)
    deleted, _ = KeyPair.objects.filter(user_id=user_id, name=name).delete()
    if not deleted:
        raise KeyPairNotFound(f"Keypair {name} not found for user {user_id}")


def fingerprint_of(public_key: str, kind: str) -> str:
    """MD5 of an SSH key's blob or SHA-1 of a certificate, as pairs of hex digits with colons.

    Raises:
        InvalidKeyPair: the key cannot be read as one.
    """
    try:
        digest = _digest_of_certificate(public_key) if kind == "x509" else _digest_of(public_key)
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as error:
        raise InvalidKeyPair(_UNREADABLE, detail=str(error)) from error
    return ":".join(re.findall("..", digest.hex()))


def _digest_of(public_key: str) -> bytes:
    # A second line would be a second key, or options, in the guest's authorized_keys.
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", public_key):
        raise ValueError("not on one line")
    serialization.load_ssh_public_key(public_key.encode())
    blob = base64.b64decode(public_key.split()[1], validate=True)
    return hashlib.md5(blob, usedforsecurity=False).digest()


def _digest_of_certificate(public_key: str) -> bytes:
    certificate = x509.load_pem_x509_certificate(public_key.encode())
    return certificate.fingerprint(hashes.SHA1())  # noqa: S303 - the wire's fingerprint, no proof


def _store(made: KeyPair, actor: Actor, now: datetime) -> None:
    with transaction.atomic():
        # Counted by user: all of a user's creations wait for each other here.
        lock_ledger(made.user_id, now=now)
        own = KeyPair.objects.filter(user_id=made.user_id)
        if own.filter(name=made.name).exists():
            raise KeyPairExists(f"Key pair '{made.name}' already exists.")
        allowed = limits(actor.project_id or "", made.user_id)["key_pairs"]
        used = own.count()
        if allowed != UNLIMITED and used >= allowed:
            raise QuotaExceeded(
                ["key_pairs"],
                requested={"key_pairs": 1},
                used={"key_pairs": used},
                limits={"key_pairs": allowed},
            )
        made.save(force_insert=True)


def _make_ssh(user_id: str, now: datetime) -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return _pem(key), f"{public.decode()} Generated-by-cloudportal"


def _make_x509(user_id: str, now: datetime) -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64] or "user")])
    principal = f"{user_id or 'user'}@localhost".encode()
    # DER of a UTF8String: tag, length, bytes; a user id is too short for the long form.
    principal = principal[:120]
    upn = x509.OtherName(USER_PRINCIPAL_NAME, bytes([0x0C, len(principal)]) + principal)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([upn]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(key), certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
