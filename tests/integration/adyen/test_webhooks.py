"""Webhooks as they come, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payflow.domain.psp_outcome import Approved, Declined, OperationType
from payflow.psp.adyen.connector import AdyenConnector
from payflow.psp.connector import Rejection, WebhookRejectedError
from tests.adyen_doubles import (
    AdyenDouble,
    accepted,
    authorization,
    authorized,
    connected,
    modification,
    settings_for,
)
from tests.adyen_merchant import Merchant, notices, told
from tests.waiting import wait_until


def test_a_refusal_is_told_by_webhook_as_well_without_its_reason(
    connector: AdyenConnector, merchant: Merchant
) -> None:
    call = authorization("pm_card_insufficient_funds")
    declined = connector.execute(call)
    assert isinstance(declined, Declined)
    assert declined.failure.code == "insufficient_funds"

    [notice] = told(connector, merchant, 1, call)
    assert isinstance(notice.outcome, Declined)
    assert notice.outcome.failure.code == "unknown_decline"


def test_webhooks_wait_for_a_merchant_who_is_away_and_keep_their_order(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    merchant.away = True
    refused = merchant.refused
    call, payment = authorized(connector)
    capture = modification(OperationType.CAPTURE, payment)
    accepted(connector, capture)
    wait_until(lambda: merchant.refused > refused + 1)
    assert notices(connector, merchant.deliveries, call, capture) == []

    merchant.away = False
    assert [notice.operation for notice in told(connector, merchant, 2, call, capture)] == [
        OperationType.AUTHORIZE,
        OperationType.CAPTURE,
    ]


def test_webhooks_come_twice_out_of_order_and_several_at_once_and_stay_the_same_events(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    double.settle()
    double.hold_webhooks()
    call, payment = authorized(connector)
    capture = modification(OperationType.CAPTURE, payment)
    accepted(connector, capture)
    first, second = (one["id"] for one in double.webhooks(call, capture))
    before = len(merchant.deliveries)

    assert double.deliver(second, first, first) == [200, 200, 200]
    assert double.deliver(second, first, together=True) == [200]
    ids = [
        item.event_id
        for one in merchant.deliveries[before:]
        for item in connector.receive(one, "", datetime.now(UTC))
    ]
    captured, authorised = ids[0], ids[1]
    assert captured.startswith("CAPTURE:")
    assert ids == [captured, authorised, authorised, captured, authorised]


def test_a_delivery_of_several_items_tells_all_of_them(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    double.settle()
    double.hold_webhooks()
    call, payment = authorized(connector)
    captures = [modification(OperationType.CAPTURE, payment, amount) for amount in (1001, 1000)]
    for capture in captures:
        accepted(connector, capture)
    before = len(merchant.deliveries)
    double.hold_webhooks(False, items_per_delivery=3)

    outcomes = [notice.outcome for notice in told(connector, merchant, 3, call, *captures)]
    assert [type(outcome) for outcome in outcomes] == [Approved, Declined, Approved]
    assert len(merchant.deliveries) == before + 1


def test_a_webhook_is_verified_with_the_key_of_its_own_account(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    call, _ = authorized(connector)
    told(connector, merchant, 1, call)
    now = datetime.now(UTC)
    other = {f"SHOP1_{name}": value for name, value in settings_for(double.url).items()}
    with connected({**other, "SHOP1_ADYEN_HMAC_KEY": "00" * 32}) as stranger:
        for credential_ref, rejection in (
            ("SHOP1", Rejection.SIGNATURE_WRONG),
            ("", Rejection.NOT_CONFIGURED),
        ):
            with pytest.raises(WebhookRejectedError) as rejected:
                stranger.receive(merchant.deliveries[-1], credential_ref, now)
            assert rejected.value.rejection is rejection
