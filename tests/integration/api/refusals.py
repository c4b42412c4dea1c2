"""Refusals as callers get them, from both doors, in one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.http_payments import HttpCaller, HttpReply
from tests.waiting import WAIT_S


@dataclass(frozen=True, slots=True)
class Refusal:
    """``text`` is everything the caller can read in it."""

    code: str
    reason: str
    fields: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call of the contract, by its gRPC name and its HTTP route; a GET has its fields in the query."""

    path: str
    request: type[Message]
    http_method: str
    template: str


def over_grpc(channel: grpc.Channel, path: str, payload: bytes, key: str | None = None) -> Refusal:
    """Sends bytes to an RPC, which has to refuse them with every detail of the contract."""
    method: Any = channel.unary_unary(path, bytes, bytes)
    metadata = () if key is None else (("idempotency-key", key),)
    try:
        answer = method(payload, metadata=metadata, timeout=WAIT_S)
    except grpc.RpcError as refused:
        error: Any = refused
    else:
        raise AssertionError(f"{path} was not refused, it answered {answer!r}")
    status = rpc_status.from_call(cast(grpc.Call, error))
    assert status is not None, f"{error.code()} without details"
    assert status.message == error.details()
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        assert detail.Unpack(info) or detail.Unpack(bad) or not detail.Is(bad.DESCRIPTOR)
    assert info.domain == "payflow"
    fields = tuple(violation.field for violation in bad.field_violations)
    return Refusal(error.code().name, info.reason, fields, f"{status}")


def payload_of(rpc: Rpc, request: Mapping[str, Any]) -> bytes:
    """The protobuf bytes of a request given as JSON."""
    return ParseDict(dict(request), rpc.request()).SerializeToString()


def over_http(http: HttpCaller, rpc: Rpc, request: Mapping[str, Any], key: str = "") -> Refusal:
    """Sends a request to its route, which has to refuse it."""
    left = dict(request)
    path = rpc.template
    for name in request:
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(left.pop(name), safe=""))
    if rpc.http_method == "GET":
        return http_refusal(http.get(f"{path}?{urlencode(left)}"))
    return http_refusal(http.send(rpc.http_method, path, left, key))


def http_refusal(reply: HttpReply) -> Refusal:
    """The refusal in a reply; its status is the one that google.rpc.Code documents for its code."""
    status, code, reason = reply.error
    assert status == (413 if reason == "REQUEST_TOO_LARGE" else HTTP_STATUS[code])
    error = reply.json["error"]
    [info] = [detail for detail in error["details"] if detail["@type"].endswith("google.rpc.ErrorInfo")]
    assert (info["domain"], info["reason"]) == ("payflow", reason)
    return Refusal(code, reason, tuple(reply.fields), reply.body.decode())


HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
}
