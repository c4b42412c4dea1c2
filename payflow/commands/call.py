"""A caller's request on its way to the pipeline, and the answer on its way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from payflow.commands.ports import Ports
from payflow.domain import ids
from payflow.domain.folding.submission import (
    Applied,
    Command,
    IdempotencyClaim,
    Origin,
    Refused,
    Replayed,
    Submission,
)
from payflow.domain.resources import Resource

ENTROPY_BYTES = 10


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, under which key, and until when (seconds of time.monotonic; None waits)."""

    origin: Origin
    deadline: float | None
    claim: IdempotencyClaim | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A resource, or the bytes of the response that was given before (``replayed``, unless it was lost)."""

    resource: Resource | None = None
    stored: bytes | None = None
    replayed: bool = False


def replay(result: Replayed) -> Answer:
    """The answer that was given before."""
    return Answer(stored=result.response, replayed=not result.first)


def cached_answer(ports: Ports, call: Call, merchant_id: str) -> Answer | None:
    """What the fast copy of earlier responses knows."""
    if call.claim is None:
        return None
    stored = ports.cached_response(merchant_id, call.claim, ports.clock.now())
    return Answer(stored=stored, replayed=True) if stored is not None else None


def commit(
    ports: Ports, call: Call, make: Callable[[str], Command], *, always: bool = False
) -> Applied | Replayed:
    """Commits the command that ``make`` builds from its new id. Raises PayFlowError when it is refused."""
    now = ports.clock.now()
    command_id = ids.command_id(now, ports.entropy(ENTROPY_BYTES))
    submission = Submission(make(command_id), command_id, now, call.origin, call.claim)
    result = ports.pipeline.commit(submission, call.deadline, always=always)
    if isinstance(result, Refused):
        raise result.error
    return result


def commit_and_answer(ports: Ports, call: Call, make: Callable[[str], Command]) -> Answer:
    """For commands that end with their commit."""
    result = commit(ports, call, make)
    return replay(result) if isinstance(result, Replayed) else Answer(result.resource, result.response)
