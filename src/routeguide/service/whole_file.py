"""Files that are there as a whole or not at all."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from routeguide.errors import FeatureFileError


class FileExists(FeatureFileError):
    """There is a file of that name, and it is not to be overwritten."""


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Generator[TextIO, None, None]:
    """A text file, UTF-8, that takes its place at `path` when the context is left without an exception.

    Until then it is a hidden file beside it, and what was at `path` stays as it was. It is on the disk
    before it is renamed, so that not even a power cut leaves half of it.

    Raises:
        FileExists: there is one, and `overwrite` is not set.
        FeatureFileError: `path` is no regular file, or cannot be written.
    """
    path = Path(os.path.realpath(path))  # a symbolic link stays one
    if path.exists():
        _check_replaceable(path, overwrite)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise FeatureFileError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it has been renamed, or could not even be made
            draft.unlink()


def _check_replaceable(path: Path, overwrite: bool) -> None:
    if not path.is_file():
        raise FeatureFileError(f"{path}: is no regular file")
    if not overwrite:
        raise FileExists(f"{path}: exists already")


def _sync_folder(folder: Path) -> None:
    """Makes the new name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
