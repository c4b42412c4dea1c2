from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from server.config import Settings
from server.rpc.server import build_server
from tests.rpc_application import FakeApplication
from tests.waiting import WAIT_S

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "payflow.v1.LedgerService",
    "payflow.v1.PaymentIntentService",
]


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    server = build_server(replace(Settings(), grpc_port=0), FakeApplication().bindings)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as one:
        yield one
    assert server.stop(WAIT_S).wait(WAIT_S)
    server.close(WAIT_S)


def test_reflection_lists_and_describes_every_service(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert sorted(database.get_services()) == SERVICES
    pool = DescriptorPool(database)
    for service in SERVICES:
        assert pool.FindServiceByName(service).methods
    create = pool.FindMethodByName("payflow.v1.PaymentIntentService.CreatePaymentIntent")
    assert create.input_type.full_name == "payflow.v1.CreatePaymentIntentRequest"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection_answer(channel: grpc.Channel, version: str) -> None:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = iter(
        [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol="grpc.reflection.v1.ServerReflection"
            ),
        ]
    )
    listed, described = call(requests, timeout=WAIT_S)
    assert [service.name for service in listed.list_services_response.service] == SERVICES
    assert described.file_descriptor_response.file_descriptor_proto
