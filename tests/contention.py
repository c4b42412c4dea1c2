"""Payments of one merchant from several committers at once, in threads or in processes of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from payflow.domain.intent.state import PaymentIntent
from payflow.store.commit.committer import CommitLimits, Committer
from payflow.store.commit.metrics import BATCH_RETRIES, BATCHES
from tests.patience import be_patient
from tests.submissions import KEY_TTL, LEASE, Till, attempt_of, captured, commit

AMOUNT = 1_000
FEE = 30
REFUNDED = 400
PAYERS = 4
# Whoever stands still for seconds in the middle of a transaction makes the others try again and again.
LIMITS = CommitLimits(tries_max=1_000)


@dataclass(frozen=True, slots=True)
class Contention:
    """What one process came to: how many batches it committed, and how many it had to fold again for what."""

    payments: int
    batches: float
    retries: dict[str, float]


def hammer(url: str, merchant_id: str, name: int, payments: int, lane: int = 0) -> Contention:
    """Captures ``payments`` payments of AMOUNT and refunds REFUNDED of each, PAYERS at a time.

    Committers of one ``lane`` take turns, and of different lanes run into each other.
    """
    be_patient()
    pipeline = Committer(url, lease=LEASE, key_ttl=KEY_TTL, limits=LIMITS, lane=lane)
    pipeline.start()
    tills = [Till(merchant_id, name * payments + number) for number in range(payments)]
    with ThreadPoolExecutor(PAYERS) as executor:
        finished = list(executor.map(partial(_pay, pipeline), tills))
    pipeline.close()
    return Contention(len(finished), BATCHES._value.get(), _retries())


def _pay(pipeline: Committer, till: Till) -> PaymentIntent:
    intent = captured(pipeline, till, AMOUNT)
    commit(pipeline, till.outcome(attempt_of(commit(pipeline, till.refund(intent.id, REFUNDED)))))
    return intent


def _retries() -> dict[str, float]:
    [family] = BATCH_RETRIES.collect()
    totals = (sample for sample in family.samples if sample.name.endswith("_total"))
    return {sample.labels["sqlstate"]: sample.value for sample in totals if sample.value}
