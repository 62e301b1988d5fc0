"""What a client may ask for."""

from collections.abc import Iterator

from pydantic import Field

from routeguide.settings.concern import Concern
from routeguide.settings.names import variable

_NOTE_FRAMING = 64
"""Bytes of a note's message on the wire beyond its text: location, tags and lengths."""


class LimitSettings(Concern):
    """Times are in seconds, sizes in bytes."""

    max_note_bytes: int = Field(4096, ge=1, description="Bytes of UTF-8 that a note's message may have.")
    max_stream_messages: int = Field(
        100_000, ge=1, le=2**31 - 1, description="Points or notes that a client may send in one stream."
    )
    max_request_bytes: int = Field(
        65_536, ge=1024, le=2**31 - 1, description="Bytes that one request message may have on the wire."
    )

    max_metadata_bytes: int = Field(
        8192,
        ge=1024,
        le=2**20,
        description="Bytes of headers that a call may have; twice as many are cut off.",
    )
    max_concurrent_calls: int = Field(
        1000, ge=0, description="Calls at the same time, health checks apart; 0 is any number."
    )
    max_streams_per_connection: int = Field(
        256, ge=0, le=2**31 - 1, description="Calls at the same time on one connection; 0 is any number."
    )
    max_pending_calls: int = Field(
        10_000,
        ge=1,
        le=2**29,
        description="Calls that may wait to be accepted while the server is busy; grpc cancels the others.",
    )
    unary_timeout: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="Seconds that a unary call may take, whatever its client allows; 0 is any.",
    )
    stream_idle_timeout: float = Field(
        120.0,
        ge=0,
        le=86_400,
        description="Seconds without a message after which a stream is ended; 0 is never.",
    )
    stream_max_age: float = Field(
        240.0,
        ge=0,
        le=86_400,
        description="Seconds after which a stream ends, below a balancer's deregistration delay; 0 is never.",
    )
    min_ping_interval: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="Seconds between a client's pings; more frequent ones end its connection.",
    )
    keepalive_interval: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="Seconds after which the server pings a silent connection; 0 is never.",
    )
    keepalive_timeout: float = Field(
        20.0,
        gt=0,
        le=86_400,
        description="Seconds that a ping may stay unanswered before the connection is given up.",
    )
    connection_max_age: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="Seconds after which a connection is ended, its calls first finishing; 0 is never.",
    )
    connection_max_age_grace: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="Seconds that the calls of such a connection may take to finish.",
    )

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if self.max_request_bytes < self.max_note_bytes + _NOTE_FRAMING:
            larger, smaller = variable("max_request_bytes"), variable("max_note_bytes")
            yield (
                f"{larger} must exceed {smaller} by at least {_NOTE_FRAMING},"
                f" or the longest permitted note would never arrive"
            )
