"""A client that speaks HTTP/2 as badly as a test wants it to: what no gRPC library would send."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes

from tests.support.wire import DEADLINE

Headers = list[tuple[str, str]]

HEADERS: Headers = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


def framed(message: bytes, *, compressed: int = 0, length: int | None = None) -> bytes:
    """`message` behind gRPC's prefix, which may lie about it."""
    return bytes([compressed]) + (len(message) if length is None else length).to_bytes(4, "big") + message


@dataclass
class Response:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    reset: int | None = None

    @property
    def status(self) -> int | None:
        """The grpc-status; None where the stream ended without one."""
        value = self.headers.get("grpc-status")
        return None if value is None else int(value)


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self.pings_answered = 0

    async def call(
        self, path: str, data: Iterable[bytes] = (), *, end: bool = True, headers: Headers = HEADERS
    ) -> Response:
        """Sends `data` on a new stream and returns how the stream ends."""
        async with asyncio.timeout(DEADLINE):
            return await self.ended(self.begin(path, data, end=end, headers=headers))

    def begin(
        self, path: str, data: Iterable[bytes] = (), *, end: bool = True, headers: Headers = HEADERS
    ) -> int:
        """Sends `data` on a new stream and does not wait for anything; the stream's number."""
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, [(":path", path), *headers])
        for chunk in data:
            self._h2.send_data(stream, chunk)
        if end:
            self._h2.end_stream(stream)
        self._flush()
        return stream

    @property
    def streams_allowed(self) -> int | None:
        """How many calls at the same time the server has said that it takes, once it has said anything."""
        return self._h2.remote_settings.max_concurrent_streams

    def accept_nothing(self) -> None:
        """Gives the responses of later calls a window of zero."""
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self._flush()

    def accept(self, stream: int, size: int) -> None:
        """Lets the server send so many bytes more on `stream`."""
        self._h2.increment_flow_control_window(size, stream)
        self._flush()

    def send_on(self, stream: int, data: bytes) -> None:
        self._h2.send_data(stream, data)
        self._flush()

    def ping(self) -> None:
        """Its answer is seen by `ended`."""
        self._h2.ping(bytes(8))
        self._flush()

    def reset(self, stream: int) -> None:
        self._h2.reset_stream(stream)
        self._flush()

    def send_raw(self, data: bytes) -> None:
        """Sends what need not be HTTP/2."""
        self._flush()
        self._writer.write(data)

    async def sent(self) -> None:
        """Returns when most of what was sent is under way, and others have had their turn.

        Raises ConnectionError: the server hung up.
        """
        await self._writer.drain()
        await asyncio.sleep(0)

    async def hung_up_on(self) -> None:
        """Returns when the server has closed the connection, whatever it sends until then."""
        async with asyncio.timeout(DEADLINE):
            with suppress(ConnectionError):
                while await self._reader.read(65536):
                    continue

    async def ended(self, stream: int) -> Response:
        response = Response()
        while received := await self._reader.read(65536):
            for event in self._h2.receive_data(received):
                self.pings_answered += isinstance(event, PingAckReceived)
                if getattr(event, "stream_id", None) == stream and self._note(event, response):
                    return response
            self._flush()
        raise AssertionError("the server closed the connection")

    def _note(self, event: Event, response: Response) -> bool:
        """Adds `event` to `response`; whether it ends the stream."""
        if isinstance(event, ResponseReceived | TrailersReceived):
            response.headers.update((str(name), str(value)) for name, value in event.headers or ())
        elif isinstance(event, DataReceived):
            response.data += event.data or b""
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamReset):
            response.reset = event.error_code
        return isinstance(event, StreamEnded | StreamReset)

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())


@asynccontextmanager
async def raw_client(port: int, tls: ssl.SSLContext | None = None) -> AsyncGenerator[RawClient, None]:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=tls)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()  # closing would wait for a server that does not read
        with suppress(ConnectionError):  # the server was the first to hang up
            await writer.wait_closed()
