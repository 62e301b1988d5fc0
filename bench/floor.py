"""`python -m bench.floor`: an empty grpc.aio server with all defaults, the measure of the others.

It answers from bytes that it has ready, so that it neither parses nor looks anything up.
"""

import asyncio
import json
from typing import Any

import click
import grpc

from bench.calls import FEATURES, SERVICE
from routeguide.pb import route_guide_pb2 as pb

_FEATURE = pb.Feature(name="Nowhere, NJ, USA", location=pb.Point(latitude=1, longitude=2)).SerializeToString()
_SUMMARY = pb.RouteSummary(point_count=100, distance=1000).SerializeToString()


async def get_feature(request: bytes, context: Any) -> bytes:
    return _FEATURE


async def list_features(request: bytes, context: Any) -> None:
    for _ in range(FEATURES):
        await context.write(_FEATURE)


async def record_route(request: object, context: Any) -> bytes:
    while await context.read() is not grpc.aio.EOF:
        pass
    return _SUMMARY


async def route_chat(request: object, context: Any) -> None:
    while (note := await context.read()) is not grpc.aio.EOF:
        await context.write(note)


_HANDLERS: dict[str, Any] = {
    "GetFeature": grpc.unary_unary_rpc_method_handler(get_feature),
    "ListFeatures": grpc.unary_stream_rpc_method_handler(list_features),
    "RecordRoute": grpc.stream_unary_rpc_method_handler(record_route),
    "RouteChat": grpc.stream_stream_rpc_method_handler(route_chat),
}


async def main() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, _HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    click.echo(json.dumps({"event": "serving", "address": f"127.0.0.1:{port}"}), err=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
