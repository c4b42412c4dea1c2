"""What LedgerService refuses, asked for through both doors; nothing is written by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.integration.api.refusals import Refusal, Rpc, over_grpc, over_http, payload_of
from tests.ledger_caller import LedgerCaller
from tests.row_counts import row_counts
from tests.stack import Stack

SERVICE = "/payflow.v1.LedgerService/"
TRANSACTIONS = "/v1/ledger/transactions"
RPCS: Mapping[str, Rpc] = {
    "open": Rpc(f"{SERVICE}CreateAccount", pb.CreateAccountRequest, "POST", "/v1/ledger/accounts"),
    "post": Rpc(f"{SERVICE}PostTransaction", pb.PostTransactionRequest, "POST", TRANSACTIONS),
    "bulk": Rpc(f"{SERVICE}PostTransactions", pb.PostTransactionsRequest, "POST", f"{TRANSACTIONS}:batch"),
    "post hold": Rpc(f"{SERVICE}PostPending", pb.PostPendingRequest, "POST", f"{TRANSACTIONS}/{{id}}/post"),
    "void": Rpc(f"{SERVICE}VoidPending", pb.VoidPendingRequest, "POST", f"{TRANSACTIONS}/{{id}}/void"),
    "reverse": Rpc(
        f"{SERVICE}ReverseTransaction", pb.ReverseTransactionRequest, "POST", f"{TRANSACTIONS}/{{id}}/reverse"
    ),
}
CODES = {
    "VALIDATION_FAILED": "INVALID_ARGUMENT",
    "UNBALANCED_TRANSACTION": "INVALID_ARGUMENT",
    "CURRENCY_MISMATCH": "INVALID_ARGUMENT",
    "IDEMPOTENCY_KEY_REUSED": "INVALID_ARGUMENT",
    "REQUEST_TOO_LARGE": "INVALID_ARGUMENT",
    "NOT_FOUND": "NOT_FOUND",
    "ACCOUNT_EXISTS": "ALREADY_EXISTS",
    "TRANSACTION_EXISTS": "ALREADY_EXISTS",
    "INSUFFICIENT_BALANCE": "FAILED_PRECONDITION",
    "INVALID_STATE_TRANSITION": "FAILED_PRECONDITION",
    "CONCURRENT_UPDATE": "ABORTED",
}

PREFIXES = {"type": "ACCOUNT_TYPE", "layer": "LAYER"}

Json = dict[str, Any]


def lines(*triples: tuple[str, int, str] | tuple[str, int]) -> list[Json]:
    """Entries of a request as JSON, in dollars unless a line says otherwise."""
    names = ("account_id", "amount", "currency")
    return [dict(zip(names, (*triple, "USD"), strict=False)) for triple in triples]


def grpc_form(request: Mapping[str, Any]) -> Json:
    """The request as protobuf's own JSON has it: enum values with their prefixes."""
    return {name: _grpc_value(name, value) for name, value in request.items()}


def _grpc_value(name: str, value: Any) -> Any:
    if name in PREFIXES:
        return f"{PREFIXES[name]}_{value.upper()}"
    if name in ("entries", "transactions"):
        return [grpc_form(one) for one in value]
    return value


def refused(books: LedgerCaller, http: HttpCaller, rpc: str, request: Mapping[str, Any]) -> Refusal:
    """The refusal, which is the same over gRPC and HTTP."""
    called = RPCS[rpc]
    payload = payload_of(called, grpc_form(request))
    first = over_grpc(books.channel, called.path, payload, str(uuid4()))
    second = over_http(http, called, request, str(uuid4()))
    assert (first.code, first.reason, first.fields) == (second.code, second.reason, second.fields)
    assert first.code == CODES[first.reason]
    return first


@contextmanager
def nothing_written(stack: Stack) -> Iterator[None]:
    """No table has more or fewer rows behind it."""
    before = row_counts(stack.database.owner_url)
    yield
    assert row_counts(stack.database.owner_url) == before
