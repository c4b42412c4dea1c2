"""Merchants, their PSP accounts and what these mean for payments."""

from __future__ import annotations

from typing import Any

import pytest

from payflow.v1 import merchant_pb2 as pb
from payflow.v1 import payment_intent_pb2
from tests.http_payments import HttpCaller
from tests.payments import ApiError, Caller


def create_merchant(caller: Caller, **fields: Any) -> Any:
    request = pb.CreateMerchantRequest(merchant_id=caller.merchant_id, **fields)
    return caller.reply(caller.merchants.CreateMerchant, request).message


def create_account(caller: Caller, account_id: str, **fields: Any) -> Any:
    request = pb.CreatePspAccountRequest(
        merchant_id=caller.merchant_id, id=account_id, connector="simulator", **fields
    )
    return caller.reply(caller.merchants.CreatePspAccount, request).message


def update_account(caller: Caller, account_id: str, **fields: Any) -> Any:
    request = pb.UpdatePspAccountRequest(merchant_id=caller.merchant_id, id=account_id, **fields)
    return caller.reply(caller.merchants.UpdatePspAccount, request).message


def accounts_of(caller: Caller) -> list[str]:
    request = pb.ListPspAccountsRequest(merchant_id=caller.merchant_id)
    return [account.id for account in caller.merchants.ListPspAccounts(request).psp_accounts]


def test_a_merchants_life_over_grpc(caller: Caller) -> None:
    merchant = create_merchant(caller, name="Shop")
    assert (merchant.id, merchant.name, merchant.mode) == (caller.merchant_id, "Shop", pb.MODE_TEST)
    request = pb.UpdateMerchantRequest(merchant_id=caller.merchant_id, name="Store")
    renamed = caller.reply(caller.merchants.UpdateMerchant, request).message
    assert (renamed.name, renamed.created_at) == ("Store", merchant.created_at)
    assert renamed.version > merchant.version
    assert caller.merchants.GetMerchant(pb.GetMerchantRequest(merchant_id=caller.merchant_id)) == renamed


def test_a_merchants_life_over_http(caller: Caller, http: HttpCaller) -> None:
    path = f"/v1/merchants/{caller.merchant_id}"
    created = http.post("/v1/merchants", {"merchant_id": caller.merchant_id, "name": "Shop"})
    assert (created.status, created.json["mode"]) == (201, "test")
    renamed = http.patch(path, {"name": "Store"})
    assert (renamed.status, renamed.json["name"]) == (200, "Store")
    assert http.get(path).json == renamed.json
    account = http.post(f"{path}/psp_accounts", {"id": "second", "connector": "simulator", "fee_bps": 0})
    assert (account.status, account.json["fee_bps"], account.json["enabled"]) == (201, 0, True)
    changed = http.patch(f"{path}/psp_accounts/second", {"fee_fixed": 30, "enabled": False})
    assert (changed.status, changed.json["fee_bps"], changed.json["fee_fixed"]) == (200, 0, 30)
    assert http.get(f"{path}/psp_accounts/second").json == changed.json
    assert changed.json["enabled"] is False
    listed = http.get(f"{path}/psp_accounts").json["psp_accounts"]
    assert [one["id"] for one in listed] == ["second", "simulator"]


def test_merchants_are_listed_by_id(caller: Caller, address: str) -> None:
    for suffix in ("c", "a", "b"):
        with Caller(address, f"{caller.merchant_id}.{suffix}") as one:
            create_merchant(one)
    seen: list[str] = []
    request = pb.ListMerchantsRequest(page_size=2)
    while True:
        page = caller.merchants.ListMerchants(request)
        assert len(page.merchants) <= 2
        seen += [merchant.id for merchant in page.merchants]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == sorted(set(seen))
    assert [one for one in seen if one.startswith(caller.merchant_id)] == [
        f"{caller.merchant_id}.{suffix}" for suffix in "abc"
    ]


def test_psp_accounts_are_tried_by_priority(caller: Caller) -> None:
    create_merchant(caller)
    account = create_account(caller, "first", priority=1, credential_ref="env:FIRST")
    assert (account.fee_bps, account.credential_ref) == (300, "env:FIRST")
    assert accounts_of(caller) == ["first", "simulator"]
    assert caller.authorize(caller.create().id).psp_account_id == "first"
    update_account(caller, "first", priority=200)
    assert accounts_of(caller) == ["simulator", "first"]
    assert caller.authorize(caller.create().id).psp_account_id == "simulator"
    update_account(caller, "simulator", enabled=False)
    assert caller.authorize(caller.create().id).psp_account_id == "first"


@pytest.mark.parametrize(
    ("bps", "fixed", "fee"),
    [(0, 0, 0), (10_000, 0, 10_050), (0, 30, 30), (290, 30, 321), (10_000, 500, 10_050), (100, 0, 100)],
)
def test_a_merchants_fee_is_in_its_books(caller: Caller, bps: int, fixed: int, fee: int) -> None:
    create_merchant(caller)
    update_account(caller, "simulator", fee_bps=bps, fee_fixed=fixed)
    caller.captured(10_050)
    posted = {balance.account_id: balance.posted for balance in caller.trial_balance().balances}
    assert posted["sys:psp_clearing:simulator:USD"] == 10_050
    assert posted["sys:merchant_payable:simulator:USD"] == -(10_050 - fee)
    assert posted.get("sys:platform_fees:simulator:USD", 0) == -fee


def test_a_fee_is_the_one_at_the_capture_and_is_kept_on_a_refund(caller: Caller) -> None:
    create_merchant(caller)
    intent = caller.create()
    caller.authorize(intent.id)
    update_account(caller, "simulator", fee_bps=1_000)
    caller.capture(intent.id)
    update_account(caller, "simulator", fee_bps=0)
    caller.refund(intent.id)
    assert caller.balance("sys:platform_fees:simulator:USD").posted == -1_000
    assert caller.balance("sys:merchant_payable:simulator:USD").posted == 1_000


def test_a_live_merchant_needs_a_payment_method_and_a_psp(caller: Caller) -> None:
    create_merchant(caller, mode=pb.MODE_LIVE)
    assert accounts_of(caller) == []
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as refused:
        create_account(caller, "sim")
    assert refused.value.fields == ["connector"]
    with_method = caller.create(payment_method="pm_card_visa")
    with pytest.raises(ApiError, match="NO_PSP_AVAILABLE"):
        caller.authorize(with_method.id)
    without = caller.create()
    with pytest.raises(ApiError) as refused:
        caller.authorize(without.id)
    assert (refused.value.reason, refused.value.fields) == ("VALIDATION_FAILED", ["payment_method"])


def test_no_enabled_psp_account(caller: Caller, http: HttpCaller) -> None:
    create_merchant(caller)
    intent = caller.create()
    held = caller.create()
    caller.authorize(held.id)
    update_account(caller, "simulator", enabled=False)
    reply = http.post(f"/v1/payment_intents/{intent.id}/authorize")
    assert reply.error == (503, "UNAVAILABLE", "NO_PSP_AVAILABLE")
    assert "retry-after" in reply.headers
    assert caller.get(intent.id).status == payment_intent_pb2.PAYMENT_INTENT_STATUS_CREATED
    # A disabled account still finishes what it has.
    assert caller.capture(held.id).captured_amount == 10_000
    assert caller.refund(held.id, 1).amount == 1
