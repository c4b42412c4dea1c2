from __future__ import annotations

import pytest
from google.protobuf.message import Message

from payflow.domain.errors import PayFlowError, Reason
from payflow.v1 import ledger_pb2
from server.config import Settings
from server.rpc.interceptors.authentication import AuthenticationOff
from server.rpc.interceptors.chain import interceptor_chain
from server.rpc.interceptors.correlation import correlation_id_of, traceparent_of
from server.rpc.interceptors.rate_limit import CallRates
from server.rpc.refusal import Refusals
from server.rpc.request import read_request
from server.rpc.threads import RpcThreads

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def test_the_order_of_the_chain() -> None:
    rates = CallRates(lambda _: 0.0, lambda slot, deadline: None)
    chain = interceptor_chain(Settings(), AuthenticationOff(), RpcThreads(1), 1, Refusals(), rates)
    assert [type(link).__name__ for link in chain] == [
        "CorrelationInterceptor",
        "ErrorInterceptor",
        "MeasurementInterceptor",
        "AdmissionInterceptor",
        "DeadlineInterceptor",
        "AuthenticationInterceptor",
        "MessageInterceptor",
        "RateLimitInterceptor",
    ]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"x-correlation-id": "order-12:3", "x-request-id": "other"}, "order-12:3"),
        ({"x-request-id": "r1"}, "r1"),
        ({"x-correlation-id": "a b", "x-request-id": "r1"}, "r1"),
        ({"x-correlation-id": "x" * 129}, None),
        ({"x-correlation-id": ""}, None),
        ({"x-correlation-id": "forged\nlog line"}, None),
        ({}, None),
    ],
)
def test_a_correlation_id_is_taken_only_when_it_is_fit_for_a_log(
    metadata: dict[str, str], expected: str | None
) -> None:
    assert correlation_id_of(metadata) == expected


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"01-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-{PARENT}-01\n", False),
    ],
)
def test_a_traceparent_is_passed_on_only_when_it_is_valid(value: str, valid: bool) -> None:
    assert traceparent_of({"traceparent": value}) == (value if valid else "")


def with_unknown_field(message: Message) -> bytes:
    """The bytes of ``message`` with a field 99, a varint, at its end."""
    return message.SerializeToString() + b"\x98\x06\x01"


def test_a_request_without_unknown_fields_is_read_whole() -> None:
    request = ledger_pb2.PostTransactionRequest(merchant_id="m", metadata={"a": "b"})
    assert read_request(ledger_pb2.PostTransactionRequest.FromString, request.SerializeToString()) == request


def test_an_unknown_field_is_refused_with_its_place_however_deep() -> None:
    entry = with_unknown_field(ledger_pb2.Entry(account_id="a", amount=1))
    plain = ledger_pb2.PostTransactionRequest(entries=[ledger_pb2.Entry(account_id="b", amount=-1)])
    field = ledger_pb2.PostTransactionRequest.DESCRIPTOR.fields_by_name["entries"]
    nested = plain.SerializeToString() + bytes((field.number << 3 | 2, len(entry))) + entry
    for raw, place in ((with_unknown_field(plain), "#99"), (nested, "entries[1].#99")):
        with pytest.raises(PayFlowError) as refused:
            read_request(ledger_pb2.PostTransactionRequest.FromString, raw)
        assert refused.value.reason is Reason.VALIDATION_FAILED
        assert [(one.field, one.description) for one in refused.value.fields] == [(place, "unknown field")]


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xc3\x28"])
def test_broken_protobuf_is_refused(raw: bytes) -> None:
    with pytest.raises(PayFlowError, match="not a valid protobuf message"):
        read_request(ledger_pb2.GetAccountRequest.FromString, raw)
