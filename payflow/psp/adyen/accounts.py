"""What an account at Adyen is reached with, from the environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from payflow.psp.connector import Settings

DEFAULT_API_BASE = "https://checkout-test.adyen.com"
REQUIRED = ("ADYEN_API_KEY", "ADYEN_MERCHANT_ACCOUNT", "ADYEN_HMAC_KEY")


@dataclass(frozen=True, slots=True)
class Account:
    """A merchant account at Adyen; its secrets are in no log that shows it."""

    base_url: str
    merchant_account: str
    api_key: str = field(repr=False)
    hmac_key: str = field(repr=False)

    @property
    def is_live(self) -> bool:
        """Whether real money moves there: https://docs.adyen.com/development-resources/live-endpoints."""
        host = urlsplit(self.base_url).hostname or ""
        return host.endswith(".adyenpayments.com") or host.partition(".")[0].endswith("-live")


class Accounts:
    """Finds the account of a credential reference."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._first_base_url = settings.url("ADYEN_API_BASE", DEFAULT_API_BASE)

    def missing(self, credential_ref: str) -> Sequence[str]:
        """The variables that are not set.

        The HMAC key is one of those that no account can do without: what becomes of a capture, a
        cancel or a refund is told by webhook only.
        """
        prefix = f"{credential_ref}_" if credential_ref else ""
        return [prefix + name for name in REQUIRED if self._text(name, credential_ref) is None]

    def find(self, credential_ref: str) -> Account | None:
        """The account; None where a variable is missing."""
        api_key, merchant_account, hmac_key = (self._text(name, credential_ref) for name in REQUIRED)
        if api_key is None or merchant_account is None or hmac_key is None:
            return None
        base_url = self._settings.url("ADYEN_API_BASE", self._first_base_url, credential_ref)
        return Account(base_url, merchant_account, api_key, hmac_key)

    def _text(self, name: str, credential_ref: str) -> str | None:
        """A value that no header can carry, such as one with a line break, is as good as none.

        Were it sent, the error that says so would show it.
        """
        value = self._settings.text(name, credential_ref)
        return value if value and value.isascii() and value.isprintable() else None
