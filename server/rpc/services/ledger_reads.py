"""LedgerService: what reads a book."""

from __future__ import annotations

import grpc

from payflow.commands import merchant_scope
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.errors import not_found
from payflow.domain.ledger.statements import AccountBalance
from payflow.v1 import ledger_pb2 as pb
from payflow.v1 import ledger_pb2_grpc
from payflow.wire.timestamps import timestamp
from server.rpc.call import current_call
from server.rpc.services.calls import scoped_merchant_id
from server.rpc.services.instants import instant


class LedgerReads(ledger_pb2_grpc.LedgerServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def GetBalance(self, request: pb.GetBalanceRequest, context: grpc.ServicerContext) -> pb.Balance:
        call = current_call()
        account_id = fields.account_id(request.account_id)
        merchant_id = merchant_scope.required(scoped_merchant_id(call, request.merchant_id))
        as_of = instant(request, "as_of")
        found = self._ports.ledger.balance(merchant_id, account_id, as_of, call.deadline)
        if found is None:
            raise not_found("account", account_id)
        return _balance(found)

    def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, context: grpc.ServicerContext
    ) -> pb.TrialBalance:
        call = current_call()
        merchant_id = merchant_scope.required(scoped_merchant_id(call, request.merchant_id))
        trial = self._ports.ledger.trial_balance(merchant_id, call.deadline)
        totals = [
            pb.CurrencyTotal(
                currency=total.currency,
                debits=total.debits,
                credits=total.credits,
                difference=total.debits - total.credits,
            )
            for total in trial.totals
        ]
        return pb.TrialBalance(balances=[_balance(one) for one in trial.balances], totals=totals)


def _balance(found: AccountBalance) -> pb.Balance:
    balance = found.balance
    return pb.Balance(
        account_id=found.account_id,
        currency=found.currency,
        posted=balance.posted,
        pending_debits=balance.pending_debits,
        pending_credits=balance.pending_credits,
        available=balance.available(found.type),
        version=balance.version,
        as_of=timestamp(found.as_of),
    )
