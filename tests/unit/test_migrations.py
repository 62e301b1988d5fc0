"""Reading migration files, and what is due or refused."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from routeguide.errors import SchemaAhead, SchemaBehind, StorageUnusable
from routeguide.storage.migrations import (
    AppliedMigration,
    Migration,
    known_migrations,
    pending,
    read_migrations,
    refuse_behind,
    statuses,
)
from routeguide.storage.sqlite.schema import split_statements

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KNOWN = [Migration(f"{number:04}.step", f"SELECT {number}") for number in (1, 2, 3)]
APPLIED = [AppliedMigration(each.name, each.checksum, NOON) for each in KNOWN]


@pytest.mark.parametrize("done", range(4))
def test_what_is_not_recorded_is_pending(done: int) -> None:
    assert list(pending(KNOWN, APPLIED[:done])) == KNOWN[done:]


def test_a_database_with_an_unknown_migration_is_ahead() -> None:
    with pytest.raises(SchemaAhead, match=r"0003\.step"):
        pending(KNOWN[:2], APPLIED)


def test_a_migration_that_was_changed_after_it_was_applied_is_refused() -> None:
    with pytest.raises(StorageUnusable, match=r"another version of 0002\.step"):
        pending([KNOWN[0], replace(KNOWN[1], sql="SELECT 22"), KNOWN[2]], APPLIED[:2])


def test_a_migration_that_slipped_in_before_others_is_refused() -> None:
    with pytest.raises(StorageUnusable, match="another version"):
        pending(KNOWN, [APPLIED[0], APPLIED[2]])


def test_behind_names_what_to_do() -> None:
    refuse_behind([])
    with pytest.raises(SchemaBehind, match=r"routeguide migrate.*ROUTEGUIDE_AUTO_MIGRATE"):
        refuse_behind(KNOWN[2:])


def test_status_says_since_when() -> None:
    assert [each.applied_at for each in statuses(KNOWN, APPLIED[:1])] == [NOON, None, None]


def test_reads_the_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "0002.second.sql").write_text("SELECT 'zwei'", encoding="utf-8")
    (tmp_path / "0001.first.sql").write_text("SELECT 1", encoding="utf-8")
    assert read_migrations(tmp_path) == (
        Migration("0001.first", "SELECT 1"),
        Migration("0002.second", "SELECT 'zwei'"),
    )


@pytest.mark.parametrize(
    "name", ["0002.gap.sql", "1.short.sql", "0001.sql", "0001.Upper.sql", "0001_first.sql"]
)
def test_a_misnamed_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(StorageUnusable, match="must be named 0001"):
        read_migrations(tmp_path)


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_the_code_ships_its_migrations(dialect: str) -> None:
    assert [each.name for each in known_migrations(dialect)][:1] == ["0001.features-and-notes"]
    with pytest.raises(StorageUnusable, match="incomplete"):
        known_migrations("no such dialect")


def test_statements_end_where_sqlite_says_so() -> None:
    table = "CREATE TABLE t (a); -- a; comment\n"
    trigger = "CREATE TRIGGER r AFTER INSERT ON t\nBEGIN\n  SELECT ';';\n  SELECT 2;\nEND;\n"
    assert [each.strip() for each in split_statements(table + trigger)] == [table.strip(), trigger.strip()]


def test_a_migration_that_was_cut_off_is_refused() -> None:
    with pytest.raises(StorageUnusable, match="in the middle of a statement"):
        list(split_statements("SELECT 1;\nCREATE TABLE t (a"))
