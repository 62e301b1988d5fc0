"""The HTTP endpoint that Prometheus scrapes: GET /metrics, on a port of its own, in the server's event loop.

In the loop because there the values need no locks, and because what clients may cost is bounded there: one
request a connection, five seconds until its answer has left (then the connection is cut), sixteen
connections (beyond them the one that has kept its request to itself for longest is cut), five pages a second
for all of them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import h11
import structlog

Render = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Given an Accept header, a body and its media type."""

_DEADLINE = 5.0
_MOST_CONNECTIONS = 16
_MOST_HEADER_BYTES = 16_384
_BETWEEN_PAGES = 0.2
"""Seconds between two pages: whoever asks sooner waits in turn. Sixteen are through before they are cut."""

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def metrics_endpoint(host: str, port: int, render: Render) -> AsyncGenerator[int, None]:
    """Serves inside the block; gives the port, which matters where `port` is 0.

    Raises:
        OSError: nobody can listen there.
    """
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
    silent: dict[asyncio.Task[None], asyncio.StreamWriter] = {}  # those without a request yet, oldest first
    paced = _paced(render)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task; tells mypy so
        connections[task] = silent[task] = writer
        if len(connections) > _MOST_CONNECTIONS:
            silent.pop(next(iter(silent))).transport.abort()  # this very one, where all others have asked
        try:
            await _converse(reader, writer, paced, lambda: silent.pop(task, None))
        finally:
            del connections[task]
            silent.pop(task, None)
            writer.transport.abort()  # closing would wait for a client that does not read

    server = await asyncio.start_server(accept, host, port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in connections.values():
            writer.transport.abort()  # cancelling the task would have asyncio log it as an error
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, render: Render, asked: Callable[[], object]
) -> None:
    """One request, which is told by `asked`, and its answer. What is no HTTP, or slow, is cut off."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEADER_BYTES)
    try:
        async with asyncio.timeout(_DEADLINE):
            request = await _request(reader, connection)
            if request is not None and not writer.is_closing():
                asked()
                for part in await _answer(request, render):
                    writer.write(connection.send(part) or b"")
                writer.close()
                await writer.wait_closed()  # which it is when the answer has left
    except (TimeoutError, OSError, h11.RemoteProtocolError):
        return
    except Exception as error:  # noqa: BLE001  # asyncio would log a traceback for each such request
        _log.warning("metrics not served", error=repr(error))


def _paced(render: Render) -> Render:
    """`render`, one page after the other, and some time between them."""
    turn = asyncio.Lock()
    loop = asyncio.get_running_loop()
    earliest = 0.0

    async def render_in_turn(accept: str) -> tuple[bytes, str]:
        nonlocal earliest
        async with turn:
            await asyncio.sleep(earliest - loop.time())
            earliest = loop.time() + _BETWEEN_PAGES
            return await render(accept)

    return render_in_turn


async def _request(reader: asyncio.StreamReader, connection: h11.Connection) -> h11.Request | None:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(await reader.read(65_536))


async def _answer(request: h11.Request, render: Render) -> tuple[h11.Event, ...]:
    headers = dict(request.headers)
    status, body, media_type = 200, b"", "text/plain; charset=utf-8"
    if request.target.split(b"?")[0] != b"/metrics":
        status, body = 404, b"metrics are at /metrics\n"
    elif request.method not in {b"GET", b"HEAD"}:
        status, body = 405, b"only GET and HEAD are answered\n"
    else:
        body, media_type = await render(headers.get(b"accept", b"").decode("latin-1"))
    response_headers = [
        ("content-type", media_type),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    if status == 405:
        response_headers.append(("allow", "GET, HEAD"))
    response = h11.Response(status_code=status, headers=response_headers)
    if request.method == b"HEAD":
        return response, h11.EndOfMessage()
    return response, h11.Data(data=body), h11.EndOfMessage()
