"""Bad requests as data: what is sent, and what the contract says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from payflow.v1 import ledger_pb2, merchant_pb2, payment_intent_pb2, refund_pb2
from tests.integration.api.refusals import Rpc

AMOUNT_MAX = 999_999_999_999
NUL = "a\x00b"
CARD = "4242424242424242"
INTENTS = "/payflow.v1.PaymentIntentService/"
REFUNDS = "/payflow.v1.RefundService/"
LEDGER = "/payflow.v1.LedgerService/"
MERCHANTS = "/payflow.v1.MerchantService/"

RPCS: Mapping[str, Rpc] = {
    "create": Rpc(
        f"{INTENTS}CreatePaymentIntent",
        payment_intent_pb2.CreatePaymentIntentRequest,
        "POST",
        "/v1/payment_intents",
    ),
    "get": Rpc(
        f"{INTENTS}GetPaymentIntent",
        payment_intent_pb2.GetPaymentIntentRequest,
        "GET",
        "/v1/payment_intents/{id}",
    ),
    "list": Rpc(
        f"{INTENTS}ListPaymentIntents",
        payment_intent_pb2.ListPaymentIntentsRequest,
        "GET",
        "/v1/payment_intents",
    ),
    "authorize": Rpc(
        f"{INTENTS}AuthorizePaymentIntent",
        payment_intent_pb2.AuthorizePaymentIntentRequest,
        "POST",
        "/v1/payment_intents/{id}/authorize",
    ),
    "capture": Rpc(
        f"{INTENTS}CapturePaymentIntent",
        payment_intent_pb2.CapturePaymentIntentRequest,
        "POST",
        "/v1/payment_intents/{id}/capture",
    ),
    "cancel": Rpc(
        f"{INTENTS}CancelPaymentIntent",
        payment_intent_pb2.CancelPaymentIntentRequest,
        "POST",
        "/v1/payment_intents/{id}/cancel",
    ),
    "events": Rpc(
        f"{INTENTS}ListPaymentIntentEvents",
        payment_intent_pb2.ListPaymentIntentEventsRequest,
        "GET",
        "/v1/payment_intents/{id}/events",
    ),
    "refund": Rpc(f"{REFUNDS}CreateRefund", refund_pb2.CreateRefundRequest, "POST", "/v1/refunds"),
    "get refund": Rpc(f"{REFUNDS}GetRefund", refund_pb2.GetRefundRequest, "GET", "/v1/refunds/{id}"),
    "list refunds": Rpc(f"{REFUNDS}ListRefunds", refund_pb2.ListRefundsRequest, "GET", "/v1/refunds"),
    "balance": Rpc(
        f"{LEDGER}GetBalance",
        ledger_pb2.GetBalanceRequest,
        "GET",
        "/v1/ledger/accounts/{account_id}/balance",
    ),
    "trial balance": Rpc(
        f"{LEDGER}GetTrialBalance", ledger_pb2.GetTrialBalanceRequest, "GET", "/v1/ledger/trial_balance"
    ),
    "create merchant": Rpc(
        f"{MERCHANTS}CreateMerchant", merchant_pb2.CreateMerchantRequest, "POST", "/v1/merchants"
    ),
    "update merchant": Rpc(
        f"{MERCHANTS}UpdateMerchant",
        merchant_pb2.UpdateMerchantRequest,
        "PATCH",
        "/v1/merchants/{merchant_id}",
    ),
    "get merchant": Rpc(
        f"{MERCHANTS}GetMerchant", merchant_pb2.GetMerchantRequest, "GET", "/v1/merchants/{merchant_id}"
    ),
    "list merchants": Rpc(
        f"{MERCHANTS}ListMerchants", merchant_pb2.ListMerchantsRequest, "GET", "/v1/merchants"
    ),
    "create PSP account": Rpc(
        f"{MERCHANTS}CreatePspAccount",
        merchant_pb2.CreatePspAccountRequest,
        "POST",
        "/v1/merchants/{merchant_id}/psp_accounts",
    ),
    "update PSP account": Rpc(
        f"{MERCHANTS}UpdatePspAccount",
        merchant_pb2.UpdatePspAccountRequest,
        "PATCH",
        "/v1/merchants/{merchant_id}/psp_accounts/{id}",
    ),
    "get PSP account": Rpc(
        f"{MERCHANTS}GetPspAccount",
        merchant_pb2.GetPspAccountRequest,
        "GET",
        "/v1/merchants/{merchant_id}/psp_accounts/{id}",
    ),
}

CODES = {
    "VALIDATION_FAILED": "INVALID_ARGUMENT",
    "REQUEST_TOO_LARGE": "INVALID_ARGUMENT",
    "NOT_FOUND": "NOT_FOUND",
    "ROUTE_NOT_FOUND": "NOT_FOUND",
    "MERCHANT_EXISTS": "ALREADY_EXISTS",
    "PSP_ACCOUNT_EXISTS": "ALREADY_EXISTS",
    "INVALID_STATE_TRANSITION": "FAILED_PRECONDITION",
    "AMOUNT_EXCEEDS_CAPTURABLE": "FAILED_PRECONDITION",
    "AMOUNT_EXCEEDS_REFUNDABLE": "FAILED_PRECONDITION",
    "UNIMPLEMENTED": "UNIMPLEMENTED",
}

Door = Literal["grpc", "http"]
BOTH: tuple[Door, ...] = ("grpc", "http")


@dataclass(frozen=True, slots=True)
class Bad:
    """A request with its refusal; a string that starts with ``@`` stands for an id of the test's own.

    ``field`` is how the name of the field in the refusal begins; none is named where it is empty.
    """

    name: str
    rpc: str
    request: Mapping[str, Any]
    field: str = ""
    reason: str = "VALIDATION_FAILED"
    doors: tuple[Door, ...] = BOTH


def _create(name: str, field: str, doors: tuple[Door, ...] = BOTH, **changes: Any) -> Bad:
    good = {"merchant_id": "@merchant", "amount": 100, "currency": "USD"}
    return Bad(f"create with {name}", "create", good | changes, field, doors=doors)


def _account(name: str, field: str, **changes: Any) -> Bad:
    good = {"merchant_id": "@merchant", "id": "other", "connector": "simulator"}
    return Bad(f"PSP account with {name}", "create PSP account", good | changes, field)


_AMOUNTS = {
    "negative": -1,
    "zero": 0,
    "least": -(2**63),
    "greatest": 2**63 - 1,
    "just too great": AMOUNT_MAX + 1,
}
_OUTSIDE_INT64 = {"2^63": 2**63, "-2^63-1": -(2**63) - 1, "a fraction": 1.5, "a word": "ten", "true": True}
_CURRENCIES = {
    "unknown": "XYZ",
    "lower-case": "usd",
    "empty": "",
    "gold": "XAU",
    "NUL": "US\x00",
    "padded": " USD",
}

AMOUNTS = [
    *(_create(f"{name} amount", "amount", amount=amount) for name, amount in _AMOUNTS.items()),
    *(
        _create(f"{name} as amount", "amount", ("http",), amount=amount)
        for name, amount in _OUTSIDE_INT64.items()
    ),
    *(_create(f"{name} currency", "currency", currency=currency) for name, currency in _CURRENCIES.items()),
    *(
        Bad(f"{rpc} of {name} amount", rpc, {field: f"@{thing}", "amount": amount}, "amount")
        for name, amount in _AMOUNTS.items()
        for rpc, field, thing in (
            ("capture", "id", "authorized"),
            ("refund", "payment_intent_id", "captured"),
        )
    ),
    Bad(
        "capture of too much",
        "capture",
        {"id": "@authorized", "amount": 101},
        "",
        "AMOUNT_EXCEEDS_CAPTURABLE",
    ),
    Bad(
        "refund of too much",
        "refund",
        {"payment_intent_id": "@captured", "amount": 101},
        "",
        "AMOUNT_EXCEEDS_REFUNDABLE",
    ),
]

TEXTS = [
    _create("a card number", "payment_method", payment_method=CARD),
    _create("an overlong payment method", "payment_method", payment_method="p" * 256),
    _create("NUL in the payment method", "payment_method", payment_method=NUL),
    _create("an overlong description", "description", description="é" * 1001),
    _create("NUL in the description", "description", description=NUL),
    _create("51 metadata keys", "metadata", metadata={f"key_{number}": "" for number in range(51)}),
    _create("an empty metadata key", "metadata", metadata={"": "value"}),
    _create("an overlong metadata key", "metadata", metadata={"k" * 41: ""}),
    _create("an overlong metadata value", "metadata", metadata={"key": "v" * 501}),
    _create("NUL in a metadata key", "metadata", metadata={NUL: ""}),
    _create("NUL in a metadata value", "metadata", metadata={"key": NUL}),
    _create("no merchant", "merchant_id", merchant_id=""),
    _create("an overlong merchant", "merchant_id", merchant_id="m" * 65),
    _create("NUL in the merchant", "merchant_id", merchant_id=NUL),
    _create("a blank in the merchant", "merchant_id", merchant_id="a b"),
    _create("an unknown capture method", "capture_method", capture_method=99),
    Bad(
        "authorize with a card number",
        "authorize",
        {"id": "@created", "payment_method": CARD},
        "payment_method",
    ),
    Bad("authorize with NUL", "authorize", {"id": "@created", "payment_method": NUL}, "payment_method"),
    Bad("refund with NUL", "refund", {"payment_intent_id": "@captured", "reason": NUL}, "reason"),
    Bad(
        "refund with too long a reason",
        "refund",
        {"payment_intent_id": "@captured", "reason": "r" * 501},
        "reason",
    ),
    Bad(
        "refund with 51 metadata keys",
        "refund",
        {"payment_intent_id": "@captured", "metadata": {f"key_{number}": "" for number in range(51)}},
        "metadata",
    ),
    Bad("merchant with NUL", "create merchant", {"merchant_id": "new", "name": NUL}, "name"),
    Bad(
        "merchant with too long a name", "create merchant", {"merchant_id": "new", "name": "n" * 201}, "name"
    ),
    Bad("merchant without id", "create merchant", {"name": "new"}, "merchant_id"),
    Bad("merchant of unknown mode", "create merchant", {"merchant_id": "new", "mode": 99}, "mode"),
    Bad("merchant renamed to NUL", "update merchant", {"merchant_id": "@merchant", "name": NUL}, "name"),
    _account("NUL", "id", id=NUL),
    _account("an overlong id", "id", id="a" * 41),
    _account("upper case", "id", id="Other"),
    _account("no id", "id", id=""),
    _account("an unknown connector", "connector", connector="acme"),
    _account("NUL in the connector", "connector", connector=NUL),
    _account("a secret's blanks", "credential_ref", credential_ref="a b"),
    _account("an overlong reference", "credential_ref", credential_ref="r" * 201),
    _account("more than all as fee", "fee_bps", fee_bps=10_001),
    _account("a negative fee", "fee_bps", fee_bps=-1),
    _account("a negative fixed fee", "fee_fixed", fee_fixed=-1),
    _account("too low a priority", "priority", priority=-1),
    _account("too high a priority", "priority", priority=1001),
]

_BY_ID = ("get", "authorize", "capture", "cancel", "events", "get refund")
_GENERATED = "0" * 32

IDENTIFIERS = [
    *(Bad(f"{rpc} without id", rpc, {}, "id", doors=("grpc",)) for rpc in _BY_ID),
    *(Bad(f"{rpc} of nonsense", rpc, {"id": "nonsense"}, "", "NOT_FOUND") for rpc in _BY_ID),
    *(Bad(f"{rpc} of nobody's", rpc, {"id": f"pi_{_GENERATED}"}, "", "NOT_FOUND") for rpc in _BY_ID),
    *(
        Bad(f"{rpc} with NUL in the id", rpc, {"id": "@with NUL"}, "", "NOT_FOUND", ("grpc",))
        for rpc in _BY_ID
    ),
    *(Bad(f"{rpc} with NUL in the path", rpc, {"id": "@with NUL"}, "id", doors=("http",)) for rpc in _BY_ID),
    *(
        Bad(f"{rpc} of a foreign one", rpc, {"id": "@created", "merchant_id": "@foreigner"}, "", "NOT_FOUND")
        for rpc in _BY_ID
    ),
    Bad("refund without id", "refund", {}, "payment_intent_id"),
    Bad("refund with NUL in the id", "refund", {"payment_intent_id": "@with NUL"}, "", "NOT_FOUND"),
    Bad(
        "refund of a foreign one",
        "refund",
        {"payment_intent_id": "@captured", "merchant_id": "@foreigner"},
        "",
        "NOT_FOUND",
    ),
    Bad(
        "refunds of a foreign one",
        "list refunds",
        {"payment_intent_id": "@captured", "merchant_id": "@foreigner"},
        "",
        "NOT_FOUND",
    ),
    Bad("refunds of a NUL", "list refunds", {"payment_intent_id": "@with NUL"}, "", "NOT_FOUND"),
    Bad("intents of nobody", "list", {}, "merchant_id"),
    Bad("refunds of nobody", "list refunds", {}, "merchant_id"),
    Bad("trial balance of nobody", "trial balance", {}, "merchant_id"),
    Bad("balance of nobody", "balance", {"account_id": "cash"}, "merchant_id"),
    Bad(
        "balance of no account",
        "balance",
        {"account_id": "cash", "merchant_id": "@merchant"},
        "",
        "NOT_FOUND",
    ),
    Bad("balance of NUL", "balance", {"account_id": NUL, "merchant_id": "@merchant"}, "account_id"),
    Bad("a merchant that is not there", "get merchant", {"merchant_id": "missing"}, "", "NOT_FOUND"),
    Bad("a name for a missing merchant", "update merchant", {"merchant_id": "missing"}, "", "NOT_FOUND"),
    Bad(
        "a PSP account that is not there",
        "get PSP account",
        {"merchant_id": "@merchant", "id": "missing"},
        "",
        "NOT_FOUND",
    ),
    Bad(
        "changes to a missing PSP account",
        "update PSP account",
        {"merchant_id": "@merchant", "id": "missing"},
        "",
        "NOT_FOUND",
    ),
    Bad("a merchant twice", "create merchant", {"merchant_id": "@merchant"}, "", "MERCHANT_EXISTS"),
    Bad(
        "a PSP account twice",
        "create PSP account",
        {"merchant_id": "@merchant", "id": "simulator", "connector": "simulator"},
        "",
        "PSP_ACCOUNT_EXISTS",
    ),
]

_PAGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("list", {"merchant_id": "@merchant"}),
    ("list refunds", {"merchant_id": "@merchant"}),
    ("events", {"id": "@captured"}),
    ("list merchants", {}),
)

PAGES = [
    *(
        Bad(f"{rpc}: {size} on a page", rpc, {**query, "page_size": size}, "page_size")
        for rpc, query in _PAGES
        for size in (-1, 501)
    ),
    *(
        Bad(f"{rpc}: {name} token", rpc, {**query, "page_token": token}, "page_token")
        for rpc, query in _PAGES
        for name, token in (
            ("garbage", "!!!"),
            ("short", "AAAA"),
            ("invented", "A" * 40),
            ("overlong", "A" * 513),
            ("another query's", "@token"),
            ("another position's", "@tampered token"),
        )
    ),
    Bad("list by unknown status", "list", {"merchant_id": "@merchant", "status": 99}, "status"),
]

STATES = [
    Bad(f"{rpc} of {thing}", rpc, {"id": f"@{thing}"}, "", "INVALID_STATE_TRANSITION")
    for rpc, thing in (
        ("authorize", "authorized"),
        ("authorize", "captured"),
        ("capture", "created"),
        ("capture", "captured"),
        ("cancel", "captured"),
    )
] + [
    Bad(f"refund of {thing}", "refund", {"payment_intent_id": f"@{thing}"}, "", "INVALID_STATE_TRANSITION")
    for thing in ("created", "authorized")
]

BAD_REQUESTS = [*AMOUNTS, *TEXTS, *IDENTIFIERS, *PAGES, *STATES]
