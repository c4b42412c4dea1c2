"""The Stripe accounts that the environment names, and sessions with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from payflow.psp.connector import Settings
from payflow.psp.stripe.http_client import DeadlineClient
from payflow.psp.stripe.session import Session
from payflow.psp.transport import Transport

API_KEY = "STRIPE_API_KEY"
WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"
API_BASE = "STRIPE_API_BASE"
DEFAULT_API_BASE = "https://api.stripe.com"

# A page of a hundred payments, each of which may carry 50 long values of metadata.
ANSWER_BYTES_MAX = 8_388_608

# docs.stripe.com/keys: secret and restricted keys.
_KEY = re.compile(r"(?:sk|rk)_(live|test)_\S+")


class NotConfiguredError(Exception):
    """The account has no key that fits; nothing was sent."""


class Accounts:
    """Keeps the connections to Stripe; any number of threads may use it."""

    def __init__(
        self, settings: Settings, timeout_s: float, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """``timeout_s`` bounds all requests of a session together."""
        self._settings = settings
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._default_base = settings.url(API_BASE, DEFAULT_API_BASE)
        self._transports: dict[str, Transport] = {}

    def missing_settings(self, credential_ref: str) -> list[str]:
        """The variables that the account needs and that are not set."""
        if self._settings.text(API_KEY, credential_ref) is not None:
            return []
        return [f"{credential_ref}_{API_KEY}" if credential_ref else API_KEY]

    def webhook_secret(self, credential_ref: str) -> str | None:
        """What the account's webhooks are signed with."""
        return self._settings.text(WEBHOOK_SECRET, credential_ref)

    def session(self, credential_ref: str, live: bool | None = None) -> Session:
        """A session for one connector call.

        Raises NotConfiguredError where the key is missing, is none of Stripe's, or is not for ``live``.
        """
        api_key = self._settings.text(API_KEY, credential_ref) or ""
        match = _KEY.fullmatch(api_key)
        if match is None or (live is not None and live != (match[1] == "live")):
            raise NotConfiguredError
        base_url = self._settings.url(API_BASE, self._default_base, credential_ref)
        deadline_s = self._monotonic_s() + self._timeout_s
        return Session(api_key, base_url, DeadlineClient(self._transport(base_url), deadline_s))

    def close(self) -> None:
        """Closes the idle connections."""
        for transport in self._transports.values():
            transport.close()

    def _transport(self, base_url: str) -> Transport:
        transport = self._transports.get(base_url)
        if transport is None:
            made = Transport(base_url, self._timeout_s, answer_bytes_max=ANSWER_BYTES_MAX)
            transport = self._transports.setdefault(base_url, made)
        return transport
