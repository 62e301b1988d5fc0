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

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        if self.max_request_bytes < self.max_note_bytes + _NOTE_FRAMING:
            larger, smaller = variable("max_request_bytes"), variable("max_note_bytes")
            yield (
                f"{larger} must exceed {smaller} by at least {_NOTE_FRAMING},"
                f" or the longest permitted note would never arrive"
            )
