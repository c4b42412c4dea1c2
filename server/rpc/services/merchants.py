"""MerchantService over the commit pipeline and the directory."""

from __future__ import annotations

import logging

import grpc

from payflow.commands import merchant_scope
from payflow.commands.call import Answer, commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.fees import BPS, FeeSchedule
from payflow.domain.merchant.commands import (
    CreateMerchant,
    CreatePspAccount,
    MerchantCommand,
    UpdateMerchant,
    UpdatePspAccount,
)
from payflow.domain.merchant.state import Merchant, Mode, PspAccount
from payflow.v1 import merchant_pb2 as pb
from payflow.v1 import merchant_pb2_grpc
from payflow.wire.enums import member_of
from payflow.wire.resources import to_message
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import changing_call, require_key, respond, scoped_merchant_id

log = logging.getLogger(__name__)

PRIORITY_MAX = 1_000

_Changing = (
    pb.CreateMerchantRequest
    | pb.UpdateMerchantRequest
    | pb.CreatePspAccountRequest
    | pb.UpdatePspAccountRequest
)


class Merchants(merchant_pb2_grpc.MerchantServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def CreateMerchant(self, request: pb.CreateMerchantRequest, context: grpc.ServicerContext) -> pb.Merchant:
        name = fields.text("name", request.name, fields.NAME_MAX)
        mode = member_of(pb.Mode.DESCRIPTOR, request.mode, Mode)
        if mode is None and request.mode != pb.MODE_UNSPECIFIED:
            raise invalid_field("mode", "must be TEST or LIVE")
        merchant_id = self._scope(request)
        accounts = self._ports.default_accounts
        command = CreateMerchant(merchant_id, name, mode or Mode.TEST, default_accounts=accounts)
        return respond(self._answer("CreateMerchant", request, command), pb.Merchant, context)

    def GetMerchant(self, request: pb.GetMerchantRequest, context: grpc.ServicerContext) -> pb.Merchant:
        return _merchant_message(self._read(request.merchant_id))

    def ListMerchants(
        self, request: pb.ListMerchantsRequest, context: grpc.ServicerContext
    ) -> pb.ListMerchantsResponse:
        call = current_call()
        if call.principal_merchant_id is not None:
            own = _merchant_message(self._read(call.principal_merchant_id))
            return pb.ListMerchantsResponse(merchants=[own])
        size = page_token.page_size(request.page_size)
        after = page_token.decode(request.page_token, "merchants")
        found = self._ports.directory.page(after, size + 1, call.deadline)
        page = found[:size]
        more = page_token.encode(page[-1].id, "merchants") if len(found) > size else ""
        return pb.ListMerchantsResponse(
            merchants=[_merchant_message(one) for one in page], next_page_token=more
        )

    def UpdateMerchant(self, request: pb.UpdateMerchantRequest, context: grpc.ServicerContext) -> pb.Merchant:
        name = fields.text("name", request.name, fields.NAME_MAX) if request.HasField("name") else None
        command = UpdateMerchant(self._scope(request), name)
        return respond(self._answer("UpdateMerchant", request, command), pb.Merchant, context)

    def CreatePspAccount(
        self, request: pb.CreatePspAccountRequest, context: grpc.ServicerContext
    ) -> pb.PspAccount:
        connectors = self._ports.connectors
        if request.connector not in connectors:
            raise invalid_field("connector", f"must be one of: {', '.join(sorted(connectors))}")
        self._warn_of_missing_settings(request)
        bps = request.fee_bps if request.HasField("fee_bps") else FeeSchedule().bps
        command = CreatePspAccount(
            self._scope(request),
            fields.psp_account_id(request.id),
            request.connector,
            FeeSchedule(fields.whole_number("fee_bps", bps, 0, BPS), _fixed(request.fee_fixed)),
            fields.credential_ref(request.credential_ref),
            fields.whole_number("priority", request.priority, 0, PRIORITY_MAX),
            *_costs(request),
        )
        return respond(self._answer("CreatePspAccount", request, command), pb.PspAccount, context)

    def GetPspAccount(self, request: pb.GetPspAccountRequest, context: grpc.ServicerContext) -> pb.PspAccount:
        return _account_message(self._read(request.merchant_id).psp_account(request.id))

    def ListPspAccounts(
        self, request: pb.ListPspAccountsRequest, context: grpc.ServicerContext
    ) -> pb.ListPspAccountsResponse:
        accounts = self._read(request.merchant_id).psp_accounts_by_priority()
        return pb.ListPspAccountsResponse(psp_accounts=[_account_message(account) for account in accounts])

    def UpdatePspAccount(
        self, request: pb.UpdatePspAccountRequest, context: grpc.ServicerContext
    ) -> pb.PspAccount:
        given = request.HasField
        command = UpdatePspAccount(
            self._scope(request),
            fields.psp_account_id(request.id),
            fields.whole_number("fee_bps", request.fee_bps, 0, BPS) if given("fee_bps") else None,
            _fixed(request.fee_fixed) if given("fee_fixed") else None,
            fields.credential_ref(request.credential_ref) if given("credential_ref") else None,
            fields.whole_number("priority", request.priority, 0, PRIORITY_MAX) if given("priority") else None,
            request.enabled if given("enabled") else None,
            *_costs(request),
        )
        return respond(self._answer("UpdatePspAccount", request, command), pb.PspAccount, context)

    def _warn_of_missing_settings(self, request: pb.CreatePspAccountRequest) -> None:
        """Not refused: this server may have them after its next start. Until then no payment goes there."""
        missing = self._ports.connectors[request.connector].missing_settings(request.credential_ref)
        if missing:
            told = {"psp_account_id": request.id, "missing": list(missing)}
            log.warning("a PSP account takes no payments until its settings are there", extra=told)

    def _scope(self, request: _Changing) -> str:
        require_key()
        merchant_id = scoped_merchant_id(current_call(), request.merchant_id)
        request.merchant_id = merchant_scope.required(merchant_id)
        return request.merchant_id

    def _answer(self, method: str, request: _Changing, command: MerchantCommand) -> Answer:
        call = changing_call(method, request)
        answer = commit_and_answer(self._ports, call, lambda _: command)
        # So that this process routes by the new state at once; others follow within moments.
        self._ports.directory.forget(command.merchant_id)
        return answer

    def _read(self, merchant_id: str) -> Merchant:
        call = current_call()
        wanted = merchant_scope.required(scoped_merchant_id(call, merchant_id))
        merchant = self._ports.directory.read(wanted, call.deadline)
        if merchant is None:
            raise not_found("merchant", wanted)
        return merchant


def _fixed(value: int) -> int:
    return fields.whole_number("fee_fixed", value, 0, fields.AMOUNT_MAX)


def _costs(request: pb.CreatePspAccountRequest | pb.UpdatePspAccountRequest) -> tuple[int | None, int | None]:
    """What the PSP keeps, where it is given."""
    bps = fields.whole_number("cost_bps", request.cost_bps, 0, BPS) if request.HasField("cost_bps") else None
    if not request.HasField("cost_fixed"):
        return bps, None
    return bps, fields.whole_number("cost_fixed", request.cost_fixed, 0, fields.AMOUNT_MAX)


def _merchant_message(merchant: Merchant) -> pb.Merchant:
    message = to_message(merchant)
    assert isinstance(message, pb.Merchant)
    return message


def _account_message(account: PspAccount) -> pb.PspAccount:
    message = to_message(account)
    assert isinstance(message, pb.PspAccount)
    return message
