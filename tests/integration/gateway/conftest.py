from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gateway.gateway_process import GatewayProcess, running_gateway
from tests.integration.gateway.grpc_backend import Calls, GrpcServer, started_grpc_server
from tests.integration.gateway.requests import BODY_BYTES_MAX
from tests.waiting import WAIT_S

# Nothing takes so long, however busy the machine is.
PATIENT = dict.fromkeys(("head_timeout_s", "body_timeout_s", "discard_timeout_s", "ready_timeout_s"), WAIT_S)


@pytest.fixture(scope="module")
def backend() -> Iterator[GrpcServer]:
    started = started_grpc_server()
    yield started
    started.calls.slow_may_end.set()
    started.server.stop(0).wait()


@pytest.fixture(scope="module")
def gateway(backend: GrpcServer) -> Iterator[GatewayProcess]:
    limits = {**PATIENT, "requests_in_flight_max": 2, "head_bytes_max": 8192}
    with running_gateway(backend.port, limits=limits, api_max_request_bytes=BODY_BYTES_MAX) as started:
        yield started


@pytest.fixture(scope="module")
def hasty_with_heads(backend: GrpcServer) -> Iterator[GatewayProcess]:
    """One that gives callers little time to send the head of a request."""
    with running_gateway(backend.port, limits=PATIENT | {"head_timeout_s": 1}) as started:
        yield started


@pytest.fixture(scope="module")
def hasty_with_bodies(backend: GrpcServer) -> Iterator[GatewayProcess]:
    """One that gives callers little time to send the body of a request."""
    limits = PATIENT | {"body_timeout_s": 1, "discard_timeout_s": 1, "requests_in_flight_max": 2}
    with running_gateway(backend.port, limits=limits) as started:
        yield started


@pytest.fixture
def calls(backend: GrpcServer) -> Calls:
    backend.calls.requests.clear()
    return backend.calls
