"""Server reflection over the wire: both versions, and describing themselves."""

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2 as reflection

from routeguide.server.reflection import SERVICES
from tests.conftest import OpenChannel, StartServer
from tests.support.wire import DEADLINE, failure


async def ask(
    channel: grpc.aio.Channel, service: str, question: reflection.ServerReflectionRequest
) -> reflection.ServerReflectionResponse:
    rpc = channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )
    async for answer in rpc(iter([question]), timeout=DEADLINE):
        return answer
    raise AssertionError("no answer")


@pytest.mark.parametrize("service", SERVICES)
async def test_lists_every_service(
    start_server: StartServer, open_channel: OpenChannel, service: str
) -> None:
    channel = open_channel(await start_server())

    answer = await ask(channel, service, reflection.ServerReflectionRequest(list_services=""))

    assert [each.name for each in answer.list_services_response.service] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "routeguide.RouteGuide",
    ]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("symbol", ["routeguide.RouteGuide", "routeguide.Point", *SERVICES])
async def test_describes_symbols(
    start_server: StartServer, open_channel: OpenChannel, service: str, symbol: str
) -> None:
    channel = open_channel(await start_server())

    answer = await ask(channel, service, reflection.ServerReflectionRequest(file_containing_symbol=symbol))

    file = descriptor_pb2.FileDescriptorProto()
    file.ParseFromString(answer.file_descriptor_response.file_descriptor_proto[0])
    assert file.package == symbol.rpartition(".")[0]
    names = {each.name for each in file.service} | {each.name for each in file.message_type}
    assert symbol.rpartition(".")[2] in names


async def test_describes_methods(start_server: StartServer, open_channel: OpenChannel) -> None:
    channel = open_channel(await start_server())
    question = reflection.ServerReflectionRequest(file_containing_symbol="routeguide.RouteGuide.GetFeature")

    answer = await ask(channel, SERVICES[0], question)

    assert b"routeguide" in answer.file_descriptor_response.file_descriptor_proto[0]


@pytest.mark.parametrize("symbol", ["routeguide.Nothing", "routeguide.RouteGuide.Fly", "", "."])
async def test_unknown_symbol(start_server: StartServer, open_channel: OpenChannel, symbol: str) -> None:
    channel = open_channel(await start_server())
    question = reflection.ServerReflectionRequest(file_containing_symbol=symbol)

    answer = await ask(channel, SERVICES[0], question)

    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_can_be_turned_off(start_server: StartServer, open_channel: OpenChannel) -> None:
    channel = open_channel(await start_server(reflection=False))

    for service in SERVICES:
        error = await failure(ask(channel, service, reflection.ServerReflectionRequest(list_services="")))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
