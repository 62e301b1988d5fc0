"""Standard output that ends neither on a full disk nor in a narrow locale with a traceback."""

import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO

import click

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def prepare_output() -> None:
    """Puts a stream in place of `sys.stdout` that raises click's exceptions where it cannot be written.

    What its encoding does not have is written as an escape. A stream that a caller has put there stays.
    """
    plain = sys.stdout
    if plain is not sys.__stdout__ or not isinstance(plain, TextIOWrapper):
        return
    sys.stdout = TextIOWrapper(
        BufferedWriter(_StandardOutput(plain.fileno(), "wb", closefd=False)),
        encoding=plain.encoding,
        errors="backslashreplace",
        line_buffering=plain.line_buffering,
    )


def binary_output() -> BinaryIO:
    """Standard output, for what is no text of ours.

    Raises ClickException: the command was started without one.
    """
    if sys.stdout is None:
        raise click.ClickException("standard output: there is none; it was closed")
    return sys.stdout.buffer


def finish_output() -> None:
    """Writes what is left, so that it fails while a failure can still be told. Python's end is too late."""
    if sys.stdout is not None:  # it is where the command was started without one
        sys.stdout.flush()


def encode_as_utf8() -> None:
    """JSON is UTF-8 (RFC 8259), whatever the locale."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


class _StandardOutput(FileIO):
    """Fails once; what is still in the buffers above is then dropped, and not tried again at the end."""

    _failed = False

    def write(self, data: "ReadableBuffer", /) -> int:
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            if isinstance(error, BrokenPipeError):
                raise  # whoever read has seen enough, and click ends without a word
            raise click.ClickException(f"standard output: cannot be written: {error.strerror}") from error
