"""Where everything that happens is written down: for the double itself, for the merchant, for the auditor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tests.adyen_double import notifications
from tests.adyen_double.payments import Payment
from tests.adyen_double.store import Effect, Modification, Store


class Journal:
    """One merchant account; what is written belongs into a transaction of the store's."""

    def __init__(
        self, store: Store, merchant_account: str, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        """``now`` answers aware times, ``new_id`` sixteen characters that it has never answered before."""
        self.store = store
        self.merchant_account = merchant_account
        self.new_id = new_id
        self._now = now

    def payment_moved(self, effect: str, payment: Payment, value: int) -> None:
        """Writes an effect of the payment itself down."""
        reference, psp_reference = payment.reference, payment.psp_reference
        self.store.add_effect(
            Effect(effect, reference, psp_reference, psp_reference, value, payment.currency)
        )

    def modification_moved(self, effect: str, modification: Modification) -> None:
        """Writes an effect of a modification down."""
        self.store.add_effect(
            Effect(
                effect,
                modification.reference,
                modification.payment,
                modification.psp_reference,
                modification.value,
                modification.currency,
            )
        )

    def tell_of_payment(self, event_code: str, payment: Payment, success: bool = True) -> None:
        """Leaves a webhook to be sent."""
        self.store.add_webhook(
            notifications.of_payment(event_code, payment, self.merchant_account, self._now(), success)
        )

    def tell_of_modification(
        self, event_code: str, modification: Modification, success: bool = True, reason: str = ""
    ) -> None:
        """Leaves a webhook to be sent."""
        self.store.add_webhook(
            notifications.of_modification(
                event_code, modification, self.merchant_account, self._now(), success, reason
            )
        )
