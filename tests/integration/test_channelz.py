"""channelz, for those who turn it on."""

from contextlib import suppress

import grpc
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz_pb2_grpc import ChannelzStub

from tests.conftest import OpenChannel, StartServer
from tests.support.scrape import scrape, value
from tests.support.wire import DEADLINE, failure


async def socket_ids(stub: ChannelzStub) -> list[int]:
    """The connections of all servers in this process, those of other tests among them."""
    servers = await stub.GetServers(channelz_pb2.GetServersRequest(), timeout=DEADLINE)
    requests = [
        channelz_pb2.GetServerSocketsRequest(server_id=server.ref.server_id, max_results=10**6)
        for server in servers.server
    ]
    answers = [await stub.GetServerSockets(request, timeout=DEADLINE) for request in requests]
    return [socket.socket_id for answer in answers for socket in answer.socket_ref]


async def test_servers_and_their_connections(start_server: StartServer, open_channel: OpenChannel) -> None:
    server = await start_server(channelz=True)
    stub = ChannelzStub(open_channel(server))
    streams = []
    for socket_id in await socket_ids(stub):
        with suppress(grpc.aio.AioRpcError):  # that of another test may have gone
            answer = await stub.GetSocket(
                channelz_pb2.GetSocketRequest(socket_id=socket_id), timeout=DEADLINE
            )
            if answer.socket.local.tcpip_address.port == server.port:
                streams.append(answer.socket.data.streams_started)

    assert max(streams, default=0) >= 2


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
