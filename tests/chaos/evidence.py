"""What an auditor gets to see of a run, as plain data, and what it says about it. It knows no PayFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Effect:
    """One movement at a PSP, by the PSP's own list: ``amount`` is minor units of ``currency``.

    ``psp`` is the PSP account's id. ``reference`` is ours, empty where the PSP acted by itself.
    ``operation`` is ``authorize``, ``sale``, ``capture``, ``cancel``, ``refund``, ``capture_failed`` (which
    takes back a sale, too) or ``refund_failed``. ``execution`` counts the executions under the reference,
    from 1. ``confessed``: the PSP had said that it would not, and told later that it did.
    """

    at: datetime
    psp: str
    reference: str
    operation: str
    payment_id: str
    amount: int
    currency: str
    execution: int = 1
    confessed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an operation, as it left for the PSP."""

    at: datetime
    psp: str
    reference: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a caller was answered under a key; ``request`` stands for everything that it asked for."""

    at: datetime
    merchant_id: str
    key: str
    request: str
    response: bytes
    replayed: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What a PSP promises: that it can be asked what became of a call, how long it remembers a key."""

    looks_up: bool
    key_window: timedelta


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run at its end, when everything has come to rest.

    ``intents``, ``refunds``, ``attempts`` and ``keys`` are rows; ``entries`` are the ledger's, with the
    ``transaction_id`` of each; ``events`` are in the order of each aggregate, with ``committed_at`` and their
    ``data`` in plain values. ``psps`` are by the PSP account's id. ``calm_since`` is when the last fault
    ended. ``refused`` are true notices that were turned away for good, ``broken`` errors that nobody was to
    see.
    """

    effects: Sequence[Effect]
    intents: Sequence[Row]
    refunds: Sequence[Row]
    attempts: Sequence[Row]
    keys: Sequence[Row]
    entries: Sequence[Row]
    events: Sequence[Row]
    psps: Mapping[str, Terms]
    calm_since: datetime
    asked: Sequence[Asked] = ()
    answered: Sequence[Answered] = ()
    refused: Sequence[str] = ()
    broken: Sequence[str] = ()


class Wrong(StrEnum):
    """Everything that an auditor can find."""

    # At the PSPs.
    DOUBLE_CHARGE = "two payments of one intent stand at PSPs"
    EFFECT_WITHOUT_ATTEMPT = "money moved that nobody had written down"
    EFFECT_BEFORE_ATTEMPT = "money moved before it was written down"
    EFFECT_DIFFERS = "another operation, amount, currency or PSP than was written down"
    EXECUTED_TWICE = "one reference was executed twice"
    GIVEN_UP_BUT_EXECUTED = "what was given up stands at the PSP"
    STRAY_NOT_UNDONE = "a stray payment is not undone exactly"
    ASKED_WITHOUT_LEASE = "a PSP was asked for what nobody held"
    ASKED_AGAIN = "a PSP was asked again for what it had taken in"
    ASKED_TOO_LATE = "a PSP was asked again for what it may have forgotten"
    # PSPs beside intents, and both beside the ledger.
    TAKEN_DIFFERS = "an intent says something else was taken than its PSP"
    RETURNED_DIFFERS = "an intent says something else was returned than its PSP"
    HELD_DIFFERS = "an intent says something else is held than its PSP"
    CLEARING_DIFFERS = "the ledger's clearing is not what PSPs took and returned"
    PAYABLE_DIFFERS = "the ledger's payable is not what intents say"
    FEES_DIFFER = "the ledger's fees are not what intents say"
    HOLDS_DIFFER = "the ledger's open holds are not what PSPs hold"
    UNBALANCED = "a transaction does not sum to zero"
    BOOKED_OTHERWISE = "ledger and events tell different transactions"
    # Events, and rows beside them.
    ROW_DIFFERS = "a row is not what its events say"
    EVENT_GAP = "an aggregate's versions have a gap"
    ILLEGAL_MOVE = "a status moved against the contract"
    REOPENED = "something happened to an attempt that had ended"
    FENCE_SKIPPED = "a fence did not rise by one"
    OVER_REFUNDED = "refunds exceed what was captured"
    FAILED_OVER_WITHOUT_PROOF = "a failover that nothing advised"
    # What callers and operators are owed.
    LEFT_OPEN = "something is left open"
    UNKNOWN_TOO_LONG = "an outcome was unknown for too long after the last fault"
    KEY_UNANSWERED = "a key is still running"
    ANSWER_CHANGED = "one key was answered differently"
    KEY_REUSED = "one key was answered for two requests"
    KEY_HAD_TWO_EFFECTS = "one key moved money twice"
    NOTICE_REFUSED = "a PSP's true notice was turned away for good"
    BROKEN = "a use case broke"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: with what, and what shows it."""

    wrong: Wrong
    about: str
    shown_by: str = ""
