"""What each field of a request takes, and that every refusal names the field."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payflow.domain import fields
from payflow.domain.errors import PayFlowError, Reason

Check = Callable[[str], object]


def text(value: str) -> str:
    return fields.text("description", value, fields.DESCRIPTION_MAX)


PATTERNS: dict[str, tuple[Check, list[str], list[str]]] = {
    "merchant_id": (
        fields.merchant_id,
        ["m", "merchant_test", "A-1.b_2", "x" * 64],
        ["", "x" * 65, "a b", "a/b", "a:b", "é", "a\n", "m\x00", "merchant\n"],
    ),
    "id": (
        fields.psp_account_id,
        ["simulator", "s", "psp-2_eu", "x" * 40],
        ["", "x" * 41, "Simulator", "a.b", "a:b", "a b", "simulator\n", "sé"],
    ),
    "account_id": (
        fields.account_id,
        ["sys:bank:simulator:USD", "acc_1", "a/b.c-d", "x" * 128],
        ["", "x" * 129, "a b", "a#b", "cash\n", "\x00"],
    ),
    "payment_method": (
        fields.payment_method,
        ["pm_card_visa", "tok.1-2", "p", "p" * 255],
        ["", "4242424242424242", "4pm", "_pm", "pm card", "p" * 256, "pm_card_visa\n"],
    ),
    "country": (
        fields.country,
        ["DE", "GB", "XK"],
        ["", "de", "UK", "ZZ", "DEU", "DE\n"],
    ),
    "credential_ref": (
        fields.credential_ref,
        ["", "env:STRIPE_API_KEY", "vault/payflow/stripe.live-1", "x" * 200],
        ["x" * 201, "a b", "key=1", "ref\n"],
    ),
    "idempotency-key": (
        fields.idempotency_key,
        ["1", " ", "~", "order #12 / try 1", "x" * 255],
        ["", "x" * 256, "tab\t", "line\n", "é", "\x7f", "\x00"],
    ),
    "description": (text, ["", "é" * 1_000, "line\nline\t"], ["x" * 1_001, "a\x00b"]),
}
ACCEPTED = [(name, value) for name, (_, good, _) in PATTERNS.items() for value in good]
REFUSED = [(name, value) for name, (_, _, bad) in PATTERNS.items() for value in bad]


def refusal_of(check: Callable[[], object]) -> PayFlowError:
    with pytest.raises(PayFlowError) as refused:
        check()
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert len(refused.value.fields) == 1
    assert refused.value.fields[0].description
    return refused.value


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted(name: str, value: str) -> None:
    assert PATTERNS[name][0](value) == value


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused(name: str, value: str) -> None:
    assert refusal_of(lambda: PATTERNS[name][0](value)).fields[0].field == name


def test_missing_idempotency_key() -> None:
    assert refusal_of(lambda: fields.idempotency_key(None)).fields[0].field == "idempotency-key"


@pytest.mark.parametrize("value", [1, 10_000, fields.AMOUNT_MAX])
def test_amount_accepted(value: int) -> None:
    assert fields.amount("amount", value) == value


@pytest.mark.parametrize("value", [0, -1, fields.AMOUNT_MAX + 1, 2**63 - 1, 2**63, -(2**63)])
def test_amount_refused(value: int) -> None:
    assert refusal_of(lambda: fields.amount("amount", value)).fields[0].field == "amount"


def test_metadata_at_its_limits() -> None:
    full = {f"{number:040}": "v" * 500 for number in range(50)}
    assert fields.metadata(full) == full
    assert fields.metadata({}) == {}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({str(number): "" for number in range(51)}, "metadata"),
        ({"": "v"}, "metadata"),
        ({"k" * 41: "v"}, "metadata key"),
        ({"k\x00": "v"}, "metadata key"),
        ({"order": "v" * 501}, "metadata[order]"),
        ({"order": "a\x00"}, "metadata[order]"),
    ],
)
def test_metadata_refused(value: dict[str, str], field: str) -> None:
    assert refusal_of(lambda: fields.metadata(value)).fields[0].field == field


@pytest.mark.parametrize(("value", "fits"), [(-1, False), (0, True), (10, True), (11, False)])
def test_whole_number(value: int, fits: bool) -> None:
    if fits:
        assert fields.whole_number("fee_bps", value, 0, 10) == value
    else:
        error = refusal_of(lambda: fields.whole_number("fee_bps", value, 0, 10))
        assert error.fields[0].field == "fee_bps"
