"""The keys that sign the ledger's blocks and that check who did, from the files that the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from payflow.domain.proof.keys import PublicKeys, SigningKey, UnusableKeyError
from server.config import ConfigurationError, Settings

MADE_BY = "a PEM file of an Ed25519 key, as `openssl genpkey -algorithm ed25519` makes it"


def signing_key(settings: Settings) -> SigningKey | None:
    """The key that signs; None where none is configured. Raises ConfigurationError."""
    path = settings.ledger_signing_key
    if path is None:
        return None
    try:
        return SigningKey(path.read_bytes())
    except UnusableKeyError as error:
        raise ConfigurationError("LEDGER_SIGNING_KEY", str(path), f"{MADE_BY}; it is {error}") from error


def public_keys(settings: Settings, paths: Sequence[Path]) -> PublicKeys:
    """Those in ``paths``, or else the configured ones. Raises ConfigurationError where there are none."""
    configured = [settings.ledger_public_key] if settings.ledger_public_key else []
    pems = [path.read_bytes() for path in paths or configured]
    own = signing_key(settings)
    if not pems and own is not None:
        pems = [own.public_pem]
    if not pems:
        raise ConfigurationError(
            "LEDGER_PUBLIC_KEY", None, "the public key of who signs, or --public-key; see docs/proof.md"
        )
    try:
        return PublicKeys(pems)
    except UnusableKeyError as error:
        named = ", ".join(map(str, paths or configured))
        raise ConfigurationError("LEDGER_PUBLIC_KEY", named, f"{MADE_BY}, its public half") from error
