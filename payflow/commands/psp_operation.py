"""Two commits around one call to a PSP, never a call inside a transaction.

Commit 1 writes the attempt down, with the key running under its lease. Then the call is made. Commit 2
writes its outcome down, guarded by the attempt's fence. Behind commit 1 everything runs to its end,
whether or not the caller still waits; whatever dies on the way is finished by a duplicate of the request
or by the recovery worker, with the same PSP key.
"""

from __future__ import annotations

from payflow.commands.call import Answer, Call, cached_answer, commit, replay
from payflow.commands.merchant_scope import FOREVER_S
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import finish, no_psp_available
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Replayed
from payflow.domain.intent.commands import IntentCommand
from payflow.domain.merchant.state import PspAccount
from payflow.domain.psp_outcome import OperationType


def operate(
    ports: Ports, call: Call, account: PspAccount, operation: OperationType, command: IntentCommand
) -> Answer:
    """Starts an operation at ``account`` and sees it through.

    Raises OVERLOADED, and NO_PSP_AVAILABLE where the PSP fails too often to be asked, before anything is
    written.
    """
    merchant_id = account.merchant_id
    cached = cached_answer(ports, call, merchant_id)
    if cached is not None:
        return cached
    if account.connector not in ports.connectors:
        refusal = no_psp_available("no PSP that this payment could go to is connected")
        return answered_or_refuse(ports, call, merchant_id, refusal)
    if not ports.gate.admits(account.endpoint, operation):
        refusal = no_psp_available("the PSP fails too often to be asked now; nothing was executed")
        return answered_or_refuse(ports, call, merchant_id, refusal)
    try:
        with ports.slots.hold(account.endpoint):
            return _start_and_finish(ports, call, merchant_id, command)
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


def psp_account_of(ports: Ports, call: Call, merchant_id: str, psp_account_id: str) -> PspAccount:
    """The PSP account that a payment is at. Accounts are never deleted."""
    deadline = FOREVER_S if call.deadline is None else call.deadline
    merchant = ports.directory.find(merchant_id, deadline)
    if merchant is None or psp_account_id not in merchant.psp_accounts:
        # Another process may have added it a moment ago.
        merchant = ports.directory.read(merchant_id, deadline)
    if merchant is None:
        raise no_psp_available("the merchant has no PSP account")
    return merchant.psp_account(psp_account_id)


def _start_and_finish(ports: Ports, call: Call, merchant_id: str, command: IntentCommand) -> Answer:
    started = commit(ports, call, lambda _: command)
    if isinstance(started, Replayed):
        return replay(started)
    if started.psp_call is None:
        return Answer(started.resource)
    return finish(ports, call, merchant_id, started.psp_call)
