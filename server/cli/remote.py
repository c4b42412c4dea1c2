"""Calls of the running gRPC server, and its refusals in one line."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from payflow.v1.dead_letter_pb2_grpc import DeadLetterServiceStub
from payflow.v1.ledger_pb2_grpc import LedgerServiceStub
from payflow.v1.merchant_pb2_grpc import MerchantServiceStub
from payflow.v1.payment_intent_pb2_grpc import PaymentIntentServiceStub
from payflow.v1.routing_pb2_grpc import RoutingServiceStub
from payflow.v1.webhook_pb2_grpc import WebhookServiceStub
from server.config import Settings

F = TypeVar("F", bound=Callable[..., Any])
Reply = TypeVar("Reply", bound="Message")


def remote_options(command: F) -> F:
    """The options of every command that calls the server."""
    address = click.option(
        "--address", metavar="HOST:PORT", help="The gRPC server.  [default: 127.0.0.1:GRPC_PORT]"
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    return address(as_json(command))


idempotency_key_option = click.option(
    "--idempotency-key",
    metavar="KEY",
    default=lambda: str(uuid.uuid4()),
    help="Repeat a call with its key and it takes effect once.  [default: a new one]",
)


@contextmanager
def merchant_service(address: str | None) -> Iterator[MerchantServiceStub]:
    """The merchant service of the server at ``address``."""
    with _channel(address) as channel:
        yield MerchantServiceStub(channel)


@contextmanager
def ledger_service(address: str | None) -> Iterator[LedgerServiceStub]:
    """The ledger service of the server at ``address``."""
    with _channel(address) as channel:
        yield LedgerServiceStub(channel)


@contextmanager
def routing_service(address: str | None) -> Iterator[RoutingServiceStub]:
    """The routing service of the server at ``address``."""
    with _channel(address) as channel:
        yield RoutingServiceStub(channel)


@contextmanager
def webhook_service(address: str | None) -> Iterator[WebhookServiceStub]:
    """The webhook service of the server at ``address``."""
    with _channel(address) as channel:
        yield WebhookServiceStub(channel)


@contextmanager
def dead_letter_service(address: str | None) -> Iterator[DeadLetterServiceStub]:
    """The dead letter service of the server at ``address``."""
    with _channel(address) as channel:
        yield DeadLetterServiceStub(channel)


@contextmanager
def payment_intent_service(address: str | None) -> Iterator[PaymentIntentServiceStub]:
    """The payment intent service of the server at ``address``."""
    with _channel(address) as channel:
        yield PaymentIntentServiceStub(channel)


@contextmanager
def _channel(address: str | None) -> Iterator[grpc.Channel]:
    """A connection; a refusal of a call on it becomes the command's."""
    settings = Settings.from_environment(os.environ)
    target = address or f"127.0.0.1:{settings.grpc_port}"
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise click.ClickException(_in_one_line(error, target)) from error


def call(
    method: grpc.UnaryUnaryMultiCallable[Any, Reply], request: Message, idempotency_key: str | None = None
) -> Reply:
    """Calls ``method`` within the API's time-out."""
    timeout_s = Settings.from_environment(os.environ).api_timeout_s
    metadata = (("idempotency-key", idempotency_key),) if idempotency_key is not None else ()
    return method(request, timeout=timeout_s, metadata=metadata)


def _in_one_line(error: grpc.RpcError, target: str) -> str:
    """The reason, the message and the fields of a refusal."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    details = list(status.details) if status is not None else []
    if not details and error.code() is grpc.StatusCode.UNAVAILABLE:
        return (
            f"no PayFlow server answers at {target}; start one with `payflow dev`, or name it with --address"
        )
    info, bad_request = ErrorInfo(), BadRequest()
    reason = next((info.reason for detail in details if detail.Unpack(info)), error.code().name)
    violations = [
        f"{violation.field}: {violation.description}"
        for detail in details
        if detail.Unpack(bad_request)
        for violation in bad_request.field_violations
    ]
    message = error.details() or "no message"
    unsaid = [violation for violation in violations if violation not in message]
    return f"{reason}: {message}" + (f" ({'; '.join(unsaid)})" if unsaid else "")
