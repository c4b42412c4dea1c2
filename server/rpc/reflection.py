"""Server reflection, v1 and v1alpha, so that ``grpcurl -plaintext localhost:50051 list`` works.

A reflection stream holds a thread for as long as its caller likes, so these are few and not RPC threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as V1ALPHA
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from server.rpc.threads import OnThreads

V1: Final = "grpc.reflection.v1.ServerReflection"
STREAMS_MAX: Final = 4


def add_reflection(server: grpc.Server, services: tuple[str, ...]) -> ThreadPoolExecutor:
    """Serves reflection over ``services``, health and itself. Returns its threads."""
    _describe_v1(descriptor_pool.Default())
    threads = ThreadPoolExecutor(STREAMS_MAX, thread_name_prefix="rpc-reflection")
    servicer = ReflectionServicer((*services, HEALTH, V1, V1ALPHA))
    # The messages of the two versions are the same on the wire.
    handler = grpc.stream_stream_rpc_method_handler(
        OnThreads(servicer.ServerReflectionInfo, threads),
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for version in (V1, V1ALPHA):
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(version, {"ServerReflectionInfo": handler}),)
        )
    return threads


def _describe_v1(pool: descriptor_pool.DescriptorPool) -> None:
    """Makes v1, which grpcio-reflection has no file for, from its v1alpha, so that it can be described."""
    try:
        pool.FindFileContainingSymbol(V1)
        return
    except KeyError:
        pass
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = "grpc/reflection/v1/reflection.proto"
    file.package = "grpc.reflection.v1"
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _in_v1(field.type_name)
    for method in file.service[0].method:
        method.input_type = _in_v1(method.input_type)
        method.output_type = _in_v1(method.output_type)
    pool.AddSerializedFile(file.SerializeToString())


def _in_v1(type_name: str) -> str:
    return type_name.replace("grpc.reflection.v1alpha.", "grpc.reflection.v1.")
