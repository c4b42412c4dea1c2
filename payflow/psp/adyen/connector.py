"""Adyen's answers in the words of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from payflow.domain import declines
from payflow.domain.psp_capabilities import Capabilities, PspCosts
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.adyen import notices, webhooks
from payflow.psp.adyen.accounts import Account, Accounts
from payflow.psp.adyen.checkout import Checkout, Request
from payflow.psp.adyen.currencies import CURRENCIES
from payflow.psp.adyen.outcomes import cancellation_of, outcome_of
from payflow.psp.adyen.requests import request_for, technical_cancel_for
from payflow.psp.connector import Delivery, PspCall, Rejection, Settings, SignedItem, WebhookRejectedError

DEFAULT_TIMEOUT_S = 10.0
NOT_CONFIGURED = NotExecuted(declines.failure("psp_not_configured"))

CAPABILITIES = Capabilities(
    # "At least 7 days": https://docs.adyen.com/development-resources/api-idempotency.
    key_window_s=7 * 86_400,
    looks_up=False,
    currencies=CURRENCIES,
    payment_methods=frozenset({"card", "apple_pay", "google_pay"}),
    # Several captures of one payment are something that Adyen has to switch on for an account.
    multiple_capture=False,
    # https://www.adyen.com/pricing: 0.11 EUR or 0.13 USD a transaction, and Interchange++, which Adyen
    # puts at 1 % on average for consumer cards in Europe.
    costs=PspCosts(bps=100, fixed={"EUR": 11, "USD": 13}),
)


class AdyenConnector:
    """Talks to Adyen; any number of threads may use it. Fulfils payflow.psp.connector.Connector."""

    name = "adyen"
    capabilities = CAPABILITIES
    webhook_reply = "[accepted]"

    def __init__(self, accounts: Accounts, timeout_s: float) -> None:
        """``timeout_s`` bounds every call."""
        self.timeout_s = timeout_s
        self._accounts = accounts
        self._checkouts: dict[Account, Checkout] = {}

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        """The environment variables that the account needs and that are not set."""
        return self._accounts.missing(credential_ref)

    def close(self) -> None:
        """Closes the idle connections."""
        for checkout in self._checkouts.values():
            checkout.close()

    def execute(self, call: PspCall) -> Outcome:
        """Asks for the call once, or a second time at once where a connection broke; never raises.

        Live money never goes to a test endpoint, nor test money to a live one.
        """
        account = self._accounts.find(call.credential_ref)
        if account is None or account.is_live is not call.live:
            return NOT_CONFIGURED
        request = request_for(call, account.merchant_account)
        if not isinstance(request, Request):
            return request
        return outcome_of(call, self._checkout(account).ask(request))

    def look_up(self, call: PspCall) -> Outcome | None:
        """Unknown: Adyen cannot be asked. It answers a repeat inside the key window as the first time."""
        return Unknown("Adyen has no look-up")

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Cancels what a first authorization may have authorized: Accepted, as a webhook tells.

        Nothing else can be shut out. That Adyen refuses to cancel says nothing of the call.
        """
        account = self._accounts.find(call.credential_ref)
        if account is None or account.is_live is not call.live:
            return Unknown("the account is not set up")
        if call.operation is not OperationType.AUTHORIZE or call.psp_payment_id:
            return Unknown("Adyen shuts out first authorizations only")
        request = technical_cancel_for(call, account.merchant_account)
        return cancellation_of(self._checkout(account).ask(request))

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """The events of a webhook, every one of them verified. Raises WebhookRejectedError."""
        account = self._accounts.find(credential_ref)
        if account is None:
            raise WebhookRejectedError(Rejection.NOT_CONFIGURED)
        return webhooks.verified(delivery, account, now)

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """What a verified event says; None where it is of no interest."""
        return notices.interpret(content)

    def _checkout(self, account: Account) -> Checkout:
        if account not in self._checkouts:
            made = Checkout(account.base_url, account.api_key, self.timeout_s)
            # Of two threads that come here at once, one drops what has no connections yet.
            self._checkouts.setdefault(account, made)
        return self._checkouts[account]


def connect(settings: Settings) -> AdyenConnector:
    """The connector that the environment asks for."""
    return AdyenConnector(Accounts(settings), settings.duration_s("ADYEN_TIMEOUT", DEFAULT_TIMEOUT_S))
