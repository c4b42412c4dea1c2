"""What cannot be told from an answer, and how it is resolved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from payflow.domain.psp_outcome import Accepted, Approved, NotExecuted, OperationType, Unknown
from payflow.psp.adyen.connector import AdyenConnector
from tests.adyen_doubles import ANSWERED_WITHIN, AdyenDouble, authorization, authorized, modification
from tests.adyen_merchant import Merchant, notices, told
from tests.waiting import wait_until

# For calls that are not answered; a busy machine may not even connect in this time.
IMPATIENT = "300ms"


def test_a_repeat_with_the_key_is_answered_and_not_executed(
    double: AdyenDouble, connector: AdyenConnector
) -> None:
    call, payment = authorized(connector)
    capture = modification(OperationType.CAPTURE, payment)
    first = connector.execute(capture)

    assert connector.execute(call) == Approved(payment)
    assert connector.execute(capture) == first
    assert double.effects(call, capture) == [("AUTHORISED", 1000), ("CAPTURED", 1000)]


@pytest.mark.parametrize(
    ("kind", "executed"),
    [
        ("reset_before", False),
        ("reset_after", True),
        ("error_before", False),
        ("error_after", True),
        ("hang_before", False),
        ("hang_after", True),
    ],
)
def test_whatever_happens_to_a_request_its_repeat_executes_it_at_most_once(
    double: AdyenDouble, connector: AdyenConnector, kind: str, executed: bool
) -> None:
    call = authorization()
    # What broke is sent a second time at once.
    double.goes_wrong(kind, "payments", times=2 if kind.startswith("reset") else 1)
    timeout = IMPATIENT if kind.startswith("hang") else ANSWERED_WITHIN
    with double.connector(ADYEN_TIMEOUT=timeout) as impatient:
        outcome = impatient.execute(call)
        while isinstance(outcome, NotExecuted):
            outcome = impatient.execute(call)
    assert isinstance(outcome, Unknown)
    assert outcome.repeatable is not kind.startswith("hang")
    wait_until(lambda: double.faults_left() == 0)
    wait_until(lambda: double.effects(call) == ([("AUTHORISED", 1000)] if executed else []))

    assert isinstance(connector.execute(call), Approved)
    assert double.effects(call) == [("AUTHORISED", 1000)]


def test_a_key_in_progress_is_unknown_and_fifty_at_once_have_one_effect(
    double: AdyenDouble, connector: AdyenConnector
) -> None:
    call = authorization()
    double.goes_wrong("slow", "payments", delay_s=0.5)
    with ThreadPoolExecutor(50) as threads:
        outcomes = list(threads.map(lambda _: connector.execute(call), range(50)))
    unknown = [outcome for outcome in outcomes if isinstance(outcome, Unknown)]

    assert all(outcome.repeatable for outcome in unknown)
    assert len(set(outcomes) - set(unknown)) <= 1
    assert isinstance(connector.execute(call), Approved)
    assert double.effects(call) == [("AUTHORISED", 1000)]


def test_an_overloaded_adyen_has_executed_nothing(double: AdyenDouble, connector: AdyenConnector) -> None:
    call = authorization()
    double.goes_wrong("overloaded", "payments")
    outcome = connector.execute(call)

    assert isinstance(outcome, NotExecuted)
    assert outcome.failure.code == "psp_overloaded"
    assert double.effects(call) == []


def test_a_technical_cancel_lets_go_of_what_nobody_heard_of(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    call = authorization()
    double.goes_wrong("error_after", "payments")
    assert isinstance(connector.execute(call), Unknown)
    assert isinstance(connector.cancel_by_reference(call), Accepted)

    authorization_told, shut_out = told(connector, merchant, 2, call)
    assert isinstance(authorization_told.outcome, Approved)
    assert (shut_out.operation, shut_out.psp_key) == (OperationType.AUTHORIZE, call.psp_key)
    assert isinstance(shut_out.outcome, NotExecuted)
    assert double.effects(call) == [("AUTHORISED", 1000), ("CANCELLED", 1000)]


def test_a_technical_cancel_of_what_never_arrived_says_nothing(
    double: AdyenDouble, connector: AdyenConnector, merchant: Merchant
) -> None:
    call = authorization()
    assert isinstance(connector.cancel_by_reference(call), Accepted)
    double.settle()

    [webhook] = double.webhooks(call)
    assert (webhook["item"]["eventCode"], webhook["item"]["success"]) == ("TECHNICAL_CANCEL", "false")
    [told] = notices(connector, merchant.deliveries, call)
    assert isinstance(told.outcome, Unknown)
