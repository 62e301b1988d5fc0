"""What a client may ask for."""

from typing import Self

from pydantic import BaseModel, Field, model_validator

from routeguide.settings.names import variable

_NOTE_FRAMING = 64
"""Bytes of a note's message on the wire beyond its text: location, tags and lengths."""


class LimitSettings(BaseModel):
    """Times are in seconds, sizes in bytes."""

    max_note_bytes: int = Field(4096, ge=1, description="Bytes of UTF-8 that a note's message may have.")
    max_stream_messages: int = Field(
        100_000, ge=1, le=2**31 - 1, description="Points or notes that a client may send in one stream."
    )
    max_request_bytes: int = Field(
        65_536, ge=1024, le=2**31 - 1, description="Bytes that one request message may have on the wire."
    )

    @model_validator(mode="after")
    def _a_note_fits_a_request(self) -> Self:
        if self.max_request_bytes < self.max_note_bytes + _NOTE_FRAMING:
            larger, smaller = variable("max_request_bytes"), variable("max_note_bytes")
            raise ValueError(
                f"{larger} must exceed {smaller} by at least {_NOTE_FRAMING},"
                f" or the longest permitted note would never arrive"
            )
        return self
