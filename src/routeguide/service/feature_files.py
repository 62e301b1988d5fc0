"""Features from files into a store, and from a store into files."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from io import FileIO
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, TextIO, TypeVar

from routeguide.domain.models import Feature, Rectangle
from routeguide.errors import FeatureFileError
from routeguide.formats.problems import FirstProblem
from routeguide.formats.reading import Format, format_of, read_features
from routeguide.formats.writing import feature_writer
from routeguide.service.whole_file import whole_file
from routeguide.storage.base import ImportResult, Storage

Progress = Callable[[int, int], None]
"""Is told how many bytes have been read, and of how many."""

_ImportAll = Callable[[Iterable[Feature]], Awaitable[ImportResult]]

_STRETCH = 1000
"""Rows between two calls of Progress, and, where nothing is stored, before others get their turn."""

_T = TypeVar("_T")


def _unheard(done: int, total: int) -> None:
    """The progress of an import that nobody watches."""


async def import_file(
    storage: Storage,
    path: Path,
    kind: Format | None = None,
    *,
    into_empty: bool = False,
    progress: Progress = _unheard,
) -> ImportResult:
    """Imports every feature of the file at `path`, or none. Without `kind` the extension tells the format.

    `into_empty` is that of `FeatureRepository.import_all`.

    Raises:
        FeatureFileError: the file cannot be read or is at fault.
        StorageError: the store cannot take the features.
    """
    kind = kind or format_of(path)
    import_all = partial(storage.features.import_all, into_empty=into_empty)
    with opened(path) as file:
        return await _import_through(import_all, file, kind, str(path), progress)


async def import_stream(
    storage: Storage, file: BinaryIO, kind: Format, *, name: str, progress: Progress = _unheard
) -> ImportResult:
    """Like `import_file`, from an open file that can seek and that messages call `name`."""
    return await _import_through(storage.features.import_all, file, kind, name, progress)


async def _import_through(
    import_all: _ImportAll, file: BinaryIO, kind: Format, name: str, progress: Progress
) -> ImportResult:
    size = _size(file)
    reader = read_features(file, kind, name=name)
    watch = partial(_watched, name=name, report=lambda: progress(file.tell(), size))
    try:
        result = await import_all(watch(reader.features()))
    except FirstProblem:
        # The store has undone the import and is free for others while the rest is looked through.
        await _exhaust(watch(reader.rest()))
        raise reader.refusal() from None
    progress(size, size)
    return result


async def export_file(storage: Storage, path: Path, kind: Format, *, overwrite: bool = False) -> int:
    """Writes every feature to `path`, in the order of their import; the file appears when it is complete.

    Returns:
        How many features were written.

    Raises:
        FileExists: the file is there already and not to be overwritten.
        FeatureFileError: it cannot be written.
    """
    with whole_file(path, overwrite=overwrite) as file:
        return await export_stream(storage, file, kind)


async def export_stream(storage: Storage, out: TextIO, kind: Format) -> int:
    """Like `export_file`, to an open text file that encodes as UTF-8 and does not translate line ends."""
    count = 0
    with feature_writer(out, kind) as write:
        async with aclosing(storage.features.within(Rectangle.GLOBE)) as pages:
            async for page in pages:
                write(page)
                count += len(page)
    return count


@contextmanager
def opened(path: Path) -> Generator[BinaryIO, None, None]:
    """The file at `path`, for `import_stream`.

    Raises:
        FeatureFileError: it cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise FeatureFileError(f"{path}: cannot be opened: {error.strerror}") from error
    with file, seekable(file, str(path)) as source:
        yield source


@contextmanager
def seekable(file: BinaryIO, name: str) -> Generator[BinaryIO, None, None]:
    """`file`, or a copy of it on disk where it is a pipe. It blocks until the pipe ends.

    Raises:
        FeatureFileError: the copy failed; `name` is what the message calls the file.
    """
    if file.seekable():
        yield file
        return
    # Unbuffered: a buffered read makes several of the system's, and overlooks a Ctrl-C between them.
    with FileIO(file.fileno(), closefd=False) as pipe, tempfile.TemporaryFile() as copy:
        try:
            shutil.copyfileobj(pipe, copy)
            copy.seek(0)
        except OSError as error:
            raise FeatureFileError(f"{name}: cannot be copied to disk: {error.strerror}") from error
        yield copy


def _size(file: BinaryIO) -> int:
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return size


def _watched(steps: Iterator[_T], name: str, report: Callable[[], None]) -> Iterator[_T]:
    """The same steps, which read the file called `name`.

    Raises:
        FeatureFileError: it cannot be read.
    """
    try:
        for number, step in enumerate(steps):
            if not number % _STRETCH:
                report()
            yield step
    except OSError as error:
        raise FeatureFileError(f"{name}: cannot be read: {error.strerror}") from error


async def _exhaust(steps: Iterator[None]) -> None:
    """Takes every step, and gives others their turn in between."""
    for number, _ in enumerate(steps):
        if not number % _STRETCH:
            await asyncio.sleep(0)
