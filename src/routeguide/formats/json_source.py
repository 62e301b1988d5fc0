"""A JSON file, handed to its parser in chunks: bounded memory, and where in it the JSON breaks off.

Three traits of ijson decide how it is used (docs/adr/0005-ijson.md):

- its `basic_parse` gives bare events; `items`, which would build the values, keeps the path to every level
  that is open, so that 20 000 brackets, 20 kB, cost it a gigabyte;
- without `use_float`, a number of 5000 digits leaves a broken event in the queue of its C code;
- it does not tell where an error is, so that is found out here.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import ijson

from routeguide.formats.problems import Malformed

Event = tuple[str, Any]
"""What begins, ends or stands there, by ijson's names, and its value."""

BROKEN = (ijson.JSONError, UnicodeDecodeError)
"""What the parser raises where the file is no JSON."""

_CHUNK = 65_536
_MOST_CHUNKS = 16
"""1 MiB, which is the most that one value may take up of the file."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonSource:
    """What the parser reads from: a seekable file, watched for values that would fill the memory."""

    def __init__(self, file: BinaryIO) -> None:
        self.overdue = False
        """Whether the value has taken up more than it may; whoever builds it has to stop."""
        self._file = file
        marked = file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK
        self._start = len(_BYTE_ORDER_MARK) if marked else 0
        file.seek(self._start)
        self._value_chunks = 0
        self._chunk = b""
        # Where the chunk begins that is being parsed:
        self._offset = self._line_offset = self._start
        self._line = 1

    def events(self) -> Iterator[Event]:
        """What the file holds. Raises Malformed, and those of `BROKEN`, which `locate` puts into words."""
        return ijson.basic_parse(self, buf_size=_CHUNK, use_float=True)  # type: ignore[no-any-return]

    def begin_value(self) -> None:
        """A value begins, or goes on without being kept."""
        self.overdue = False
        self._value_chunks = 0

    def read(self, size: int) -> bytes:
        """The parser calls this once all of its events have been taken."""
        self._pass(self._chunk)
        self._chunk = self._file.read(size)
        self._value_chunks += bool(size)  # at first ijson reads nothing, to see whether it gets bytes
        if self.overdue and self._value_chunks > _MOST_CHUNKS + 2:
            raise Malformed(f"line {self._line}: a single text of more than {_MOST_CHUNKS * _CHUNK} bytes")
        self.overdue = self._value_chunks > _MOST_CHUNKS
        return self._chunk

    def locate(self) -> str:
        """Where the JSON breaks, in words, once the parser has said that it does.

        Columns count bytes, from 1.
        """
        parser = self._parser_before_this_chunk()
        line, line_offset = self._line, self._line_offset
        for offset, byte in enumerate(self._chunk, start=self._offset):
            try:
                parser.send(bytes([byte]))
            except BROKEN:
                column = offset - line_offset + 1
                return f"line {line}, column {column}: not valid JSON in UTF-8, or a number too large"
            if byte == ord("\n"):
                line, line_offset = line + 1, offset + 1
        return f"line {line}: the file ends before its JSON does"

    def _pass(self, chunk: bytes) -> None:
        if lines := chunk.count(b"\n"):
            self._line += lines
            self._line_offset = self._offset + chunk.rindex(b"\n") + 1
        self._offset += len(chunk)

    def _parser_before_this_chunk(self) -> Any:
        """A parser cannot be copied, so another one reads all of the file up to there."""
        events: list[Event] = ijson.sendable_list()
        parser = ijson.basic_parse_coro(events, use_float=True)
        self._file.seek(self._start)
        while chunk := self._file.read(min(_CHUNK, self._offset - self._file.tell())):
            parser.send(chunk)
            events.clear()
        return parser
