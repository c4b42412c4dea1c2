"""Whom the connector believes. Signatures are made here from the RFC, and not by what is tested."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.psp.connector import Delivery, Rejection, SignedItem, WebhookRejectedError
from payflow.psp.stripe.connector import StripeConnector, connect
from server.connectors import ConnectorSettings
from tests.stripe_calls import as_json

SECRET = "whsec_test"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SENT_AT_S = int(NOW.timestamp())
BLOCK_BYTES = 64


def event(**changes: Any) -> dict[str, Any]:
    subject = {"id": "pi_s", "object": "payment_intent", "metadata": {"payflow_reference": "pi_1-1"}}
    return {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "data": {"object": subject | changes},
    }


BODY = as_json(event())


def hmac_sha256(key: bytes, message: bytes) -> str:
    """RFC 2104, written out."""
    padded = key.ljust(BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()


def signature(body: bytes = BODY, sent_at_s: int = SENT_AT_S, secret: str = SECRET) -> str:
    return hmac_sha256(secret.encode(), f"{sent_at_s}.".encode() + body)


def header(body: bytes = BODY, sent_at_s: int = SENT_AT_S, secret: str = SECRET) -> str:
    return f"t={sent_at_s},v1={signature(body, sent_at_s, secret)}"


def connector() -> StripeConnector:
    return connect(
        ConnectorSettings({"STRIPE_WEBHOOK_SECRET": SECRET, "SHOP1_STRIPE_WEBHOOK_SECRET": "other"})
    )


def received(body: bytes, signed: str, now: datetime = NOW, credential_ref: str = "") -> list[SignedItem]:
    return list(connector().receive(Delivery({"stripe-signature": signed}, body), credential_ref, now))


def rejected(body: bytes, signed: str | None, now: datetime = NOW, credential_ref: str = "") -> Rejection:
    headers = {} if signed is None else {"stripe-signature": signed}
    with pytest.raises(WebhookRejectedError) as caught:
        connector().receive(Delivery(headers, body), credential_ref, now)
    return caught.value.rejection


def test_the_signature_here_is_the_one_of_the_rfc() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?") == expected


def test_a_signed_event_is_believed_and_nothing_of_the_payer_is_kept() -> None:
    body = as_json(event(receipt_email="jenny.rosen@example.com", client_secret="pi_s_secret_1"))
    (item,) = received(body, header(body))
    assert (item.event_id, item.reference) == ("evt_1", "pi_1-1")
    assert b"jenny" not in item.content
    assert b"secret" not in item.content


def test_each_account_has_its_own_secret() -> None:
    assert received(BODY, header(secret="other"), credential_ref="SHOP1")
    assert rejected(BODY, header(secret="other")) is Rejection.SIGNATURE_WRONG
    assert rejected(BODY, header(), credential_ref="SHOP1") is Rejection.SIGNATURE_WRONG
    assert rejected(BODY, header(), credential_ref="SHOP2") is Rejection.NOT_CONFIGURED


@pytest.mark.parametrize("others", [["0" * 64], ["0" * 64, "f" * 64, "zz"], [""]])
def test_one_of_several_signatures_is_enough(others: list[str]) -> None:
    signatures = ",".join(f"v1={other}" for other in others)
    assert received(BODY, f"t={SENT_AT_S},{signatures},v1={signature()},v0=abc")


@pytest.mark.parametrize(
    "signed",
    [
        f"t={SENT_AT_S}",
        f"v1={signature()}",
        f"t={SENT_AT_S},v0={signature()}",
        f"t={SENT_AT_S},v1=",
        f"t={SENT_AT_S},v1={signature().upper()}",
        f"t={SENT_AT_S},v1={signature()[:-1]}",
        f"t={SENT_AT_S + 1},v1={signature()}",
        f"t={SENT_AT_S},t={SENT_AT_S},v1={signature()}",
        f"t={SENT_AT_S}.0,v1={signature()}",
        f"t=-{SENT_AT_S},v1={signature()}",
        f"t=tomorrow,v1={signature()}",
        f"t={SENT_AT_S},v1={signature()}\u00e9",
        f"t=\u0661{SENT_AT_S},v1={signature()}",
        header(secret="forged"),
        header(b'{"id":"evt_2"}'),
        "nonsense",
        ",,,===",
    ],
)
def test_a_signature_that_is_not_of_this_body_and_time_is_wrong(signed: str) -> None:
    assert rejected(BODY, signed) is Rejection.SIGNATURE_WRONG


OLD_S = SENT_AT_S - 86_400


@pytest.mark.parametrize(
    "old",
    [
        f"t= {OLD_S}",
        f"t={OLD_S} ",
        f"t=\t{OLD_S}",
        f"t={OLD_S}=x",
        f"t=+{OLD_S}",
        f"t={OLD_S // 10}_{OLD_S % 10}",
        f"t=0000{OLD_S}",
        f"t={OLD_S}",
    ],
)
def test_an_old_webhook_stays_old_whatever_is_written_beside_its_time(old: str) -> None:
    """The library takes the first t that it can read, which is the one that was signed."""
    signed = signature(sent_at_s=OLD_S)
    for header_now in (f"{old},t={SENT_AT_S},v1={signed}", f"t={SENT_AT_S},{old},v1={signed}"):
        assert rejected(BODY, header_now) is Rejection.SIGNATURE_WRONG
    assert rejected(BODY, f"{old},v1={signed}") in {Rejection.SIGNATURE_WRONG, Rejection.TOO_OLD}


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b"evt_1", b"evt_2"), b"", b"\xff\xfe"])
def test_one_byte_that_was_altered_is_one_too_many(body: bytes) -> None:
    assert rejected(body, header()) is Rejection.SIGNATURE_WRONG


@pytest.mark.parametrize("signed", [None, ""])
def test_a_webhook_without_a_signature_is_turned_away(signed: str | None) -> None:
    assert rejected(BODY, signed) is Rejection.SIGNATURE_MISSING


def test_a_header_that_goes_on_and_on_is_not_read() -> None:
    assert (
        rejected(BODY, f"t={SENT_AT_S}" + ",v1=00" * 1_000 + f",v1={signature()}")
        is Rejection.SIGNATURE_WRONG
    )


@pytest.mark.parametrize(("age_s", "rejection"), [(301, Rejection.TOO_OLD), (-301, Rejection.IN_THE_FUTURE)])
def test_five_minutes_are_tolerated_and_not_more(age_s: int, rejection: Rejection) -> None:
    assert received(BODY, header(), NOW + timedelta(seconds=age_s - (1 if age_s > 0 else -1)))
    assert rejected(BODY, header(), NOW + timedelta(seconds=age_s)) is rejection


def test_an_old_webhook_with_a_wrong_signature_is_first_of_all_forged() -> None:
    assert rejected(BODY, header(secret="forged"), NOW + timedelta(days=1)) is Rejection.SIGNATURE_WRONG


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xef\xbb\xbf{}",
        as_json({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded"}),
        as_json({**event(), "id": ""}),
        as_json({**event(), "id": "e" * 256}),
        as_json({**event(), "id": 1}),
        as_json({**event(), "data": {"object": {"id": "pi_s"}}}),
        as_json(event(metadata={"payflow_reference": 1})),
        as_json({"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter"}),
    ],
)
def test_what_is_signed_but_no_event_is_malformed(body: bytes) -> None:
    assert rejected(body, header(body)) is Rejection.MALFORMED


@pytest.mark.parametrize("metadata", [None, {}, {"order": "1"}])
def test_an_event_of_something_that_is_not_ours_has_no_reference(metadata: dict[str, str] | None) -> None:
    body = as_json(event(metadata=metadata))
    (item,) = received(body, header(body))
    assert item.reference == ""


@given(st.binary(max_size=200), st.text(max_size=200))
def test_nothing_but_a_rejection_comes_of_noise(body: bytes, signed: str) -> None:
    assert rejected(body, signed) in {Rejection.SIGNATURE_MISSING, Rejection.SIGNATURE_WRONG}
