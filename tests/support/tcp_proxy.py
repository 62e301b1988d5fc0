"""Something between a client and a server that can cut or silence their connections, and lead elsewhere."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

_CHUNK = 2**16


class TcpProxy:
    """Passes bytes on in both directions. Open one with `tcp_proxy`."""

    def __init__(self, target: int | None) -> None:
        self.target = target
        """The port on loopback that new connections lead to; None hangs up on them."""
        self.port = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._silenced = asyncio.Event()
        """Is set when the connections made so far are to carry nothing any more."""

    def silence(self) -> None:
        """Keeps every connection that there is open, and passes nothing on; new ones are not concerned."""
        self._silenced.set()
        self._silenced = asyncio.Event()

    async def cut(self) -> None:
        """Ends every connection that there is."""
        await asyncio.sleep(0)  # one that was accepted just now has its turn to be known
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            with suppress(OSError, asyncio.CancelledError):  # this is how connections end here
                await self._pass_on(reader, writer)
        finally:
            self._connections.discard(connection)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.target is None:
            return
        silenced = self._silenced
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_copy(reader, to_server, silenced))
                directions.create_task(_copy(from_server, writer, silenced))
        except* OSError:
            pass
        finally:
            to_server.transport.abort()


@asynccontextmanager
async def tcp_proxy(target: int | None) -> AsyncGenerator[TcpProxy, None]:
    """A proxy on a free port of loopback in front of the port `target` there."""
    proxy = TcpProxy(target)
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        stack.push_async_callback(server.wait_closed)
        stack.push_async_callback(proxy.cut)
        stack.callback(server.close)
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, silenced: asyncio.Event) -> None:
    """Until either side hangs up, which ends the other direction too."""
    while True:
        data = await source.read(_CHUNK)
        if silenced.is_set():
            await asyncio.Event().wait()  # until it is cut
        if not data:
            raise ConnectionResetError
        target.write(data)
        await target.drain()
