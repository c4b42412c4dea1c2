"""Payments through the connector, and what the double of Adyen did."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    ActionRequired,
    Advice,
    Approved,
    Declined,
    NotExecuted,
    OperationType,
)
from payflow.psp.adyen.connector import AdyenConnector
from payflow.psp.adyen.refusals import REFUSALS
from tests.adyen_doubles import AdyenDouble, accepted, authorization, authorized, modification, resumption
from tests.adyen_merchant import Merchant, told


def test_a_payment_from_authorization_to_refund_is_finished_by_webhooks(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    call, payment = authorized(connector)
    capture = modification(OperationType.CAPTURE, payment, 700)
    refund = modification(OperationType.REFUND, payment, 300)
    accepted(connector, capture)
    refund_id = accepted(connector, refund)

    assert told(connector, merchant, 3, call, capture, refund) == [
        Notice(OperationType.AUTHORIZE, Approved(payment), call.psp_key, payment, 1000, "EUR"),
        Notice(OperationType.CAPTURE, Approved(payment), capture.psp_key, payment, 700, "EUR"),
        Notice(OperationType.REFUND, Approved(refund_id), refund.psp_key, payment, 300, "EUR"),
    ]
    assert double.effects(call, capture, refund) == [
        ("AUTHORISED", 1000),
        ("CAPTURED", 700),
        ("REFUNDED", 300),
    ]


def test_a_sale_takes_the_money_at_once(double: AdyenDouble, connector: AdyenConnector) -> None:
    call, _ = authorized(connector, sale=True)
    assert double.effects(call) == [("AUTHORISED", 1000), ("CAPTURED", 1000)]


def test_a_cancel_lets_the_money_go(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    _, payment = authorized(connector)
    cancel = modification(OperationType.CANCEL, payment)
    accepted(connector, cancel)

    [notice] = told(connector, merchant, 1, cancel)
    assert notice == Notice(OperationType.CANCEL, Approved(payment), cancel.psp_key, payment)
    assert double.effects(cancel) == [("CANCELLED", 1000)]


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_comes_as_the_taxonomy_has_it(
    double: AdyenDouble, connector: AdyenConnector, code: str
) -> None:
    call = authorization(f"pm_card_refused_{code}")
    outcome = connector.execute(call)

    assert isinstance(outcome, Declined)
    assert (outcome.failure.code, outcome.failure.psp_code) == (REFUSALS[code], code)
    assert double.effects(call) == []


def test_a_card_that_no_acquirer_takes_is_one_for_another_psp(
    double: AdyenDouble, connector: AdyenConnector
) -> None:
    call = authorization("adyen.A4XWNK5V3GTPM792.shopper-17")
    outcome = connector.execute(call)

    assert isinstance(outcome, Declined)
    assert (outcome.failure.code, outcome.failure.advice) == ("not_supported", Advice.RETRY_ELSEWHERE)
    assert double.effects(call) == []


@pytest.mark.parametrize(
    ("operation", "amount"),
    [(OperationType.CAPTURE, 1001), (OperationType.REFUND, 1), (OperationType.CAPTURE, 0)],
)
def test_what_is_not_possible_is_taken_in_and_fails_by_webhook(
    double: AdyenDouble,
    connector: AdyenConnector,
    merchant: Merchant,
    operation: OperationType,
    amount: int,
) -> None:
    _, payment = authorized(connector)
    call = modification(operation, payment, amount)
    own = accepted(connector, call)

    [notice] = told(connector, merchant, 1, call)
    assert isinstance(notice.outcome, Declined)
    assert (notice.operation, notice.outcome.psp_id, notice.after_success) == (operation, own, False)
    assert double.effects(call) == []


@pytest.mark.parametrize(
    ("operation", "event_code"),
    [
        (OperationType.CAPTURE, "CAPTURE_FAILED"),
        (OperationType.REFUND, "REFUND_FAILED"),
        (OperationType.REFUND, "REFUNDED_REVERSED"),
    ],
)
def test_a_success_that_fails_later_is_told_as_such(
    double: AdyenDouble,
    connector: AdyenConnector,
    merchant: Merchant,
    operation: OperationType,
    event_code: str,
) -> None:
    _, payment = authorized(connector, sale=operation is OperationType.REFUND)
    call = modification(operation, payment)
    own = accepted(connector, call)
    double.fail_later(own, event_code)

    success, failure = told(connector, merchant, 2, call)
    assert isinstance(success.outcome, Approved)
    assert isinstance(failure.outcome, Declined)
    assert (success.after_success, failure.after_success) == (False, True)
    assert (failure.operation, failure.psp_key, failure.amount) == (operation, call.psp_key, 1000)
    assert double.effects(call)[-1] == (event_code, 1000)


def test_a_payment_that_takes_its_time_is_told_by_webhook(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    for approved in (True, False):
        call = authorization("pm_card_pending")
        payment = accepted(connector, call)
        assert double.effects(call) == []
        double.decide(payment, approved)
        [notice] = told(connector, merchant, 1, call)
        assert isinstance(notice.outcome, Approved) is approved
        assert double.effects(call) == ([("AUTHORISED", 1000)] if approved else [])


def acted(waiting: ActionRequired, passed: bool = True) -> str:
    """What the payer brings back from the page that they were sent to."""
    page = waiting.next_action.redirect_url + ("" if passed else "?outcome=failed")
    back = urllib3.request("GET", page, redirect=False).headers["location"]
    assert back.startswith(authorization().return_url)
    [result] = parse_qs(urlsplit(back).query)["redirectResult"]
    return result


@pytest.mark.parametrize("passed", [True, False])
def test_a_challenged_payer_is_sent_away_and_comes_back(
    double: AdyenDouble, connector: AdyenConnector, passed: bool
) -> None:
    call = authorization("pm_card_3ds")
    waiting = connector.execute(call)
    assert isinstance(waiting, ActionRequired)
    assert double.effects(call) == []

    resumed = resumption(call, waiting, acted(waiting, passed))
    outcome = connector.execute(resumed)
    if passed:
        assert outcome == Approved(waiting.psp_id) == connector.execute(resumed)
        assert double.effects(call) == [("AUTHORISED", 1000)]
    else:
        assert isinstance(outcome, Declined)
        assert outcome.failure.code == "authentication_failed"
        assert double.effects(call) == []


def test_a_payment_whose_payer_went_away_is_canceled_without_a_word_to_adyen(
    double: AdyenDouble, connector: AdyenConnector
) -> None:
    call = authorization("pm_card_3ds")
    waiting = connector.execute(call)
    assert isinstance(waiting, ActionRequired)
    cancel = modification(OperationType.CANCEL, waiting.psp_id, awaits_payer=True)

    assert connector.execute(cancel) == Approved("")
    # The payer acts after all, and Adyen waits to be asked what came of it.
    acted(waiting)
    double.settle()
    assert double.effects(call, cancel) == []
    assert double.webhooks(call, cancel) == []


@pytest.mark.parametrize("passed", [True, False])
def test_where_no_answer_names_a_challenged_payment_its_webhook_does(
    terse_double: AdyenDouble, merchant: Merchant, passed: bool
) -> None:
    call = authorization("pm_card_3ds")
    with terse_double.connector() as connector:
        waiting = connector.execute(call)
        assert isinstance(waiting, ActionRequired)
        assert waiting.psp_id == call.psp_key
        payment = accepted(connector, resumption(call, waiting, acted(waiting, passed)))

        [notice] = told(connector, merchant, 1, call)
    assert (notice.operation, notice.psp_key) == (OperationType.AUTHORIZE, call.psp_key)
    assert (isinstance(notice.outcome, Approved), notice.psp_payment_id) == (passed, payment)
    assert terse_double.effects(call) == ([("AUTHORISED", 1000)] if passed else [])


def test_what_another_payer_brought_back_authorizes_nothing_here(
    double: AdyenDouble, connector: AdyenConnector
) -> None:
    mine, cheap = authorization("pm_card_3ds"), authorization("pm_card_3ds", amount=1)
    waiting, other = connector.execute(mine), connector.execute(cheap)
    assert isinstance(waiting, ActionRequired)
    assert isinstance(other, ActionRequired)

    outcome = connector.execute(resumption(mine, waiting, f"{other.psp_id}!passed"))
    assert isinstance(outcome, NotExecuted)
    assert outcome.failure.code == "authentication_failed"
    assert double.effects(mine) == []


def test_an_authorization_that_runs_out_is_told(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    call, payment = authorized(connector)
    double.expire(payment)

    _, expired = told(connector, merchant, 2, call)
    assert expired == Notice(OperationType.CANCEL, Approved(payment), psp_payment_id=payment)
    late = modification(OperationType.CAPTURE, payment)
    accepted(connector, late)
    [failed] = told(connector, merchant, 1, late)
    assert isinstance(failed.outcome, Declined)


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        (OperationType.CAPTURE, NotExecuted),
        (OperationType.CANCEL, Declined),
        (OperationType.REFUND, Declined),
    ],
)
def test_a_payment_that_adyen_does_not_know_cannot_be_changed(
    connector: AdyenConnector, operation: OperationType, refused: type[Declined | NotExecuted]
) -> None:
    outcome = connector.execute(modification(operation, "NOSUCHPAYMENT000"))
    assert isinstance(outcome, refused)
    assert (outcome.failure.code, outcome.failure.psp_code) == ("invalid_state", "167")
