"""Dead letters as callers see them."""

from __future__ import annotations

from payflow.domain.dead_letter import DeadLetterView
from payflow.v1 import dead_letter_pb2 as pb
from payflow.wire.timestamps import timestamp

DATA_CHARACTERS_MAX = 65_536


def dead_letter(view: DeadLetterView) -> pb.DeadLetter:
    """The protobuf message of a dead letter."""
    found = view.dead_letter
    letter = found.letter
    return pb.DeadLetter(
        id=found.key.id,
        consumer=found.consumer,
        merchant_id=letter.merchant_id,
        aggregate_id=letter.aggregate_id,
        aggregate_version=letter.aggregate_version,
        type=letter.type,
        state=pb.DeadLetterState.Value(f"DEAD_LETTER_STATE_{found.state}"),
        error=found.error,
        tries=found.tries,
        parked_at=timestamp(found.parked_at),
        behind=view.behind,
        headers=letter.headers,
        data=letter.value.decode("utf-8", "replace")[:DATA_CHARACTERS_MAX],
    )
