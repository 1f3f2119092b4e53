"""Server reflection in both versions of its protocol, `grpc.reflection.v1` and `v1alpha`.

The package `grpcio-reflection` serves v1alpha only. The messages of both versions are the same on the wire, so the same
servicer answers v1 under its own name, and the description of v1 is that of v1alpha under the other name.
"""

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.json_format import MessageToJson, Parse
from grpc_reflection.v1alpha import reflection, reflection_pb2

SERVICE_V1 = "grpc.reflection.v1.ServerReflection"


def serve_reflection(names: Sequence[str], server: grpc.aio.Server) -> None:
    """Describe the services of these full names, and reflection itself, to whoever asks `server`."""
    _describe_v1()
    servicer = reflection.aio.ReflectionServicer((*names, reflection.SERVICE_NAME, SERVICE_V1))
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in (reflection.SERVICE_NAME, SERVICE_V1):
        handler = grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
        server.add_generic_rpc_handlers((handler,))


def _describe_v1() -> None:
    """Add the description of v1 to the pool that reflection answers from. Safe to repeat."""
    described = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(described)
    renamed = MessageToJson(described).replace("v1alpha", "v1")
    descriptor_pool.Default().AddSerializedFile(Parse(renamed, FileDescriptorProto()).SerializeToString())
