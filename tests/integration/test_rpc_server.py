from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from prometheus_client import REGISTRY

from payflow.v1.ledger_pb2 import GetAccountRequest
from payflow.v1.ledger_pb2_grpc import LedgerServiceStub
from payflow.v1.payment_intent_pb2 import CreatePaymentIntentRequest, GetPaymentIntentRequest, PaymentIntent
from payflow.v1.payment_intent_pb2_grpc import PaymentIntentServiceStub
from server.config import Settings
from server.rpc.health import Health
from server.rpc.interceptors import deadlines
from server.rpc.readiness import ReadinessMonitor
from server.rpc.server import WAITING_PER_THREAD_MAX, RpcServer, build_server
from tests.rpc_application import SECRET, FakeApplication, Intents
from tests.waiting import WAIT_S, wait_until

GET = "/payflow.v1.PaymentIntentService/GetPaymentIntent"
# What the caller gives a call, where that matters: less than the server would.
TIMEOUT_S = 20
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True)
class Running:
    application: FakeApplication
    rpc: RpcServer
    channel: grpc.Channel

    @property
    def intents(self) -> PaymentIntentServiceStub:
        return PaymentIntentServiceStub(self.channel)

    @property
    def health(self) -> Health:
        return self.rpc.health

    @property
    def servicer(self) -> Intents:
        return self.application.intents

    def get(self, intent_id: str, timeout_s: float | None = WAIT_S) -> PaymentIntent:
        return self.intents.GetPaymentIntent(GetPaymentIntentRequest(id=intent_id), timeout=timeout_s)

    def raw(self, method: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        """A method that is given bytes, as no stub would send them."""
        return self.channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)

    def refused(self, call: Callable[[], object]) -> tuple[str, status_pb2.Status]:
        """The reason and the status of a call that is refused."""
        with pytest.raises(grpc.RpcError) as raised:
            call()
        status = rpc_status.from_call(called(raised))
        assert status is not None, f"no details: {raised.value}"
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert info.domain == "payflow"
        return info.reason, status


def called(raised: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.Call:
    """What a failed call raises is the call itself."""
    assert isinstance(raised.value, grpc.Call)
    return raised.value


def trailers(call: grpc.Call) -> dict[str, str | bytes]:
    return {key: value for key, value in call.trailing_metadata()}  # noqa: C416  # pairs by their stubs


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    application = FakeApplication()
    server = build_server(settings, application.bindings)
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Running(application, server, channel)
    finally:
        application.intents.gate.set()
        assert server.stop(WAIT_S).wait(WAIT_S)
        server.close(WAIT_S)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(replace(Settings(), grpc_port=0)) as one:
        yield one


@contextmanager
def busy_threads(server: Running, threads: int) -> Iterator[None]:
    """Every RPC thread is held by a call, until the block ends."""
    held = [
        server.intents.GetPaymentIntent.future(GetPaymentIntentRequest(id="wait")) for _ in range(threads)
    ]
    try:
        for _ in held:
            assert server.servicer.entered.acquire(timeout=WAIT_S)
        yield
    finally:
        server.servicer.gate.set()
        for call in held:
            call.result(WAIT_S)


def test_the_call_context_is_what_the_caller_sent(server: Running) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert Settings().api_timeout_s > TIMEOUT_S
    asked_at = time.monotonic()
    answer, call = server.intents.GetPaymentIntent.with_call(
        GetPaymentIntentRequest(id="x"),
        metadata=(("x-correlation-id", "order-1"), ("traceparent", traceparent)),
        timeout=TIMEOUT_S,
    )
    took_s = time.monotonic() - asked_at
    assert trailers(call) == {"x-correlation-id": "order-1"}
    seen = dict(answer.metadata)
    # gRPC rounds the time-out up on the wire.
    assert abs(float(seen.pop("deadline")) - (asked_at + TIMEOUT_S)) < took_s + 1
    assert seen == {
        "correlation_id": "order-1",
        "traceparent": traceparent,
        "actor": "anonymous",
        "merchant": "None",
    }


def test_a_correlation_id_is_made_where_there_is_none_and_told_with_errors_too(server: Running) -> None:
    ids = set[str | bytes]()
    for intent_id in ("missing", "boom"):
        with pytest.raises(grpc.RpcError) as raised:
            server.get(intent_id)
        ids.add(trailers(called(raised))["x-correlation-id"])
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)


def test_a_replay_is_marked_in_the_trailing_metadata(server: Running) -> None:
    _, call = server.intents.GetPaymentIntent.with_call(
        GetPaymentIntentRequest(id="replayed"), timeout=WAIT_S
    )
    assert trailers(call)["idempotent-replayed"] == "true"


def test_a_missing_idempotency_key_is_refused(server: Running) -> None:
    request = CreatePaymentIntentRequest()
    reason, _ = server.refused(lambda: server.intents.CreatePaymentIntent(request, timeout=WAIT_S))
    assert reason == "VALIDATION_FAILED"
    key = (("idempotency-key", "k 1"),)
    assert server.intents.CreatePaymentIntent(request, metadata=key, timeout=WAIT_S).id == "k 1"


def test_without_a_deadline_the_api_timeout_holds(server: Running) -> None:
    asked_at = time.monotonic()
    deadline = float(server.get("x", timeout_s=None).metadata["deadline"])
    assert asked_at <= deadline - Settings().api_timeout_s <= time.monotonic()


@pytest.mark.parametrize("size_bytes", [1_000_001, 2_000_000, 10_000_000])
def test_a_request_that_is_too_large_is_refused(server: Running, size_bytes: int) -> None:
    call = server.raw(GET)
    reason, status = server.refused(lambda: call(b"\x0a" * size_bytes, timeout=WAIT_S))
    assert (reason, status.code) == ("REQUEST_TOO_LARGE", grpc.StatusCode.INVALID_ARGUMENT.value[0])


def test_broken_protobuf_and_unknown_fields_are_refused_before_anything_is_executed(server: Running) -> None:
    executed = len(server.servicer.executed)
    call = server.raw(GET)
    status = status_pb2.Status()
    for raw in (b"\xff\xff\xff", b"\x0a\x7fshort", b"\x98\x06\x01"):
        reason, status = server.refused(lambda raw=raw: call(raw, timeout=WAIT_S))  # type: ignore[misc]
        assert (reason, status.code) == ("VALIDATION_FAILED", grpc.StatusCode.INVALID_ARGUMENT.value[0])
    assert "unknown field" in status.message
    assert len(server.servicer.executed) == executed


@pytest.mark.parametrize("intent_id", ["boom", "wrong"])
def test_the_text_of_an_exception_is_logged_and_never_told(
    server: Running, intent_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        with pytest.raises(grpc.RpcError) as raised:
            server.get(intent_id)
        reason, status = server.refused(lambda: server.get(intent_id))
    assert reason == "INTERNAL"
    assert status.message.startswith("internal error; quote correlation id ")
    told = f"{raised.value} {called(raised).trailing_metadata()} {status}"
    assert SECRET not in told
    assert "Traceback" not in told
    records = [record for record in caplog.records if record.name == "server.rpc.interceptors.errors"]
    assert len(records) == 2
    assert records[1].__dict__["correlation_id"] in status.message
    assert (SECRET in caplog.text) == (intent_id == "boom")


def test_the_longest_error_arrives_with_its_details(server: Running) -> None:
    reason, status = server.refused(lambda: server.get("long"))
    assert (reason, len(status.details)) == ("INVALID_STATE_TRANSITION", 4)


def test_a_method_without_a_body_and_methods_nobody_has_are_unimplemented(server: Running) -> None:
    ledger = LedgerServiceStub(server.channel)
    reason, status = server.refused(
        lambda: ledger.GetAccount(GetAccountRequest(account_id="a"), timeout=WAIT_S)
    )
    assert (reason, status.code) == ("UNIMPLEMENTED", grpc.StatusCode.UNIMPLEMENTED.value[0])
    for method in ("/payflow.v1.LedgerService/Nothing", "/other.Service/Method"):
        call = server.raw(method)
        reason, status = server.refused(lambda call=call: call(b"", timeout=WAIT_S))  # type: ignore[misc]
        assert (reason, status.message) == ("UNIMPLEMENTED", f"{method} is not served here")


def test_calls_are_counted_and_timed_by_method_code_and_reason(server: Running) -> None:
    def counted(code: str, reason: str) -> float:
        labels = {"method": GET, "code": code, "reason": reason}
        return REGISTRY.get_sample_value("payflow_rpc_answered_total", labels) or 0

    before = counted("OK", ""), counted("NOT_FOUND", "NOT_FOUND"), counted("INTERNAL", "INTERNAL")
    server.get("x")
    server.refused(lambda: server.get("missing"))
    server.refused(lambda: server.get("boom"))
    after = counted("OK", ""), counted("NOT_FOUND", "NOT_FOUND"), counted("INTERNAL", "INTERNAL")
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 1, 1]
    timed = REGISTRY.get_sample_value("payflow_rpc_duration_seconds_count", {"method": GET})
    assert timed is not None
    assert timed >= 3


def test_a_call_that_was_cancelled_or_ran_out_of_time_while_it_waited_is_never_executed() -> None:
    with running(replace(Settings(), grpc_port=0, rpc_threads_max=1)) as server:
        with busy_threads(server, 1):
            cancelled = server.intents.GetPaymentIntent.future(GetPaymentIntentRequest(id="cancelled"))
            wait_until(lambda: server.rpc.calls() == 2)
            expired = server.intents.GetPaymentIntent.future(
                GetPaymentIntentRequest(id="expired"), timeout=0.5
            )
            cancelled.cancel()  # type: ignore[no-untyped-call]  # by grpc-stubs
            with pytest.raises(grpc.RpcError) as raised:
                expired.result(WAIT_S)
            assert called(raised).code() is grpc.StatusCode.DEADLINE_EXCEEDED
            # Behind this, on the same connection, the server has been told of both.
            health = health_pb2_grpc.HealthStub(server.channel)
            health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
        server.get("after")
        assert server.servicer.executed == ["wait", "after"]


@dataclass
class TurnedTime:
    """Stands for the module ``time``."""

    ahead_s: float = 0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


def test_the_api_timeout_counts_from_the_arrival_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = TurnedTime()
    monkeypatch.setattr(deadlines, "time", turned)
    with running(replace(Settings(), grpc_port=0, rpc_threads_max=1)) as server:
        with busy_threads(server, 1):
            waiting = server.intents.GetPaymentIntent.future(GetPaymentIntentRequest(id="waited"))
            wait_until(lambda: server.rpc.calls() == 2)
            turned.ahead_s = Settings().api_timeout_s
        reason, _ = server.refused(lambda: waiting.result(WAIT_S))
        assert reason == "DEADLINE_EXCEEDED"
        assert server.servicer.executed == ["wait"]


def test_a_full_server_refuses_at_once_and_its_health_still_answers() -> None:
    with running(replace(Settings(), grpc_port=0, rpc_threads_max=2)) as server:
        server.health.show(serving=True)
        with busy_threads(server, 2):
            waiting = [
                server.intents.GetPaymentIntent.future(GetPaymentIntentRequest(id="waited"))
                for _ in range(2 * WAITING_PER_THREAD_MAX)
            ]
            wait_until(lambda: server.rpc.calls() == 2 + len(waiting))
            reason, status = server.refused(lambda: server.get("refused"))
            health = health_pb2_grpc.HealthStub(server.channel)
            answer = health.Check(health_pb2.HealthCheckRequest(service=""), timeout=WAIT_S)
            assert not any(call.done() for call in waiting)
            assert (reason, status.code) == ("OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
            retry = error_details_pb2.RetryInfo()
            assert status.details[1].Unpack(retry)
            assert retry.retry_delay.ToMilliseconds() == 1000
            assert answer.status == SERVING
        for call in waiting:
            assert call.result(WAIT_S).id
        assert server.servicer.executed == ["wait"] * 2 + ["waited"] * len(waiting)


def test_callers_that_never_send_a_refused_request_hold_nobody_up(server: Running) -> None:
    """A refusal is answered without reading the request, and so is a method that nobody has."""
    silent = threading.Event()

    def never() -> Iterator[bytes]:
        silent.wait(2 * WAIT_S)
        yield b""

    call = server.channel.stream_unary(
        "/other.Service/Method", request_serializer=bytes, response_deserializer=bytes
    )
    try:
        reason, _ = server.refused(lambda: call(never(), timeout=WAIT_S))
    finally:
        silent.set()
    assert reason == "UNIMPLEMENTED"


def test_health_of_every_service_follows_readiness(server: Running) -> None:
    services = ("", "grpc.health.v1.Health", "payflow.v1.PaymentIntentService", "payflow.v1.LedgerService")
    health = health_pb2_grpc.HealthStub(server.channel)
    monitor = ReadinessMonitor(
        server.application.ready,
        lambda serving: server.health.show(serving=serving),
        interval_s=0.1,
        timeout_s=WAIT_S,
    )

    def statuses() -> set[int]:
        return {
            health.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT_S).status
            for service in services
        }

    watched = health.Watch(health_pb2.HealthCheckRequest(service=services[2]), timeout=WAIT_S)
    assert next(watched).status == NOT_SERVING
    monitor.start()
    try:
        assert next(watched).status == SERVING
        wait_until(lambda: statuses() == {SERVING})
        server.application.is_ready = False
        assert next(iter(one.status for one in watched if one.status != SERVING)) == NOT_SERVING
        wait_until(lambda: statuses() == {NOT_SERVING})
        server.application.is_ready = True
        wait_until(lambda: statuses() == {SERVING})
        listed = health.List(health_pb2.HealthListRequest(), timeout=WAIT_S).statuses
        assert {name: one.status for name, one in listed.items()} == dict.fromkeys(services, SERVING)
    finally:
        server.application.is_ready = True
        monitor.stop()
        watched.cancel()
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="unheard.of"), timeout=WAIT_S)
    assert called(raised).code() is grpc.StatusCode.NOT_FOUND


def test_a_readiness_check_that_hangs_is_a_no_and_is_not_asked_twice() -> None:
    release = threading.Event()
    shown: list[bool] = []
    asked: list[int] = []

    def ready() -> bool:
        asked.append(1)
        return release.wait(WAIT_S)

    monitor = ReadinessMonitor(ready, shown.append, interval_s=0.05, timeout_s=0.1)
    monitor.start()
    try:
        wait_until(lambda: len(shown) >= 2 and bool(asked))
        assert (shown[:2], len(asked)) == ([False, False], 1)
        release.set()
        wait_until(lambda: shown[-1])
    finally:
        release.set()
        monitor.stop()
