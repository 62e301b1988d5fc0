"""Migrations, whatever the dialect: the files, what is due, and what must be refused.

A migration is a file ``migrations/<dialect>/NNNN.name.sql``, numbered from 0001 without gaps. A backend
applies each in one transaction together with its record, under the database's own write lock: a process
that is killed leaves nothing behind, and two that start together do not race.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from routeguide.errors import SchemaAhead, SchemaBehind, StorageUnusable

_FILE_NAME = re.compile(r"(\d{4})\.[a-z0-9-]+\.sql")

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "migrations", _PACKAGE.parents[1] / "migrations")
"""In a wheel, and in a checkout that is installed as editable."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    name: str
    """Its file's name without the suffix, such as ``0001.features-and-notes``."""
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """The record of a migration in the database that it was applied to."""

    name: str
    checksum: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """A migration, and since when it is applied: None while it is pending."""

    migration: Migration
    applied_at: datetime | None


class Migrator(ABC):
    """Shows and applies the migrations of one database.

    Every method raises StorageUnusable, SchemaAhead or StorageUnavailable.
    """

    @abstractmethod
    async def status(self) -> Sequence[MigrationStatus]:
        """Every migration that the code knows, in order. Changes nothing, creates nothing."""

    @abstractmethod
    async def apply(self) -> Sequence[Migration]:
        """Applies what is pending and returns it. Each step is all or nothing."""


def known_migrations(dialect: str) -> tuple[Migration, ...]:
    """The migrations that ship with the code, in order."""
    for folder in _FOLDERS:
        if (folder / dialect).is_dir():
            return read_migrations(folder / dialect)
    raise StorageUnusable(f"the installation is incomplete: it has no migrations for {dialect}; reinstall it")


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """The migrations in `folder`, in order.

    Raises:
        StorageUnusable: a file is misnamed, or a number is missing or used twice.
    """
    migrations = []
    for number, file in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise StorageUnusable(f"migration {file.name} must be named {number:04}.what-it-does.sql")
        migrations.append(Migration(file.stem, file.read_text(encoding="utf-8")))
    return tuple(migrations)


def pending(known: Sequence[Migration], applied: Sequence[AppliedMigration]) -> Sequence[Migration]:
    """What is still to be applied, in order.

    Raises:
        SchemaAhead: the database has a migration that the code does not know.
        StorageUnusable: a migration was changed, or slipped in, after others were applied.
    """
    _refuse_unknown(known, applied)
    for expected, record in zip(known, applied, strict=False):
        if expected.name != record.name or expected.checksum != record.checksum:
            raise StorageUnusable(
                f"the database was migrated with another version of {record.name} than this release has;"
                f" run the release that migrated it, or restore a backup"
            )
    return known[len(applied) :]


def refuse_behind(due: Sequence[Migration]) -> None:
    """Raises SchemaBehind, which says what to do, unless nothing is due."""
    if due:
        names = ", ".join(migration.name for migration in due)
        raise SchemaBehind(
            f"the database's schema is older than this release ({names} pending);"
            f" run `routeguide migrate`, or set ROUTEGUIDE_AUTO_MIGRATE=true"
        )


def statuses(known: Sequence[Migration], applied: Sequence[AppliedMigration]) -> tuple[MigrationStatus, ...]:
    """Each migration of `known` with the time of its record in `applied`."""
    times = {record.name: record.applied_at for record in applied}
    return tuple(MigrationStatus(migration, times.get(migration.name)) for migration in known)


def _refuse_unknown(known: Sequence[Migration], applied: Sequence[AppliedMigration]) -> None:
    unknown = {record.name for record in applied} - {migration.name for migration in known}
    if unknown:
        raise SchemaAhead(
            f"the database's schema is newer than this release, which does not know"
            f" {', '.join(sorted(unknown))}; start a newer release"
        )
