"""channelz, for those who turn it on."""

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz_pb2_grpc import ChannelzStub

from tests.conftest import OpenChannel, StartServer
from tests.support.scrape import scrape, value
from tests.support.wire import DEADLINE, failure


@pytest.fixture
async def stub(start_server: StartServer, open_channel: OpenChannel) -> ChannelzStub:
    return ChannelzStub(open_channel(await start_server(channelz=True)))


async def test_servers_and_their_connections(stub: ChannelzStub) -> None:
    servers = await stub.GetServers(channelz_pb2.GetServersRequest(), timeout=DEADLINE)
    sockets = [
        socket
        for server in servers.server
        for socket in (
            await stub.GetServerSockets(
                channelz_pb2.GetServerSocketsRequest(server_id=server.ref.server_id, max_results=10**6),
                timeout=DEADLINE,
            )
        ).socket_ref
    ]
    assert sockets
    wanted = channelz_pb2.GetSocketRequest(socket_id=sockets[0].socket_id)
    answer = await stub.GetSocket(wanted, timeout=DEADLINE)
    assert answer.socket.data.streams_started >= 1


async def test_what_is_not_there(start_server: StartServer, open_channel: OpenChannel) -> None:
    server = await start_server(channelz=True, metrics_listen="127.0.0.1:0")
    stub = ChannelzStub(open_channel(server))
    error = await failure(stub.GetSocket(channelz_pb2.GetSocketRequest(socket_id=2**40), timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details() == "there is no such channelz entity"
    calls = (await scrape(server))["rpc_server_call_duration_seconds_count"]
    assert value(calls, rpc_response_status_code="NOT_FOUND") == 1


async def test_it_is_off_by_default(start_server: StartServer, open_channel: OpenChannel) -> None:
    stub = ChannelzStub(open_channel(await start_server()))

    error = await failure(stub.GetServers(channelz_pb2.GetServersRequest(), timeout=DEADLINE))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
