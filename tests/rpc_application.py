"""A small application for tests of the server: real services whose answers depend on the id asked for.

`python -m tests.rpc_application` serves it in a process of its own, set up by the environment. Calls that
wait there leave a file each in GATE_DIRECTORY, and go on when one of the name OPEN is there.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import grpc

from payflow.domain import fields
from payflow.domain.errors import FieldViolation, PayFlowError, Reason, not_found
from payflow.v1 import ledger_pb2_grpc, payment_intent_pb2_grpc
from payflow.v1.payment_intent_pb2 import CreatePaymentIntentRequest, GetPaymentIntentRequest, PaymentIntent
from server.config import Settings
from server.rpc.application import Binding
from server.rpc.call import current_call, mark_replayed
from server.rpc.process import serve
from tests.waiting import WAIT_S, wait_until

SECRET = "password=hunter2"
OPEN = "open"


class Intents(payment_intent_pb2_grpc.PaymentIntentServiceServicer):
    """Answers GetPaymentIntent in the way that the id names, and counts what it executed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.executed: list[str] = []

    def GetPaymentIntent(
        self, request: GetPaymentIntentRequest, context: grpc.ServicerContext
    ) -> PaymentIntent:
        self.executed.append(request.id)
        match request.id:
            case "wait":
                self.entered.release()
                assert self.gate.wait(WAIT_S)
            case "wait for the file":
                _wait_for_the_file(Path(os.environ["GATE_DIRECTORY"]))
            case "boom":
                raise RuntimeError(SECRET)
            case "missing":
                raise not_found("payment intent", request.id)
            case "long":
                raise _long_error()
            case "replayed":
                mark_replayed(context)
            case "wrong":
                return None  # type: ignore[return-value]  # a fault on purpose
        call = current_call()
        return PaymentIntent(
            id=str(os.getpid()),
            metadata={
                "correlation_id": call.correlation_id,
                "traceparent": call.traceparent,
                "actor": call.actor,
                "merchant": repr(call.principal_merchant_id),
                "deadline": repr(call.deadline),
            },
        )

    def CreatePaymentIntent(
        self, request: CreatePaymentIntentRequest, context: grpc.ServicerContext
    ) -> PaymentIntent:
        return PaymentIntent(id=fields.idempotency_key(current_call().idempotency_key))


def _wait_for_the_file(directory: Path) -> None:
    (directory / uuid4().hex).touch()
    wait_until((directory / OPEN).exists)


def _long_error() -> PayFlowError:
    text = "€" * 10_000
    fields = tuple(FieldViolation(f"{number}{text}", text) for number in range(50))
    metadata = {f"{number}{text}": text for number in range(50)}
    return PayFlowError(Reason.INVALID_STATE_TRANSITION, text, fields, metadata, 1.0, text)


class FakeApplication:
    """Two services; the ledger's methods have no body. Notes on standard output how it ends."""

    def __init__(self) -> None:
        # The methods that are not here have the generated servicer's body: UNIMPLEMENTED.
        self.intents = Intents()  # type: ignore[abstract]  # on purpose
        self.is_ready = True

    @property
    def bindings(self) -> Sequence[Binding]:
        return (
            Binding(
                "payflow.v1.PaymentIntentService",
                payment_intent_pb2_grpc.add_PaymentIntentServiceServicer_to_server,
                self.intents,
            ),
            Binding(
                "payflow.v1.LedgerService",
                ledger_pb2_grpc.add_LedgerServiceServicer_to_server,
                ledger_pb2_grpc.LedgerServiceServicer(),  # type: ignore[abstract]  # on purpose
            ),
        )

    @property
    def call_rates(self) -> None:
        return None

    @property
    def psp_timeout_s(self) -> float:
        return WAIT_S

    def ready(self) -> bool:
        if not self.is_ready:
            raise ConnectionError(SECRET)
        return True

    def drain(self, timeout_s: float) -> None:
        _say("drained")

    def close(self) -> None:
        _say("closed")


def _say(word: str) -> None:
    """In one piece: processes that share the output may speak at the same time."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


def build(settings: Settings) -> FakeApplication:
    """The application factory; fails where the service name says so, as a database that refuses would."""
    if settings.otel_service_name == "fails-to-start":
        raise ConnectionError("the database refuses")
    return FakeApplication()


if __name__ == "__main__":
    sys.exit(serve(Settings.from_environment(os.environ), build))
