"""The simulator's payment methods and codes beside PayFlow's taxonomy."""

from __future__ import annotations

import msgspec
import pytest

from payflow.domain import psp_outcome
from payflow.domain.declines import TAXONOMY
from payflow.psp.simulator.answers import Declined, Failure
from payflow.psp.simulator.connector import outcome_of
from payflow.psp.simulator.faults import Fault
from payflow.psp.simulator.reasons import CANONICAL
from payflow.psp.simulator.tokens import INVALID, PLAIN, TOKENS, Method, method
from payflow.psp.transport import Reply

# What PayFlow finds out by itself, without an answer or from what is no decline.
NOT_ANSWERED = {
    "psp_unreachable",
    "psp_overloaded",
    "breaker_open",
    "psp_refused_request",
    "psp_not_configured",
    "psp_key_shut_out",
}


def failure_of(code: str) -> psp_outcome.Failure:
    """What the connector makes of a decline with one of the simulator's codes."""
    body = msgspec.json.encode(Declined("p", Failure(code)))
    outcome = outcome_of(Reply(Declined.http_status, body))
    assert isinstance(outcome, psp_outcome.Declined)
    return outcome.failure


@pytest.mark.parametrize("canonical", sorted(TAXONOMY.keys() - NOT_ANSWERED))
def test_every_decline_of_the_taxonomy_has_a_token(canonical: str) -> None:
    known = TOKENS[f"pm_card_decline_{canonical}"]
    failure = failure_of(known.decline)
    assert (failure.code, failure.psp_code) == (canonical, known.decline)


def test_every_code_of_the_simulator_has_a_place_in_the_taxonomy() -> None:
    assert set(CANONICAL.values()) <= TAXONOMY.keys()


def test_a_code_that_nobody_knows_is_safe() -> None:
    failure = failure_of("thought_up_tomorrow")
    assert (failure.code, failure.retryable) == ("unknown_decline", False)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("pm_card_slow_1", Method(slow_s=0.001)),
        ("pm_card_slow_60000", Method(slow_s=60)),
        ("pm_card_slow_60001", INVALID),
        ("pm_card_slow_0", INVALID),
        ("pm_card_slow_", INVALID),
        ("pm_card_of_nobody", INVALID),
        ("pm_apple_pay", PLAIN),
        ("pm_google_pay", PLAIN),
    ],
)
def test_a_token_means_what_it_says(token: str, expected: Method) -> None:
    assert method(token) == expected


def test_every_fault_has_a_token_and_one_that_happens_once() -> None:
    faults = {name: token for name, token in TOKENS.items() if token.fault}
    assert {token.fault for token in faults.values()} == set(Fault)
    for name, token in faults.items():
        assert [token.fault_at(count) for count in (1, 2)] == [
            token.fault,
            None if name.endswith("_once") else token.fault,
        ]
