"""Lets every merchant make its share of calls, and refuses the others until it has some back.

Every call that is understood counts, a duplicate that is answered from store and a bulk as one too. Health
and reflection do not, nor does what PSPs deliver: a merchant's share is not theirs to use up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from payflow.domain import fields
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ids import slot_of
from server.rpc.call import current_call
from server.rpc.interceptors.unary import Behavior, UnaryInterceptor

MERCHANT_ID = "merchant_id"
FROM_PSPS = "/payflow.v1.WebhookService/ReceiveWebhook"


@dataclass(frozen=True, slots=True)
class CallRates:
    """``take`` counts one call of somebody's: 0 when it may be made, otherwise the seconds until one may.

    ``merchant_id_of`` says whose slot it is, before a deadline on the clock of ``time.monotonic``.
    """

    take: Callable[[str], float]
    merchant_id_of: Callable[[int, float], str | None]


class RateLimitInterceptor(UnaryInterceptor):
    """Refuses with RATE_LIMITED. Sits where the request can be read, because that names the merchant."""

    def __init__(self, rates: CallRates) -> None:
        super().__init__()
        self._rates = rates

    def around(self, method: str, proceed: Behavior) -> Behavior:
        if method == FROM_PSPS:
            return proceed

        def limited(request: Any, context: grpc.ServicerContext) -> Any:
            retry_after_s = self._rates.take(self._counted_under(request))
            if retry_after_s > 0:
                raise PayFlowError(Reason.RATE_LIMITED, "too many calls", retry_after_s=retry_after_s)
            return proceed(request, context)

        return limited

    def _counted_under(self, request: Message) -> str:
        """The merchant that the caller is tied to, that it names, or that an id leads to; else the caller."""
        call = current_call()
        merchant_id = call.principal_merchant_id or _named(request) or self._owner(request, call.deadline)
        return f"merchant:{merchant_id}" if merchant_id else f"caller:{call.actor}"

    def _owner(self, request: Message, deadline: float) -> str | None:
        slots = (slot_of(getattr(request, name)) for name in _id_fields(request.DESCRIPTOR))
        slot = next((slot for slot in slots if slot is not None), None)
        return None if slot is None else self._rates.merchant_id_of(slot, deadline)


def _named(request: Message) -> str | None:
    try:
        return fields.merchant_id(getattr(request, MERCHANT_ID, ""))
    except PayFlowError:
        return None


@cache
def _id_fields(message: Descriptor) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in message.fields
        if field.type == FieldDescriptor.TYPE_STRING
        and not field.is_repeated
        and (field.name == "id" or field.name.endswith("_id"))
    )
