"""LedgerService: what reads a book."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import grpc

from payflow.commands import merchant_scope
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.currency import exponent
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.ids import slot_of
from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.statements import (
    AccountFilter,
    EntryFilter,
    Period,
    TransactionFilter,
    Versions,
)
from payflow.domain.ledger.transaction import TransactionStatus
from payflow.domain.resources import TransactionView
from payflow.v1 import ledger_pb2 as pb
from payflow.v1 import ledger_pb2_grpc
from payflow.wire import ledger, ledger_reports, proof
from payflow.wire.enums import member_of
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import scoped_merchant_id
from server.rpc.services.entry_pages import entry_page
from server.rpc.services.instants import instant

BATCH_MAX = 1_000
TRIAL_BALANCE_PAGE_MAX = 5_000
PAGE_ENTRIES_MAX = 10_000

ACCOUNT = "account"
TRANSACTION = "transaction"


class LedgerReads(ledger_pb2_grpc.LedgerServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def GetAccount(self, request: pb.GetAccountRequest, context: grpc.ServicerContext) -> pb.Account:
        account_id = fields.account_id(request.account_id)
        merchant_id = self._book_of_account(account_id, request.merchant_id)
        view = self._ports.ledger.account(merchant_id, account_id, current_call().deadline)
        if view is None:
            raise not_found(ACCOUNT, account_id)
        return ledger.account(view)

    def ListAccounts(
        self, request: pb.ListAccountsRequest, context: grpc.ServicerContext
    ) -> pb.ListAccountsResponse:
        request.merchant_id = _book(request.merchant_id)
        wanted = _account_filter(request)
        query = page_token.query_of(request)
        size = page_token.page_size(request.page_size)
        after = page_token.decode(request.page_token, query)
        found = self._ports.ledger.accounts(
            request.merchant_id, wanted, after, size + 1, current_call().deadline
        )
        page = found[:size]
        more = page_token.encode(page[-1].account.id, query) if len(found) > size else ""
        return pb.ListAccountsResponse(accounts=[ledger.account(one) for one in page], next_page_token=more)

    def GetTransaction(
        self, request: pb.GetTransactionRequest, context: grpc.ServicerContext
    ) -> pb.Transaction:
        if not request.id:
            raise invalid_field("id", "is required")
        merchant_id = self._book_of(TRANSACTION, request.id, request.merchant_id)
        view = self._ports.ledger.transaction(merchant_id, request.id, current_call().deadline)
        if view is None:
            raise not_found(TRANSACTION, request.id)
        return ledger.transaction(view)

    def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: grpc.ServicerContext
    ) -> pb.InclusionProof:
        if not request.id:
            raise invalid_field("id", "is required")
        merchant_id = self._book_of(TRANSACTION, request.id, request.merchant_id)
        found = self._ports.ledger.inclusion_proof(merchant_id, request.id, current_call().deadline)
        if found is None:
            raise not_found("sealed transaction", request.id)
        return proof.inclusion_proof(found)

    def ListTransactions(
        self, request: pb.ListTransactionsRequest, context: grpc.ServicerContext
    ) -> pb.ListTransactionsResponse:
        request.merchant_id = _book(request.merchant_id)
        wanted = _transaction_filter(request)
        query = page_token.query_of(request)
        size = page_token.page_size(request.page_size)
        before = page_token.decode(request.page_token, query)
        found = self._ports.ledger.transactions(
            request.merchant_id, wanted, before, size + 1, current_call().deadline
        )
        page = _readable(found[:size])
        more = page_token.encode(page[-1].recorded.booked.id, query) if len(found) > len(page) else ""
        return pb.ListTransactionsResponse(
            transactions=[ledger.transaction(one) for one in page], next_page_token=more
        )

    def ListEntries(
        self, request: pb.ListEntriesRequest, context: grpc.ServicerContext
    ) -> pb.ListEntriesResponse:
        wanted = _entry_filter(request)
        if wanted.transaction_id:
            request.merchant_id = self._book_of(TRANSACTION, wanted.transaction_id, request.merchant_id)
        else:
            request.merchant_id = self._book_of_account(wanted.account_id, request.merchant_id)
        size = page_token.page_size(request.page_size)
        page = entry_page(request, page_token.query_of(request))
        found = self._ports.ledger.entries(
            request.merchant_id, wanted, page.beyond, page.rising, size + 1, current_call().deadline
        )
        if found is None:
            kind = TRANSACTION if wanted.transaction_id else ACCOUNT
            raise not_found(kind, wanted.transaction_id or wanted.account_id)
        return page.response(found, size)

    def GetBalance(self, request: pb.GetBalanceRequest, context: grpc.ServicerContext) -> pb.Balance:
        account_id = fields.account_id(request.account_id)
        merchant_id = self._book_of_account(account_id, request.merchant_id)
        as_of = instant(request, "as_of")
        found = self._ports.ledger.balance(merchant_id, account_id, as_of, current_call().deadline)
        if found is None:
            raise not_found(ACCOUNT, account_id)
        return ledger_reports.balance(found)

    def BatchGetBalances(
        self, request: pb.BatchGetBalancesRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetBalancesResponse:
        merchant_id = _book(request.merchant_id)
        asked = list(request.account_ids)
        if not 0 < len(asked) <= BATCH_MAX:
            raise invalid_field("account_ids", f"must be 1 to {BATCH_MAX}")
        for index, account_id in enumerate(asked):
            fields.account_id(account_id, f"account_ids[{index}]")
        as_of = instant(request, "as_of")
        found = self._ports.ledger.balances(merchant_id, asked, as_of, current_call().deadline)
        there = {one.account_id for one in found}
        for account_id in asked:
            if account_id not in there:
                raise not_found(ACCOUNT, account_id)
        return pb.BatchGetBalancesResponse(balances=[ledger_reports.balance(one) for one in found])

    def GetAccountStatement(
        self, request: pb.GetAccountStatementRequest, context: grpc.ServicerContext
    ) -> pb.AccountStatement:
        account_id = fields.account_id(request.account_id)
        request.merchant_id = self._book_of_account(account_id, request.merchant_id)
        period = _period(request)
        query = page_token.query_of(request)
        size = page_token.page_size(request.page_size)
        versions, after = _statement_place(page_token.decode(request.page_token, query))
        found = self._ports.ledger.statement(
            request.merchant_id, account_id, period, versions, after, size + 1, current_call().deadline
        )
        if found is None:
            raise not_found(ACCOUNT, account_id)
        page, more = found.entries[:size], ""
        if len(found.entries) > size:
            place = (found.versions.opening, found.versions.closing, page[-1].booked.account_version)
            more = page_token.encode(":".join(map(str, place)), query)
        return ledger_reports.statement(found, page, more)

    def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, context: grpc.ServicerContext
    ) -> pb.TrialBalance:
        request.merchant_id = _book(request.merchant_id)
        as_of = instant(request, "as_of")
        query = page_token.query_of(request)
        size = page_token.page_size(
            request.page_size, default=TRIAL_BALANCE_PAGE_MAX, most=TRIAL_BALANCE_PAGE_MAX
        )
        after = page_token.decode(request.page_token, query)
        trial = self._ports.ledger.trial_balance(
            request.merchant_id, as_of, after, size + 1, current_call().deadline
        )
        page = trial.balances[:size]
        more = page_token.encode(page[-1].account_id, query) if len(trial.balances) > size else ""
        return ledger_reports.trial_balance(page, trial, more)

    def _book_of(self, kind: str, identifier: str, merchant_id: str) -> str:
        call = current_call()
        asked_by = scoped_merchant_id(call, merchant_id)
        return merchant_scope.owner_of(self._ports, kind, identifier, asked_by, call.deadline)

    def _book_of_account(self, account_id: str, merchant_id: str) -> str:
        """The merchant's own book; a generated id finds it without being told."""
        asked_by = scoped_merchant_id(current_call(), merchant_id)
        if asked_by or slot_of(account_id) is None:
            return merchant_scope.required(asked_by)
        return self._book_of(ACCOUNT, account_id, "")


def _book(merchant_id: str) -> str:
    return merchant_scope.required(scoped_merchant_id(current_call(), merchant_id))


def _account_filter(request: pb.ListAccountsRequest) -> AccountFilter:
    account_type = member_of(pb.AccountType.DESCRIPTOR, request.type, AccountType)
    if account_type is None and request.type:
        raise invalid_field("type", "must be one of: asset, liability, equity, revenue, expense")
    if request.currency:
        exponent(request.currency)
    return AccountFilter(account_type, request.currency, fields.metadata(request.metadata))


def _transaction_filter(request: pb.ListTransactionsRequest) -> TransactionFilter:
    status = member_of(pb.TransactionStatus.DESCRIPTOR, request.status, TransactionStatus)
    if status is None and request.status:
        raise invalid_field("status", "must be one of: posted, pending, resolved")
    reference = fields.text("reference", request.reference, fields.REFERENCE_MAX)
    return TransactionFilter(reference, status, fields.metadata(request.metadata))


def _readable(found: list[TransactionView]) -> list[TransactionView]:
    """The first of them, with so few entries that clients accept the response."""
    entries = list(accumulate(len(one.recorded.booked.entries) for one in found))
    return found[: bisect_right(entries, PAGE_ENTRIES_MAX)]


def _entry_filter(request: pb.ListEntriesRequest) -> EntryFilter:
    if not request.account_id and not request.transaction_id:
        raise invalid_field("account_id", "is required, unless transaction_id is given")
    if request.account_id:
        fields.account_id(request.account_id)
    if request.order not in pb.EntryOrder.values():
        raise invalid_field("order", "must be one of: oldest_first, newest_first")
    return EntryFilter(request.account_id, request.transaction_id)


def _period(request: pb.GetAccountStatementRequest) -> Period:
    period = Period(instant(request, "start_time"), instant(request, "end_time"))
    if period.start and period.end and period.start > period.end:
        raise invalid_field("start_time", "must not be after end_time")
    return period


def _statement_place(position: str) -> tuple[Versions | None, int]:
    """The versions that the first page found, and the last one that was shown."""
    if not position:
        return None, 0
    opening, closing, after = page_token.numbers(position, 3)
    return Versions(opening, closing), after
