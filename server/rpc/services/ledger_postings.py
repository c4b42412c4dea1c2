"""LedgerService: what changes a book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import grpc

from payflow.commands import merchant_scope
from payflow.commands.open_account import open_account
from payflow.commands.ports import Ports
from payflow.commands.post_transactions import post_transaction, post_transactions
from payflow.commands.undo_transaction import post_hold, reverse_transaction, void_hold
from payflow.domain import fields
from payflow.domain.currency import exponent
from payflow.domain.errors import PayFlowError, inside, invalid_field
from payflow.domain.ledger import drafting
from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.commands import PostTransaction
from payflow.domain.ledger.transaction import DraftTransaction, Layer
from payflow.domain.texts import Texts
from payflow.v1 import ledger_pb2 as pb
from payflow.v1 import ledger_pb2_grpc
from payflow.wire.enums import member_of
from payflow.wire.ledger import LAYERS
from server.rpc.call import current_call
from server.rpc.services.calls import changing_call, require_key, respond, scoped_merchant_id
from server.rpc.services.instants import instant

KIND = "transaction"

_Undoing = pb.PostPendingRequest | pb.VoidPendingRequest | pb.ReverseTransactionRequest


class LedgerPostings(ledger_pb2_grpc.LedgerServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def CreateAccount(self, request: pb.CreateAccountRequest, context: grpc.ServicerContext) -> pb.Account:
        require_key()
        request.merchant_id = _scope(request.merchant_id)
        account_id = drafting.own_account_id(request.id, "id") if request.id else ""
        account_type = member_of(pb.AccountType.DESCRIPTOR, request.type, AccountType)
        if account_type is None:
            raise invalid_field("type", "must be one of: asset, liability, equity, revenue, expense")
        exponent(request.currency)
        name = fields.text("name", request.name, fields.NAME_MAX)
        texts = Texts(name, fields.metadata(request.metadata))
        call = changing_call("CreateAccount", request)
        merchant = merchant_scope.known(self._ports, call, request.merchant_id)
        answer = open_account(
            self._ports,
            call,
            merchant,
            account_id,
            account_type,
            request.currency,
            request.allow_negative,
            texts,
        )
        return respond(answer, pb.Account, context)

    def PostTransaction(
        self, request: pb.PostTransactionRequest, context: grpc.ServicerContext
    ) -> pb.Transaction:
        require_key()
        request.merchant_id = _scope(request.merchant_id)
        posting = _posting(request, request.merchant_id)
        call = changing_call("PostTransaction", request)
        merchant = merchant_scope.known(self._ports, call, request.merchant_id)
        return respond(post_transaction(self._ports, call, merchant, posting), pb.Transaction, context)

    def PostTransactions(
        self, request: pb.PostTransactionsRequest, context: grpc.ServicerContext
    ) -> pb.PostTransactionsResponse:
        require_key()
        if not 0 < len(request.transactions) <= drafting.BULK_MAX:
            raise invalid_field("transactions", f"must be 1 to {drafting.BULK_MAX}")
        if sum(len(one.entries) for one in request.transactions) > drafting.BULK_ENTRIES_MAX:
            most = drafting.BULK_ENTRIES_MAX
            raise invalid_field("transactions", f"must have at most {most} entries in all")
        request.merchant_id = _scope(request.merchant_id or _merchant_of_all(request))
        items = [_item(index, item, request.merchant_id) for index, item in enumerate(request.transactions)]
        call = changing_call("PostTransactions", request)
        merchant = merchant_scope.known(self._ports, call, request.merchant_id)
        answer = post_transactions(self._ports, call, merchant, items)
        return respond(answer, pb.PostTransactionsResponse, context)

    def PostPending(self, request: pb.PostPendingRequest, context: grpc.ServicerContext) -> pb.Transaction:
        texts = self._prepared(request)
        amount = request.amount if request.HasField("amount") else None
        call = changing_call("PostPending", request)
        answer = post_hold(self._ports, call, request.merchant_id, request.id, amount, texts)
        return respond(answer, pb.Transaction, context)

    def VoidPending(self, request: pb.VoidPendingRequest, context: grpc.ServicerContext) -> pb.Transaction:
        texts = self._prepared(request)
        call = changing_call("VoidPending", request)
        answer = void_hold(self._ports, call, request.merchant_id, request.id, texts)
        return respond(answer, pb.Transaction, context)

    def ReverseTransaction(
        self, request: pb.ReverseTransactionRequest, context: grpc.ServicerContext
    ) -> pb.Transaction:
        texts = self._prepared(request)
        reference = fields.text("reference", request.reference, fields.REFERENCE_MAX)
        call = changing_call("ReverseTransaction", request)
        answer = reverse_transaction(self._ports, call, request.merchant_id, request.id, reference, texts)
        return respond(answer, pb.Transaction, context)

    def _prepared(self, request: _Undoing) -> Texts:
        """Checks what these requests share and puts the owner of the transaction into the request."""
        require_key()
        if not request.id:
            raise invalid_field("id", "is required")
        texts = _texts(request.description, request.metadata)
        asked_by = scoped_merchant_id(current_call(), request.merchant_id)
        deadline = current_call().deadline
        request.merchant_id = merchant_scope.owner_of(self._ports, KIND, request.id, asked_by, deadline)
        return texts


def _scope(merchant_id: str) -> str:
    return merchant_scope.required(scoped_merchant_id(current_call(), merchant_id))


def _item(index: int, request: pb.PostTransactionRequest, merchant_id: str) -> PostTransaction | PayFlowError:
    try:
        posting = _posting(request, merchant_id)
    except PayFlowError as refusal:
        return inside(f"transactions[{index}]", refusal)
    # Said once for all, wherever it was said: the request's hash covers it.
    request.ClearField("merchant_id")
    return posting


def _merchant_of_all(request: pb.PostTransactionsRequest) -> str:
    named = {one.merchant_id for one in request.transactions if one.merchant_id}
    if len(named) > 1:
        raise invalid_field("merchant_id", "is required where the transactions name several")
    return named.pop() if named else ""


def _posting(request: pb.PostTransactionRequest, merchant_id: str) -> PostTransaction:
    if request.merchant_id not in ("", merchant_id):
        raise invalid_field("merchant_id", f"must be {merchant_id}, the merchant of the call")
    layer = Layer.PENDING if request.pending else Layer.POSTED
    effective_at, expires_at = instant(request, "effective_at"), instant(request, "expires_at")
    terms = drafting.terms(request.reference, effective_at, expires_at, request.pending)
    return PostTransaction(
        merchant_id,
        DraftTransaction("", drafting.postings(_lines(request, layer), layer)),
        terms,
        _texts(request.description, request.metadata),
        drafting.expected_versions(request.expected_versions),
    )


def _lines(request: pb.PostTransactionRequest, layer: Layer) -> Iterator[tuple[str, int, str]]:
    for index, entry in enumerate(request.entries):
        if entry.layer not in (pb.LAYER_UNSPECIFIED, LAYERS[layer]):
            raise invalid_field(f"entries[{index}].layer", f"must be {layer.lower()}, as pending says")
        if entry.releases:
            raise invalid_field(f"entries[{index}].releases", "is given by PayFlow; post or void the hold")
        yield entry.account_id, entry.amount, entry.currency


def _texts(description: str, metadata: Mapping[str, str]) -> Texts:
    fields.text("description", description, fields.DESCRIPTION_MAX)
    return Texts(description, fields.metadata(metadata))
