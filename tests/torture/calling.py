"""Calls that are repeated with their key until some server answers, and what each answer said."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.payments import ApiError, Caller
from tests.torture.recording import Observation, Recording

GIVE_UP_AFTER_S = 90
POLL_S = 0.05
PAUSE_MAX_S = 1.0
# A killed server's connection is tried again at once when the server is back.
CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


@dataclass(slots=True)
class Calling:
    """Makes calls for one client at whichever server answers, and records what it saw.

    ``swallowed`` counts answers that were lost though the call had its effect: its repetition found it.
    """

    callers: list[Caller]
    recording: Recording
    retries: Counter[str] = field(default_factory=Counter)
    swallowed: int = 0

    def answer(self, rpc: str, request: Any, key: str, decisions: random.Random) -> Any:
        """The response, or None where the call was refused for good. Raises ApiError when nobody answers."""
        invoked = time.monotonic()
        try:
            message = self._until_answered(rpc, request, key, decisions)
        except ApiError as error:
            if not error.reason or _asks_for_more(error):
                raise
            self._note(rpc, request, key, invoked, error=error)
            return None
        self._note(rpc, request, key, invoked, message=message)
        return message

    def _until_answered(self, rpc: str, request: Any, key: str, decisions: random.Random) -> Any:
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        repeated = False
        while True:
            caller = decisions.choice(self.callers)
            try:
                reply = caller.reply(getattr(caller.ledger, rpc), request, key)
            except ApiError as error:
                if not _asks_for_more(error) or time.monotonic() > give_up_at:
                    raise
                self.retries[error.reason or error.code.name] += 1
                repeated = True
                time.sleep(min(error.retry_after_s or POLL_S, PAUSE_MAX_S))
            else:
                self.swallowed += repeated and reply.replayed
                return reply.message

    def _note(
        self,
        rpc: str,
        request: Any,
        key: str,
        invoked: float,
        message: Any = None,
        error: ApiError | None = None,
    ) -> None:
        self.recording.note(
            Observation(
                rpc,
                request.merchant_id,
                key,
                invoked,
                time.monotonic(),
                request.SerializeToString(deterministic=True),
                message.SerializeToString(deterministic=True) if message is not None else b"",
                error.reason if error else "",
                error.metadata if error else {},
            )
        )


def _asks_for_more(error: ApiError) -> bool:
    """Whether the outcome is open, or the server asks to try again."""
    return error.code in AGAIN or (error.code is grpc.StatusCode.ABORTED and error.retry_after_s is not None)
