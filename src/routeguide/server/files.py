"""Files that settings name: what they hold, or why that cannot be had."""

import dataclasses
import os
import stat

from routeguide.settings import variable

_LARGEST = 1024 * 1024
"""Bytes; the roots of all public authorities together are a quarter of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class NamedFile:
    """What a file held when it was read, or why it could not be read."""

    field: str
    path: str
    content: bytes = dataclasses.field(default=b"", repr=False)  # it may be a key
    obstacle: str | None = None

    def problem(self, what: str) -> str:
        """A line that begins with the variable that names the file."""
        return f"{variable(self.field)}: {self.path}: {what}"


def read_file(field: str, path: str) -> NamedFile:
    """The file at `path`, which the setting `field` names. It blocks; files of the same content are equal."""
    try:
        content = _content(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return NamedFile(field, path, obstacle=f"it cannot be read ({reason})")
    if len(content) > _LARGEST:
        return NamedFile(field, path, obstacle=f"it is larger than {_LARGEST} bytes")
    return NamedFile(field, path, content)


def _content(path: str) -> bytes:
    """A byte more than `_LARGEST` at the most. A pipe, which could be waited for without end, is refused.

    Raises:
        OSError: it cannot be opened or read.
        ValueError: it is no file that holds anything by itself, or no path.
    """
    with open(path, "rb", opener=_opened_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        return file.read(_LARGEST + 1)


def _opened_at_once(path: str, flags: int) -> int:
    """A pipe is opened without waiting for somebody to write to it."""
    return os.open(path, flags | os.O_NONBLOCK)
