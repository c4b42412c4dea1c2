"""A connector to Adyen, and what a script answers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from payflow.domain.psp_outcome import (
    Declined,
    NotExecuted,
    OperationType,
    Outcome,
)
from payflow.psp.adyen.connector import AdyenConnector
from payflow.psp.connector import PspCall
from tests.adyen_doubles import authorization, connected, modification, settings_for
from tests.scripted_psp import Act, Script
from tests.waiting import WAIT_S

PAYMENT = "JLCMPCQ8HXSKGK82"
CALL = authorization()
RESUMED = replace(CALL, psp_key=CALL.psp_key[:-1] + "2", psp_payment_id=PAYMENT, action_result="X!Y")
NAMELESS = replace(RESUMED, psp_payment_id=CALL.psp_key)
CAPTURE = modification(OperationType.CAPTURE, PAYMENT)
AUTHORISED = {"resultCode": "Authorised", "pspReference": PAYMENT, "merchantReference": CALL.psp_key}
FIELDS = [
    "resultCode",
    "pspReference",
    "merchantReference",
    "amount",
    "action",
    "status",
    "refusalReasonCode",
]
TRANSIENT = "transient-error: true\r\n"


def error(status: int, code: str, error_type: str = "validation") -> dict[str, object]:
    return {"status": status, "errorCode": code, "message": "No.", "errorType": error_type}


@contextmanager
def scripted(*acts: Act, timeout: str = f"{WAIT_S:g}s") -> Iterator[tuple[Script, AdyenConnector]]:
    with (
        Script(list(acts)) as script,
        connected(settings_for(script.url, ADYEN_TIMEOUT=timeout)) as connector,
    ):
        yield script, connector


def answered(call: PspCall, *acts: Act) -> Outcome:
    with scripted(*acts) as (script, connector):
        outcome = connector.execute(call)
    assert len(script.requests) == len(acts)
    return outcome


def failure_code(outcome: Outcome) -> str:
    assert isinstance(outcome, Declined | NotExecuted), outcome
    return outcome.failure.code
