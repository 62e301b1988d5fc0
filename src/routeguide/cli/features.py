"""`routeguide features import` and `routeguide features export`"""

import asyncio
import sys
from collections.abc import Generator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from routeguide.cli.settings_options import Function, load_settings, settings_options
from routeguide.cli.streams import binary_output
from routeguide.errors import FeatureFileError, StorageUnusable
from routeguide.formats.reading import Format, format_of
from routeguide.server.storage_options import postgres_file_problems, postgres_options
from routeguide.service import feature_files
from routeguide.service.whole_file import FileExists
from routeguide.settings import Settings
from routeguide.storage import open_storage, second_writer_caution, store_exists
from routeguide.storage.base import ImportResult, Storage

_STANDARD_STREAM = Path("-")


def _options(function: Function) -> Function:
    """What both commands take."""
    function = settings_options("storage_url", "storage_timeout", "auto_migrate")(function)
    function = click.option(
        "--format",
        "kind",
        type=click.Choice(Format, case_sensitive=False),
        help="Format of the file; otherwise its extension tells. Needed where FILE is -.",
    )(function)
    return click.argument("path", metavar="FILE", type=click.Path(path_type=Path))(function)


@click.group()
def features() -> None:
    """Import and export features: JSON as gRPC's examples have it, GeoJSON, CSV."""


@features.command("import")
@_options
def import_(flags: Mapping[str, Any], path: Path, kind: Format | None) -> None:
    """Add the features of FILE to the store, all of them or none; - is standard input.

    A feature at a location that already has one gives it its name. So the same file may be imported again.
    """
    settings = _settings(flags)
    kind = _kind(path, kind)
    name, source = _source(path)
    if caution := second_writer_caution(settings.storage_url):
        click.echo(caution, err=True)
    # Opened before there is an event loop, which would keep the first Ctrl-C from ending a read that blocks.
    with source as file:
        result = asyncio.run(_import(settings, file, kind, name))
    click.echo(
        f"Imported {_counted(result.total)}: {result.added} new, {result.renamed} renamed,"
        f" {result.unchanged} unchanged."
    )


@features.command()
@_options
@click.option("--force", is_flag=True, help="Overwrite FILE if there is one.")
def export(flags: Mapping[str, Any], path: Path, kind: Format | None, force: bool) -> None:
    """Write every feature of the store to FILE, in the order of their import; - is standard output."""
    settings = _settings(flags)
    kind = _kind(path, kind)
    if not store_exists(settings.storage_url):
        raise StorageUnusable(f"there is no database at {settings.storage_url}")
    try:
        count = asyncio.run(_export(settings, path, kind, overwrite=force))
    except FileExists as error:
        raise FeatureFileError(f"{error}; --force overwrites it") from None
    click.echo(f"Exported {_counted(count)}.", err=True)


def _counted(number: int) -> str:
    return f"{number} feature" if number == 1 else f"{number} features"


def _settings(flags: Mapping[str, Any]) -> Settings:
    settings = load_settings(flags, look=postgres_file_problems)
    if settings.storage_url == "memory://":
        raise click.UsageError(
            "memory:// lives within one server; give that server ROUTEGUIDE_SEED_FEATURES=FILE instead,"
            " or name a database with --storage-url"
        )
    return settings


def _kind(path: Path, kind: Format | None) -> Format:
    if kind is None and path == _STANDARD_STREAM:
        raise click.UsageError("where FILE is -, --format has to name the format")
    return kind or format_of(path)


def _source(path: Path) -> tuple[str, AbstractContextManager[BinaryIO]]:
    """What messages call the file, and the file."""
    if path == _STANDARD_STREAM:
        name = "standard input"
        return name, feature_files.seekable(sys.stdin.buffer, name)
    return str(path), feature_files.opened(path)


async def _import(settings: Settings, file: BinaryIO, kind: Format, name: str) -> ImportResult:
    async with _store(settings) as storage:
        with _progress_bar() as progress:
            return await feature_files.import_stream(storage, file, kind, name=name, progress=progress)


async def _export(settings: Settings, path: Path, kind: Format, *, overwrite: bool) -> int:
    async with _store(settings) as storage:
        if path != _STANDARD_STREAM:
            return await feature_files.export_file(storage, path, kind, overwrite=overwrite)
        out = TextIOWrapper(binary_output(), encoding="utf-8", newline="")
        try:
            return await feature_files.export_stream(storage, out, kind)
        finally:
            out.detach()  # flushes, and leaves standard output open


def _store(settings: Settings) -> AbstractAsyncContextManager[Storage]:
    return open_storage(
        settings.storage_url,
        timeout=settings.storage_timeout,
        auto_migrate=settings.auto_migrate,
        postgres=postgres_options(settings),
    )


@contextmanager
def _progress_bar() -> Generator[feature_files.Progress, None, None]:
    """A bar of the bytes that have been read, on stderr; none where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("import", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
