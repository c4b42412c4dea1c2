"""PaymentIntents as Stripe answers for them, over those of localstripe.

What localstripe lacks and is added here, as Stripe documents it: the parameters ``return_url``,
``allowed_payment_method_types``, ``error_on_requires_action`` and ``cancellation_reason``; the fields
``amount_received``, ``amount_capturable``, ``cancellation_reason``, the redirect of ``next_action``,
``decline_code`` and ``type`` of ``last_payment_error``, ``outcome`` and ``capture_before`` of the charge; an
unexpanded ``latest_charge``; a filter by ``created``, newest first; error codes and the ``payment_intent``
of an error; more test payment methods; that only what is in the right state is captured or canceled, and
never for more than was authorized.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.stripe_double.answers import Answer, Object, RefusedError, error, invalid
from tests.stripe_double.form import values
from tests.stripe_double.payment_methods import (
    CHALLENGED,
    DECLINED,
    LOCALSTRIPE_DECLINED,
    NOT_HANDLED,
    Decline,
)
from tests.stripe_double.upstream import Upstream

PATH = "/v1/payment_intents"
AMOUNT_MIN, AMOUNT_MAX = 50, 99_999_999
AUTHORIZED_FOR = timedelta(days=7)
CANCELABLE = {"requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"}
FORWARDED = ("amount", "currency", "capture_method")
ALLOWED = {
    "create": {
        "amount",
        "currency",
        "capture_method",
        "confirm",
        "payment_method",
        "allowed_payment_method_types",
        "metadata",
        "expand",
        "return_url",
        "error_on_requires_action",
        "description",
    },
    "confirm": {"expand", "return_url", "error_on_requires_action"},
    "capture": {"amount_to_capture", "expand"},
    "cancel": {"cancellation_reason", "expand"},
}


@dataclass(slots=True)
class Extra:
    """What localstripe does not keep of a payment."""

    created: datetime
    return_url: str | None = None
    amount_received: int = 0
    cancellation_reason: str | None = None
    decline: Decline | None = None


class Payments:
    """The PaymentIntents of one account."""

    def __init__(self, upstream: Upstream, now: Callable[[], datetime]) -> None:
        self._upstream = upstream
        self._now = now
        self._extras: dict[str, Extra] = {}
        self.page_url = "https://hooks.stripe.com/3d_secure_2/hosted"

    async def create(self, params: Object) -> Answer:
        """Makes a payment, and confirms it where that is asked for."""
        _check(params, "create")
        method = params.get("payment_method")
        data: dict[str, str] = {name: params[name] for name in FORWARDED if name in params}
        data |= {f"metadata[{name}]": value for name, value in params.get("metadata", {}).items()}
        if method is not None:
            data["payment_method"] = await self._localstripe_method(method)
        made = await self._upstream.post(PATH, data)
        if made.status == 404:
            raise RefusedError(invalid("resource_missing", param="payment_method"))
        if made.status != 200:
            raise RefusedError(invalid(None, is_kept=False))
        payment_id = made.body["id"]
        self._extras[payment_id] = Extra(self._now(), decline=DECLINED.get(method or ""))
        if params.get("confirm") == "true":
            return await self.confirm(payment_id, params)
        return Answer(200, await self.shown(payment_id, params))

    async def confirm(self, payment_id: str, params: Object) -> Answer:
        """Tries to take the money."""
        payment = await self.shown(payment_id)
        if payment["status"] != "requires_confirmation":
            return _unexpected_state(payment)
        extra = self._extras[payment_id]
        extra.return_url = params.get("return_url")
        await self._upstream.post(f"{PATH}/{payment_id}/confirm", {})
        payment = await self.shown(payment_id, params)
        if payment["status"] == "requires_action" and params.get("error_on_requires_action") == "true":
            extra.decline = NOT_HANDLED
            payment = await self.authenticate(payment_id, succeeds=False)
        if payment["status"] == "requires_payment_method":
            return error(402, "card_error", **_why(payment), payment_intent=payment)
        return Answer(200, payment)

    async def capture(self, payment_id: str, params: Object) -> Answer:
        """Takes what was authorized, or less."""
        _check(params, "capture")
        payment = await self.shown(payment_id)
        if payment["status"] != "requires_capture":
            return _unexpected_state(payment)
        amount = int(params["amount_to_capture"])
        if not 0 < amount <= payment["amount"]:
            return invalid("amount_too_large", param="amount_to_capture", payment_intent=payment)
        await self._upstream.post(f"{PATH}/{payment_id}/capture", {"amount_to_capture": str(amount)})
        self._extras[payment_id].amount_received = amount
        return Answer(200, await self.shown(payment_id, params))

    async def cancel(self, payment_id: str, params: Object) -> Answer:
        """Cancels what is not over."""
        _check(params, "cancel")
        payment = await self.shown(payment_id)
        if payment["status"] not in CANCELABLE:
            return _unexpected_state(payment)
        await self._upstream.post(f"{PATH}/{payment_id}/cancel", {})
        self._extras[payment_id].cancellation_reason = params.get("cancellation_reason")
        return Answer(200, await self.shown(payment_id, params))

    async def authenticate(self, payment_id: str, succeeds: bool) -> Object:
        """What the payer's browser does on the page that it was sent to; answers the payment."""
        payment = await self._upstream.get(f"{PATH}/{payment_id}")
        data = {"client_secret": payment["client_secret"], "success": str(succeeds).lower()}
        await self._upstream.post(f"{PATH}/{payment_id}/_authenticate", data)
        return await self.shown(payment_id)

    def return_url(self, payment_id: str) -> str:
        """Where the payer comes back to, with what Stripe adds."""
        url = self._extras[payment_id].return_url or ""
        return f"{url}{'&' if '?' in url else '?'}payment_intent={payment_id}"

    async def listed(self, params: Object) -> list[Object]:
        """Those made in the window that is asked for, newest first."""
        payments = [self._dressed(one) for one in await self._upstream.list(PATH)]
        window = params.get("created", {})
        first = max(int(window.get("gte", 0)), int(window.get("gt", -1)) + 1)
        last = min(int(window.get("lte", 10**12)), int(window.get("lt", 10**12)) - 1)
        return [_with_charge_id(one) for one in reversed(payments) if first <= one["created"] <= last]

    async def shown(self, payment_id: str, params: Object | None = None) -> Object:
        """A payment as Stripe shows it. Raises RefusedError where there is none."""
        payment = self._dressed(await self._upstream.get(f"{PATH}/{payment_id}"))
        expanded = "latest_charge" in values((params or {}).get("expand"))
        return payment if expanded else _with_charge_id(payment)

    def clear(self) -> None:
        """Forgets all of them."""
        self._extras.clear()

    async def _localstripe_method(self, method: str) -> str:
        if method in DECLINED:
            return LOCALSTRIPE_DECLINED
        if method not in CHALLENGED:
            return method
        card = {"number": CHALLENGED[method], "exp_month": "12", "exp_year": "2035", "cvc": "123"}
        data = {"type": "card"} | {f"card[{name}]": value for name, value in card.items()}
        made = await self._upstream.post("/v1/payment_methods", data)
        return str(made.body["id"])

    def _dressed(self, payment: Object) -> Object:
        extra = self._extras[payment["id"]]
        payment["created"] = int(extra.created.timestamp())
        payment["amount_received"] = extra.amount_received or _automatically_received(payment)
        payment["amount_capturable"] = payment["amount"] if payment["status"] == "requires_capture" else 0
        payment["cancellation_reason"] = extra.cancellation_reason
        payment["payment_method_types"] = ["card"]
        if payment["next_action"]:
            payment["next_action"] = _next_action(f"{self.page_url}/{payment['id']}", extra.return_url)
        if payment["last_payment_error"]:
            payment["last_payment_error"] = {"type": "card_error", **_decline(payment, extra.decline)}
        if payment["latest_charge"]:
            _dress_charge(payment["latest_charge"], payment, extra)
        return payment


def _dress_charge(charge: Object, payment: Object, extra: Extra) -> None:
    decline = extra.decline if charge["status"] == "failed" else None
    charge["outcome"] = {"reason": (decline.decline_code or decline.code) if decline else None}
    card: Object = {"brand": "visa"}
    if payment["status"] == "requires_capture":
        card["capture_before"] = int((extra.created + AUTHORIZED_FOR).timestamp())
    charge["payment_method_details"] = {"type": "card", "card": card}


def _automatically_received(payment: Object) -> int:
    automatic = payment["status"] == "succeeded" and payment["capture_method"] != "manual"
    return int(payment["amount"]) if automatic else 0


def _next_action(page_url: str, return_url: str | None) -> Object:
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    return {"type": "redirect_to_url", "redirect_to_url": {"url": page_url, "return_url": return_url}}


def _decline(payment: Object, decline: Decline | None) -> Object:
    if decline is None:
        return dict(payment["last_payment_error"])
    return {"code": decline.code, "decline_code": decline.decline_code}


def _why(payment: Object) -> Object:
    said = payment["last_payment_error"]
    return {"code": said["code"], "decline_code": said.get("decline_code")}


def _with_charge_id(payment: Object) -> Object:
    charge = payment["latest_charge"]
    return {**payment, "latest_charge": charge and charge["id"]}


def _unexpected_state(payment: Object) -> Answer:
    return invalid("payment_intent_unexpected_state", payment_intent=payment)


def _check(params: Object, request: str) -> None:
    """Raises RefusedError for what Stripe refuses before it begins."""
    for name in params:
        if name not in ALLOWED[request]:
            raise RefusedError(invalid("parameter_unknown", is_kept=False, param=name))
    if request != "create":
        return
    if not params.get("amount", "").isdecimal():
        raise RefusedError(invalid("parameter_invalid_integer", is_kept=False, param="amount"))
    if not AMOUNT_MIN <= int(params["amount"]) <= AMOUNT_MAX:
        code = "amount_too_small" if int(params["amount"]) < AMOUNT_MIN else "amount_too_large"
        raise RefusedError(invalid(code, is_kept=False, param="amount"))
