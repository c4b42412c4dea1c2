"""Stripe behind PayFlow's connector protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import stripe

from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Outcome, Unknown
from payflow.psp.connector import Delivery, PspCall, PspSilentError, Settings, SignedItem
from payflow.psp.stripe import amounts, execution, lookup, notices, refusals, shutting_out, webhooks
from payflow.psp.stripe.accounts import Accounts, NotConfiguredError
from payflow.psp.stripe.capabilities import CAPABILITIES, PAYMENT_METHOD_TYPES

DEFAULT_TIMEOUT_S = 10.0

# The library tells Stripe of this machine otherwise, and logs answers, which hold payers' data and secrets.
stripe.enable_telemetry = False
logging.getLogger("stripe").setLevel(logging.WARNING)


class StripeConnector:
    """Talks to Stripe; any number of threads may use it. Fulfils payflow.psp.connector.Connector."""

    name = "stripe"
    capabilities = CAPABILITIES
    webhook_reply = ""

    def __init__(
        self,
        settings: Settings,
        timeout_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``now`` tells how old a call is, and with it whether Stripe still knows its key."""
        self.timeout_s = timeout_s
        self._accounts = Accounts(settings, timeout_s)
        self._now = now

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        """STRIPE_API_KEY with the reference's prefix, where it is not set."""
        return self._accounts.missing_settings(credential_ref)

    def execute(self, call: PspCall) -> Outcome:
        """Asks for the call under its key; never raises."""
        amount = amounts.to_stripe(call.amount, call.currency)
        if amount is None:
            return refusals.INVALID_AMOUNT
        if call.payment_method_type not in PAYMENT_METHOD_TYPES:
            return refusals.NOT_SUPPORTED
        try:
            session = self._accounts.session(call.credential_ref, call.live)
        except NotConfiguredError:
            return refusals.NOT_CONFIGURED
        try:
            return execution.execute(session, call, amount)
        except stripe.IdempotencyError:
            # Somebody has shut the key out, or an earlier release sent the call in another form.
            return self.cancel_by_reference(call)
        except refusals.CallError as error:
            return refusals.told(error)

    def look_up(self, call: PspCall) -> Outcome | None:
        """What became of the call's key; None when Stripe has never seen it; never raises."""
        amount = amounts.to_stripe(call.amount, call.currency)
        try:
            session = self._accounts.session(call.credential_ref, call.live)
            return lookup.look_up(session, call, amount or 0)
        except NotConfiguredError:
            return Unknown("the account has no API key")
        except refusals.CallError as error:
            return refusals.told(error)

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts the call's key out, as ``shutting_out`` says; never raises."""
        amount = amounts.to_stripe(call.amount, call.currency)
        try:
            session = self._accounts.session(call.credential_ref, call.live)
            return shutting_out.shut_out(session, call, amount or 0, self._now())
        except NotConfiguredError:
            return Unknown("the account has no API key")
        except refusals.CallError as error:
            return refusals.told(error)

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """The event of a delivery. Raises WebhookRejectedError."""
        return [webhooks.receive(delivery, self._accounts.webhook_secret(credential_ref), now)]

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """What is true now of an event's object; None where the event is of no interest.

        Raises PspSilentError, msgspec.MsgspecError, ValueError.
        """
        event = msgspec.json.decode(content, type=webhooks.Content)
        if not notices.is_of_interest(event):
            return None
        try:
            session = self._accounts.session(credential_ref)
        except NotConfiguredError:
            raise PspSilentError("the account has no API key") from None
        return notices.notice(session, event)

    def close(self) -> None:
        """Closes the idle connections."""
        self._accounts.close()


def connect(settings: Settings) -> StripeConnector:
    """The connector that the environment asks for."""
    return StripeConnector(settings, settings.duration_s("STRIPE_TIMEOUT", DEFAULT_TIMEOUT_S))
