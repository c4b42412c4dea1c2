"""A payment intent as routing sees it."""

from __future__ import annotations

from payflow.domain.resources import PaymentIntentView
from payflow.domain.routing.request import RoutingRequest


def routing_request(view: PaymentIntentView) -> RoutingRequest:
    """What routing may know of an intent."""
    intent = view.intent
    return RoutingRequest(
        intent.id,
        intent.amount,
        intent.currency,
        intent.country,
        intent.payment_method_type,
        view.texts.metadata,
    )
