"""The double itself: as strict as Adyen, and as durable as an auditor needs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import urllib3

from payflow.domain.psp_outcome import Approved, OperationType
from tests.adyen_double.__main__ import API_KEY
from tests.adyen_doubles import AdyenDouble, accepted, authorized, modification, running_adyen_double


@pytest.mark.parametrize(
    ("path", "changes", "status", "code"),
    [
        ("payments", {"cardNumber": "4"}, 400, "702"),
        ("payments", {"reference": None}, 422, "130"),
        ("payments", {"returnUrl": None}, 422, "14_030"),
        ("payments", {"amount": None}, 422, "100"),
        ("payments", {"amount": {"value": "1000", "currency": "EUR"}}, 422, "702"),
        ("payments", {"amount": {"value": 1000, "currency": "EURO"}}, 422, "702"),
        ("payments", {"amount": {"value": -1, "currency": "EUR"}}, 422, "137"),
        ("payments", {"amount": {"value": 1, "currency": "eur"}}, 422, "138"),
        ("payments", {"channel": "Fax"}, 422, "702"),
        ("payments", {"shopperReference": "ab"}, 422, "702"),
        ("payments", {"paymentMethod": {"type": "scheme", "encryptedCardNumber": "test_1"}}, 422, "101"),
        ("payments", {"merchantAccount": "OtherECOM"}, 403, "901"),
        ("payments/details", {}, 400, "702"),
        ("payments/NOSUCHPAYMENT000/captures", {}, 400, "702"),
    ],
)
def test_the_double_refuses_what_adyen_refuses(
    double: AdyenDouble, path: str, changes: dict[str, object], status: int, code: str
) -> None:
    before = double.all_effects()
    body: dict[str, object] = {
        "merchantAccount": "AdyenDoubleECOM",
        "reference": "r",
        "amount": {"value": 1000, "currency": "EUR"},
        "returnUrl": "https://shop.example",
        "paymentMethod": {"type": "scheme", "encryptedCardNumber": "test_4111111145551142"},
        **changes,
    }
    body = {name: value for name, value in body.items() if value is not None}
    response = urllib3.request(
        "POST", f"{double.url}/v71/{path}", json=body, headers={"x-api-key": API_KEY}, retries=False
    )
    assert (response.status, response.json()["errorCode"]) == (status, code)
    assert double.all_effects() == before


def test_the_double_forgets_nothing_when_it_is_killed(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "adyen.db"))
    with running_adyen_double(*data) as first, first.connector() as connector:
        call, payment = authorized(connector)
        first.kill()
    with running_adyen_double(*data) as second, second.connector() as connector:
        assert connector.execute(call) == Approved(payment)
        capture = modification(OperationType.CAPTURE, payment)
        accepted(connector, capture)
        assert second.effects(call, capture) == [("AUTHORISED", 1000), ("CAPTURED", 1000)]
        assert len(second.webhooks(call, capture)) == 2
