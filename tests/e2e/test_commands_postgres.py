"""The one-off tasks of an operator against PostgreSQL: migrate, import and export features."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.postgres import Cluster, fresh_database

ROWS = "latitude,longitude,name\r\n40.7838351,-74.6143763,Here\r\n-90.0000000,180.0000000,\r\n"


@pytest.fixture
def variables(postgres_url: str) -> Mapping[str, str]:
    """As a task definition has them: the address in the environment, not on the command line."""
    return {"ROUTEGUIDE_STORAGE_URL": postgres_url}


async def test_what_is_pending_is_applied_once(variables: Mapping[str, str]) -> None:
    before = await run("migrate", "--status", env=variables)
    would = await run("migrate", "--dry-run", env=variables)
    first = await run("migrate", env=variables)
    second = await run("migrate", env=variables)
    after = await run("migrate", "--status", env=variables)

    assert before.out == "0001.features-and-notes  pending\n"
    assert would.out == "Would apply 0001.features-and-notes\n"
    assert (first.code, first.out, first.err) == (0, "Applied 0001.features-and-notes\n", "")
    assert second.out == "Nothing to apply: the database is up to date\n"
    assert after.out.startswith("0001.features-and-notes  applied 20")


async def test_tasks_that_migrate_together_migrate_once(variables: Mapping[str, str]) -> None:
    tasks = await asyncio.gather(*(run("migrate", env=variables) for _ in range(3)))

    assert [task.code for task in tasks] == [0, 0, 0], [task.err for task in tasks]
    assert sorted(task.lines[0].split()[0] for task in tasks) == ["Applied", "Nothing", "Nothing"]


async def test_a_file_is_imported_twice_and_exported(tmp_path: Path, variables: Mapping[str, str]) -> None:
    (tmp_path / "in.csv").write_text(ROWS, newline="")

    first = await run("features", "import", "in.csv", cwd=tmp_path, env=variables)
    second = await run("features", "import", "in.csv", cwd=tmp_path, env=variables)
    export = await run("features", "export", "out.csv", cwd=tmp_path, env=variables)

    assert (first.code, first.err) == (0, "")
    assert first.out == "Imported 2 features: 2 new, 0 renamed, 0 unchanged.\n"
    assert second.out == "Imported 2 features: 0 new, 0 renamed, 2 unchanged.\n"
    assert (export.code, export.out, export.err) == (0, "", "Exported 2 features.\n")
    assert (tmp_path / "out.csv").read_bytes().decode() == ROWS


async def test_a_file_at_fault_leaves_nothing(tmp_path: Path, variables: Mapping[str, str]) -> None:
    (tmp_path / "bad.csv").write_text(f"{ROWS}x,1,\n")

    refused = await run("features", "import", "bad.csv", cwd=tmp_path, env=variables)
    export = await run("features", "export", "-", "--format", "csv", env=variables)

    assert (refused.code, refused.out) == (1, "")
    assert "nothing was imported because of 1 problem" in refused.err
    assert export.out == "latitude,longitude,name\r\n"


async def test_a_database_that_is_not_there_is_told_without_the_password(postgres_cluster: Cluster) -> None:
    async with fresh_database(postgres_cluster) as name:
        url = postgres_cluster.url_of(f"{name}_not")

        refused = await run("migrate", env={"ROUTEGUIDE_STORAGE_URL": url})

    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"Error: postgresql://127.0.0.1:{postgres_cluster.port}/{name}_not: there is no such database"
        " (SQLSTATE 3D000)\n"
    )
