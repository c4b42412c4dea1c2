"""Ed25519 keys (RFC 8032) that sign heads and check signatures. Kept in PEM files, as openssl makes them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

KEY_ID_CHARACTERS = 16


class UnusableKeyError(Exception):
    """What was given is no Ed25519 key in PEM."""


class SigningKey:
    """Signs heads."""

    def __init__(self, pem: bytes) -> None:
        """Raises UnusableKeyError."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise UnusableKeyError("no private key in PEM") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableKeyError("a private key, but not an Ed25519 one")
        self._key = key
        self.public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = _key_id(key.public_key())

    @classmethod
    def new(cls) -> SigningKey:
        """A new one, from the system's randomness."""
        return cls(new_key_pem())

    def sign(self, head: bytes) -> bytes:
        """The signature of a head."""
        return self._key.sign(head)


class PublicKeys:
    """The public halves of every key that may have signed."""

    def __init__(self, pems: Iterable[bytes]) -> None:
        """Raises UnusableKeyError."""
        self._keys = {_key_id(key): key for key in map(_public_key, pems)}

    def refusal(self, head: bytes, signature: bytes, key_id: str) -> str:
        """Why the signature is not believed; empty where it is right."""
        key = self._keys.get(key_id)
        if key is None:
            return f"is signed by key {key_id}, which is none of those given"
        try:
            key.verify(signature, head)
        except InvalidSignature:
            return f"is not signed by key {key_id}, as it says"
        return ""


def new_key_pem() -> bytes:
    """A new private key."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_key(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise UnusableKeyError("no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnusableKeyError("a public key, but not an Ed25519 one")
    return key


def _key_id(key: Ed25519PublicKey) -> str:
    """The beginning of the hash of the key's 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_CHARACTERS]
