"""Server reflection, v1 and v1alpha: how grpcurl and others learn the schema.

grpcio-reflection speaks v1alpha alone (grpc/grpc#38576). The messages of v1 are the same on the wire under
another package name, so its servicer serves both; only the descriptor of v1 has to be made, so that the
service can describe itself.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import aio as stock

from routeguide.conversion import encode, parse
from routeguide.server.call import Call, Method, Shape

V1ALPHA = "grpc.reflection.v1alpha"
V1 = "grpc.reflection.v1"
_V1_FILE = "grpc/reflection/v1/reflection.proto"
SERVICES = tuple(f"{package}.ServerReflection" for package in (V1ALPHA, V1))


class ReflectionServicer:
    """Describes `services`, and itself."""

    def __init__(self, services: Iterable[str]) -> None:
        self._stock = stock.ReflectionServicer([*services, *SERVICES], pool=_Pool())

    def methods(self) -> list[Method]:
        return [
            Method(
                service,
                "ServerReflectionInfo",
                self.server_reflection_info,
                Shape.STREAM,
                streams_responses=True,
            )
            for service in SERVICES
        ]

    async def server_reflection_info(self, call: Call) -> None:
        async with (
            aclosing(_decoded(call)) as questions,
            aclosing(self._stock.ServerReflectionInfo(questions, call.context)) as answers,
        ):
            async for answer in answers:
                await call.write(encode(answer))


async def _decoded(
    call: Call,
) -> AsyncGenerator[reflection_pb2.ServerReflectionRequest, None]:
    async for request in call:
        yield parse(reflection_pb2.ServerReflectionRequest, request)


class _Pool:
    """The default pool, with v1 beside v1alpha, that finds methods too: clients may ask for those by name."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()
        try:
            self._pool.FindFileByName(_V1_FILE)
        except KeyError:
            self._pool.AddSerializedFile(encode(_v1_descriptor()))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802  # protobuf's name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def _v1_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of v1alpha under the name of v1."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = _V1_FILE
    file.ClearField("options")  # v1alpha's say that it is deprecated
    file.package = V1
    for message in file.message_type:
        for field in message.field:
            if field.type_name:  # setting it on a scalar, even to nothing, makes the descriptor invalid
                field.type_name = _renamed(field.type_name)
    for service in file.service:
        for method in service.method:
            method.input_type = _renamed(method.input_type)
            method.output_type = _renamed(method.output_type)
    return file


def _renamed(type_name: str) -> str:
    return type_name.replace(f".{V1ALPHA}.", f".{V1}.")
