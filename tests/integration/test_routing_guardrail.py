"""The worker ends an experiment whose arm declines what the control approves, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from payflow.domain.declines import failure
from payflow.domain.folding.submission import Submission
from payflow.domain.intent.commands import StartAuthorize
from payflow.domain.psp_outcome import Approved, Declined
from payflow.domain.routing.commands import StartExperiment
from payflow.domain.routing.experiment import Arm, ExperimentStatus, Guardrail, StopReason
from server.worker.guardrails import Guardrails
from tests.databases import Database
from tests.in_process import InProcess, in_process
from tests.routing_inputs import routed
from tests.submissions import Till, attempt_of, intent_of, one_batch

ARMS = (Arm("control", 50), Arm("other", 50))
GUARDRAIL = Guardrail(margin_bps=0, samples_min=100)
PAYMENTS = 240
NEVER = float("inf")


@pytest.fixture
def payflow(new_database: Callable[[], Database], tmp_path: Path) -> Iterator[InProcess]:
    with in_process(new_database(), tmp_path) as running:
        yield running


def start(url: str, till: Till) -> None:
    experiment = StartExperiment(till.merchant_id, f"exp_{till.merchant_id}", "", ARMS, GUARDRAIL)
    one_batch(url, [till.merchant()])
    one_batch(url, [till.submission(experiment)])


def pay(url: str, till: Till, approved_of_other: int) -> None:
    """Payments by turns in either arm; the control approves 9 of 10, the other so many."""
    created = [intent_of(one) for one in one_batch(url, [till.create() for _ in range(PAYMENTS)])]
    starts: list[Submission] = []
    for number, intent in enumerate(created):
        decision = replace(
            routed(intent, "simulator"),
            experiment_id=f"exp_{till.merchant_id}",
            arm=ARMS[number % 2].name,
        )
        command = StartAuthorize(till.merchant_id, intent.id, "simulator", decision=decision)
        starts.append(till.submission(command))
    outcomes = []
    for number, result in enumerate(one_batch(url, starts)):
        approved = approved_of_other if number % 2 else 9
        declined = Declined(failure("card_declined"))
        outcome = Approved(f"psp_{number}") if number // 2 % 10 < approved else declined
        outcomes.append(till.outcome(attempt_of(result), outcome))
    one_batch(url, outcomes)


def test_what_harms_is_stopped_and_what_does_not_goes_on(payflow: InProcess) -> None:
    url = payflow.database.application_url
    # By merchant, so that what does no harm comes first, and harm is on the second page.
    for till, approved_of_other in ((Till("fine"), 9), (Till("harmed"), 4)):
        start(url, till)
        pay(url, till, approved_of_other)
    guardrails = Guardrails(payflow.core.ports, page_size=1)

    assert [guardrails.check() for _ in range(5)] == [1, 1, 0, 1, 0]

    reads = payflow.core.ports.routing
    stopped, running = (reads.experiment(one, f"exp_{one}", NEVER) for one in ("harmed", "fine"))
    assert stopped is not None and running is not None
    assert (stopped.status, stopped.stop_reason, stopped.stopped_for) == (
        ExperimentStatus.STOPPED,
        StopReason.GUARDRAIL,
        "other",
    )
    assert running.is_running
    assert [one.id for one in reads.running_experiments("", 10, NEVER)] == ["exp_fine"]
