"""What a webhook must be like to be believed, and what is believed of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.psp.adyen.accounts import Account
from payflow.psp.adyen.webhooks import ITEMS_MAX, Event, verified
from payflow.psp.connector import Delivery, Rejection, WebhookRejectedError
from tests.adyen_double.notifications import delivery, signature

HMAC_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
ACCOUNT = Account("https://checkout-test.adyen.com", "ShopECOM", "key", HMAC_KEY)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz-2"

ITEM: dict[str, Any] = {
    "pspReference": "QFQTPCQ8HXSKGK82",
    "originalReference": "9913140798220028",
    "merchantAccountCode": "ShopECOM",
    "merchantReference": KEY,
    "amount": {"value": 1999, "currency": "EUR"},
    "eventCode": "CAPTURE",
    "success": "true",
    "eventDate": "2026-03-01T12:59:00+01:00",
    "reason": "",
    "paymentMethod": "visa",
}
SIGNED = [
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "eventCode",
    "success",
]

# Notifications and key as Adyen publishes them in the tests of its own library.
PUBLISHED_KEY = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"
PUBLISHED = [
    (
        ":slashes are fun",
        "M8NB66SBZSGLNK82",
        "2023-01-10T13:40:54+01:00",
        "2EQYm7YJpKO4EtHSPu55SQTyWf8dkW5u2nD1tJFpViA=",
    ),
    (
        "\\:/\\/slashes are fun",
        "ZVWN7D3WSMK2WN82",
        "2023-01-10T13:42:29+01:00",
        "CZErGCNQaSsxbaQfZaJlakqo7KPP+mIa8a+wx3yNs9A=",
    ),
]


def item(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(ITEM), **changes}


def sent(*items: dict[str, Any], key: str = HMAC_KEY) -> Delivery:
    return as_delivery(delivery(items, key))


def as_delivery(body: object) -> Delivery:
    return Delivery({"content-type": "application/json"}, json.dumps(body).encode())


def rejection(given: Delivery, account: Account = ACCOUNT) -> Rejection:
    with pytest.raises(WebhookRejectedError) as rejected:
        verified(given, account, NOW)
    return rejected.value.rejection


def test_a_signed_item_is_its_event_its_reference_and_what_was_signed() -> None:
    [one] = verified(sent(item()), ACCOUNT, NOW)

    assert (one.event_id, one.reference) == ("CAPTURE:QFQTPCQ8HXSKGK82:true", KEY)
    believed = json.loads(one.content)
    assert set(believed) == {*SIGNED, "amount"} == set(Event.__struct_encode_fields__)
    assert believed == {name: ITEM[name] for name in believed}


def test_several_items_come_in_their_order() -> None:
    items = [item(), item(eventCode="REFUND"), item(success="false")]
    assert [one.event_id for one in verified(sent(*items), ACCOUNT, NOW)] == [
        "CAPTURE:QFQTPCQ8HXSKGK82:true",
        "REFUND:QFQTPCQ8HXSKGK82:true",
        "CAPTURE:QFQTPCQ8HXSKGK82:false",
    ]


@pytest.mark.parametrize(("reference", "psp_reference", "date", "signed"), PUBLISHED)
def test_adyens_published_notifications_hold_and_name_none_of_ours(
    reference: str, psp_reference: str, date: str, signed: str
) -> None:
    published = {
        "pspReference": psp_reference,
        "merchantAccountCode": "AntoniStroinski",
        "merchantReference": reference,
        "amount": {"currency": "EUR", "value": 1000},
        "eventCode": "AUTHORISATION",
        "success": "true",
        "eventDate": date,
        "additionalData": {"cvcResult": "1 Matches", "hmacSignature": signed},
    }
    body = {"live": "false", "notificationItems": [{"NotificationRequestItem": published}]}
    account = Account(ACCOUNT.base_url, "AntoniStroinski", "key", PUBLISHED_KEY)
    [one] = verified(as_delivery(body), account, datetime(2023, 1, 10, 13, 0, tzinfo=UTC))

    assert (one.event_id, one.reference) == (f"AUTHORISATION:{psp_reference}:true", "")


@pytest.mark.parametrize("name", SIGNED)
def test_an_altered_item_is_rejected(name: str) -> None:
    body = delivery([item()], HMAC_KEY)
    body["notificationItems"][0]["NotificationRequestItem"][name] = "false" if name == "success" else "X"
    assert rejection(as_delivery(body)) is Rejection.SIGNATURE_WRONG


@pytest.mark.parametrize("amount", [{"value": 1, "currency": "EUR"}, {"value": 1999, "currency": "USD"}])
def test_an_altered_amount_is_rejected(amount: dict[str, object]) -> None:
    body = delivery([item()], HMAC_KEY)
    body["notificationItems"][0]["NotificationRequestItem"]["amount"] = amount
    assert rejection(as_delivery(body)) is Rejection.SIGNATURE_WRONG


def test_a_forged_item_is_rejected() -> None:
    assert rejection(sent(item(), key="00" * 32)) is Rejection.SIGNATURE_WRONG


@pytest.mark.parametrize("bad", range(3))
def test_one_bad_item_among_several_condemns_the_delivery(bad: int) -> None:
    items = [item(pspReference=f"REFERENCE{number}") for number in range(3)]
    body = delivery(items, HMAC_KEY)
    body["notificationItems"][bad]["NotificationRequestItem"]["success"] = "false"
    assert rejection(as_delivery(body)) is Rejection.SIGNATURE_WRONG


@pytest.mark.parametrize("additional", [None, {}, {"hmacSignature": ""}])
def test_an_item_without_a_signature_is_rejected(additional: dict[str, str] | None) -> None:
    unsigned = item() if additional is None else item(additionalData=additional)
    body = {"live": "false", "notificationItems": [{"NotificationRequestItem": unsigned}]}
    assert rejection(as_delivery(body)) is Rejection.SIGNATURE_MISSING


def test_a_signature_that_is_no_text_of_a_signature_is_rejected() -> None:
    odd = item(additionalData={"hmacSignature": "Ä"})
    body = {"notificationItems": [{"NotificationRequestItem": odd}]}
    assert rejection(as_delivery(body)) is Rejection.SIGNATURE_WRONG


def test_an_event_of_another_merchant_account_is_not_ours() -> None:
    assert rejection(sent(item(merchantAccountCode="OtherECOM"))) is Rejection.NOT_CONFIGURED


def test_a_key_that_is_not_hexadecimal_verifies_nothing() -> None:
    account = Account(ACCOUNT.base_url, "ShopECOM", "key", "not hexadecimal")
    assert rejection(sent(item()), account) is Rejection.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(minutes=-4), None),
        (timedelta(minutes=-6), Rejection.IN_THE_FUTURE),
        (timedelta(days=30), None),
        (timedelta(days=32), Rejection.TOO_OLD),
    ],
)
def test_dates_that_adyen_never_sends_are_rejected(age: timedelta, outcome: Rejection | None) -> None:
    dated = sent(item(eventDate=(NOW - age).isoformat()))
    if outcome is None:
        assert len(verified(dated, ACCOUNT, NOW)) == 1
    else:
        assert rejection(dated) is outcome


def malformed() -> Iterator[object]:
    yield []
    yield {}
    yield {"notificationItems": []}
    yield {"notificationItems": [{"NotificationRequestItem": None}]}
    yield delivery([item()] * (ITEMS_MAX + 1), HMAC_KEY)
    for name in ("pspReference", "merchantAccountCode", "amount", "eventCode", "success", "eventDate"):
        without = item()
        signed = signature(without, HMAC_KEY)
        del without[name]
        without["additionalData"] = {"hmacSignature": signed}
        yield {"notificationItems": [{"NotificationRequestItem": without}]}
    for changes in (
        {"success": "yes"},
        {"eventDate": "yesterday"},
        {"eventDate": "2026-03-01T12:59:00"},
        {"pspReference": "A:B"},
        {"originalReference": "A:B"},
        {"eventCode": "CAP:TURE"},
        {"pspReference": "A\n"},
        {"pspReference": "A" * 201},
        {"amount": {"value": 1999, "currency": "EUR:"}},
    ):
        yield delivery([item(**changes)], HMAC_KEY)


@pytest.mark.parametrize("body", list(malformed()))
def test_what_is_no_notification_is_rejected_though_it_be_signed(body: object) -> None:
    assert rejection(as_delivery(body)) is Rejection.MALFORMED


@given(st.binary())
def test_any_bytes_at_all_are_rejected_with_a_reason(body: bytes) -> None:
    assert isinstance(rejection(Delivery({}, body)), Rejection)


def test_a_deep_body_is_rejected_with_a_reason() -> None:
    assert rejection(Delivery({}, b'{"notificationItems":' + b"[" * 50_000)) is Rejection.MALFORMED


@given(
    st.text("A:", min_size=1, max_size=6), st.text("A:", min_size=1, max_size=6), st.text("A:", max_size=6)
)
def test_nobody_can_move_a_colon_from_one_field_to_the_next(
    psp_reference: str, original: str, reference: str
) -> None:
    """Under one signature, every other way to cut the signed text into its fields is turned away."""
    honest = {"pspReference": "A", "originalReference": "A", "merchantReference": "A:ShopECOM:A:A"}
    signed = signature(item(**honest), HMAC_KEY)
    moved = item(pspReference=psp_reference, originalReference=original, merchantReference=reference)
    moved["additionalData"] = {"hmacSignature": signed}
    body = as_delivery({"notificationItems": [{"NotificationRequestItem": moved}]})
    assert rejection(body) in (Rejection.MALFORMED, Rejection.SIGNATURE_WRONG)


def test_a_colon_that_moved_under_one_signature_is_turned_away() -> None:
    signed = signature(item(merchantReference="A:ShopECOM:B"), HMAC_KEY)
    moved = item(
        originalReference=f"{ITEM['originalReference']}:ShopECOM:A",
        merchantReference="B",
        additionalData={"hmacSignature": signed},
    )
    assert signature(moved, HMAC_KEY) == signed
    body = as_delivery({"notificationItems": [{"NotificationRequestItem": moved}]})
    assert rejection(body) is Rejection.MALFORMED


def test_what_is_not_signed_is_not_kept() -> None:
    """Whoever changes an unsigned field changes nothing, not even the event's name."""
    [plain] = verified(sent(item()), ACCOUNT, NOW)
    [told] = verified(
        sent(item(reason="Refused", additionalData={"authCode": "1"}, paymentMethod="mc")), ACCOUNT, NOW
    )
    assert told == plain
