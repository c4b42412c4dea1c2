"""Creates a payment intent."""

from __future__ import annotations

from payflow.commands.call import Answer, Call, commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.currency import exponent
from payflow.domain.ids import derive_id
from payflow.domain.intent.commands import CreateIntent
from payflow.domain.intent.state import DEFAULT_PAYMENT_METHOD_TYPE, CaptureMethod
from payflow.domain.merchant.state import Merchant
from payflow.domain.texts import Texts


def check(
    amount: int, currency: str, payment_method: str, payment_method_type: str, country: str, texts: Texts
) -> None:
    """Refuses bad fields before anything is written or a merchant is made."""
    fields.amount("amount", amount)
    exponent(currency)
    if payment_method:
        fields.payment_method(payment_method)
    if payment_method_type:
        fields.payment_method_type(payment_method_type)
    if country:
        fields.country(country)
    fields.text("description", texts.text, fields.DESCRIPTION_MAX)
    fields.metadata(texts.metadata)


def create_payment_intent(
    ports: Ports,
    call: Call,
    merchant: Merchant,
    amount: int,
    currency: str,
    capture_method: CaptureMethod,
    payment_method: str,
    payment_method_type: str,
    country: str,
    texts: Texts,
) -> Answer:
    """An intent in CREATED, from fields that were checked."""

    def make(command_id: str) -> CreateIntent:
        intent_id = derive_id("pi", command_id, merchant.slot)
        return CreateIntent(
            merchant.id,
            intent_id,
            amount,
            currency,
            capture_method,
            payment_method,
            texts,
            payment_method_type or DEFAULT_PAYMENT_METHOD_TYPE,
            country,
        )

    return commit_and_answer(ports, call, make)
