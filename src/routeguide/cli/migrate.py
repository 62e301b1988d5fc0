"""`routeguide migrate`"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import click

from routeguide.cli.settings_options import load_settings, settings_options
from routeguide.server.storage_options import postgres_file_problems, postgres_options
from routeguide.storage import open_migrator, second_writer_caution
from routeguide.storage.migrations import Migration, MigrationStatus, Migrator


@click.command()
@settings_options("storage_url", "storage_timeout")
@click.option("--status", is_flag=True, help="Show each migration and whether it is applied; change nothing.")
@click.option("--dry-run", is_flag=True, help="Show what would be applied; change nothing.")
def migrate(flags: Mapping[str, Any], status: bool, dry_run: bool) -> None:
    """Apply the migrations that the database does not have yet, each of them wholly or not at all."""
    settings = load_settings(flags, look=postgres_file_problems)
    migrator = open_migrator(
        settings.storage_url, timeout=settings.storage_timeout, postgres=postgres_options(settings)
    )
    if status:
        _show(asyncio.run(_status(migrator)))
    elif dry_run:
        due = [each.migration for each in asyncio.run(_status(migrator)) if each.applied_at is None]
        _tell("Would apply", due)
    else:
        if caution := second_writer_caution(settings.storage_url):
            click.echo(caution, err=True)
        _tell("Applied", asyncio.run(_apply(migrator)))


async def _status(migrator: Migrator) -> Sequence[MigrationStatus]:
    return await migrator.status()


async def _apply(migrator: Migrator) -> Sequence[Migration]:
    return await migrator.apply()


def _show(statuses: Sequence[MigrationStatus]) -> None:
    for each in statuses:
        since = f"applied {each.applied_at:%Y-%m-%d %H:%M:%S %Z}" if each.applied_at else "pending"
        click.echo(f"{each.migration.name}  {since}")


def _tell(verb: str, migrations: Sequence[Migration]) -> None:
    for migration in migrations:
        click.echo(f"{verb} {migration.name}")
    if not migrations:
        click.echo("Nothing to apply: the database is up to date")
