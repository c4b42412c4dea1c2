"""Two commits around one call to a PSP, never a call inside a transaction.

Commit 1 writes the attempt down, with the key running under its lease. Then the call is made. Commit 2
writes its outcome down, guarded by the attempt's fence. Behind commit 1 everything runs to its end,
whether or not the caller still waits; whatever dies on the way is finished by a duplicate of the request
or by the recovery worker, with the same PSP key.
"""

from __future__ import annotations

from collections.abc import Callable

from payflow.commands.call import Answer, Call, cached_answer, commit, replay
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import finish, no_psp_available
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Command, Replayed


def operate(
    ports: Ports, call: Call, merchant_id: str, connector_name: str, make: Callable[[str], Command]
) -> Answer:
    """Starts an operation and sees it through. Raises OVERLOADED before anything is written."""
    cached = cached_answer(ports, call, merchant_id)
    if cached is not None:
        return cached
    if connector_name not in ports.connectors:
        return answered_or_refuse(
            ports, call, merchant_id, no_psp_available("no PSP that this payment could go to is connected")
        )
    try:
        with ports.slots.hold(connector_name):
            return _start_and_finish(ports, call, merchant_id, make)
    except PayFlowError as error:
        if error.reason is not Reason.OVERLOADED:
            raise
        # A PSP that hangs must not hide the answers to duplicates.
        return answered_or_refuse(ports, call, merchant_id, error)


def answered_or_refuse(ports: Ports, call: Call, merchant_id: str, refusal: PayFlowError) -> Answer:
    """The stored answer to a duplicate; raises ``refusal`` for a request that was never answered."""
    cached = cached_answer(ports, call, merchant_id)
    if cached is not None:
        return cached
    if call.claim is not None and call.deadline is not None:
        stored = ports.stored_response(merchant_id, call.claim, ports.clock.now(), call.deadline)
        if stored is not None:
            return Answer(stored=stored, replayed=True)
    raise refusal


def _start_and_finish(ports: Ports, call: Call, merchant_id: str, make: Callable[[str], Command]) -> Answer:
    started = commit(ports, call, make)
    if isinstance(started, Replayed):
        return replay(started)
    if started.psp_call is None:
        return Answer(started.resource)
    return finish(ports, call, merchant_id, started.psp_call)
