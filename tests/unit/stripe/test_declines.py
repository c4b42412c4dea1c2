from __future__ import annotations

import pytest

from payflow.domain.declines import TAXONOMY, failure
from payflow.domain.psp_outcome import Advice, Declined
from payflow.psp.stripe.declines import DECLINE_CODES, REFUND_FAILURES, REFUSAL_CODES
from tests.scripted_psp import answer
from tests.stripe_calls import authorization, decline, payment, scripted

# docs.stripe.com/declines/codes, "Card decline codes".
DOCUMENTED = """
    authentication_required authentication_not_handled approve_with_id call_issuer card_not_supported
    card_velocity_exceeded currency_not_supported do_not_honor do_not_try_again duplicate_transaction
    expired_card fraudulent generic_decline incorrect_address incorrect_number incorrect_cvc
    incorrect_pin incorrect_zip insufficient_funds invalid_account invalid_amount invalid_cvc
    invalid_expiry_month invalid_expiry_year invalid_number invalid_pin issuer_not_available lost_card
    merchant_blacklist mobile_device_authentication_required new_account_information_available
    no_action_taken not_permitted offline_pin_required online_or_offline_pin_required pickup_card
    pin_try_exceeded processing_error reenter_transaction restricted_card
    revocation_of_all_authorizations revocation_of_authorization security_violation service_not_allowed
    stolen_card stop_payment_order testmode_decline transaction_not_allowed try_again_later
    withdrawal_count_limit_exceeded
""".split()  # noqa: SIM905 (a table of codes reads best as one)


def test_every_decline_code_that_stripe_documents_is_mapped() -> None:
    assert len(DOCUMENTED) == 50
    assert set(DOCUMENTED) <= DECLINE_CODES.keys()


def test_the_tables_name_nothing_that_the_taxonomy_does_not_know() -> None:
    named = {*DECLINE_CODES.values(), *REFUSAL_CODES.values(), *REFUND_FAILURES.values()}
    assert named <= TAXONOMY.keys()


@pytest.mark.parametrize(
    "code",
    [
        "fraudulent",
        "merchant_blacklist",
        "highest_risk_level",
        "rule",
        "lost_card",
        "stolen_card",
        "pickup_card",
        "restricted_card",
        "security_violation",
        "do_not_honor",
        "do_not_try_again",
        "generic_decline",
        "no_action_taken",
        "previously_declined_do_not_retry",
        "revocation_of_authorization",
        "stop_payment_order",
        "duplicate_transaction",
        "testmode_decline",
    ],
)
def test_what_looks_like_fraud_or_is_not_explained_or_final_is_not_tried_again(code: str) -> None:
    assert not failure(DECLINE_CODES[code]).retryable


@pytest.mark.parametrize("code", DECLINE_CODES)
def test_a_decline_says_what_the_table_says_by_either_code(code: str) -> None:
    closed = answer(200, payment("canceled"))
    with scripted(
        answer(402, decline("card_declined", code)), closed, answer(402, decline(code)), closed
    ) as (
        _,
        connector,
    ):
        expected = Declined(failure(DECLINE_CODES[code], code), "pi_s")
        assert connector.execute(authorization()) == expected
        assert connector.execute(authorization()) == expected


@pytest.mark.parametrize("code", ["", "brand_new_code", "Your card has insufficient funds."])
def test_a_code_that_nobody_knows_is_safe(code: str) -> None:
    with scripted(answer(402, decline("card_declined", code)), answer(200, payment("canceled"))) as (
        _,
        connector,
    ):
        outcome = connector.execute(authorization())
    assert isinstance(outcome, Declined)
    assert outcome.failure.code == ("unknown_decline" if code else "card_declined")
    assert not outcome.failure.retryable


def test_a_network_that_forbids_to_try_again_is_obeyed_whatever_the_code() -> None:
    forbidden = decline("card_declined", "insufficient_funds", advice_code="do_not_try_again")
    later = decline("card_declined", "insufficient_funds", advice_code="try_again_later")
    closed = answer(200, payment("canceled"))
    with scripted(answer(402, forbidden), closed, answer(402, later), closed) as (_, connector):
        outcomes = [connector.execute(authorization()) for _ in range(2)]
    failures = [outcome.failure for outcome in outcomes if isinstance(outcome, Declined)]
    assert [failed.code for failed in failures] == ["insufficient_funds"] * 2
    assert [failed.advice for failed in failures] == [Advice.NEVER, Advice.RETRY_LATER]
    assert [failed.retryable for failed in failures] == [False, True]
