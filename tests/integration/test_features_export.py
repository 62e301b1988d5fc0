"""Exporting a store: the file is there as a whole or not at all."""

import os
import stat
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.errors import FeatureFileError, StorageUnavailable
from routeguide.formats.reading import Format
from routeguide.service.feature_files import export_file
from routeguide.service.whole_file import FileExists
from routeguide.storage import open_storage
from routeguide.storage.base import Retention, Storage
from tests.support.feature_files import read_all

# More than a page, and in an order of their own.
FEATURES = [Feature(f'no. {number}, "x"', Point(-number, number * 7 % 1000)) for number in range(1000)]


@pytest.fixture
async def storage(storage_url: str) -> AsyncGenerator[Storage, None]:
    async with open_storage(storage_url, retention=Retention(), timeout=5) as storage:
        await storage.features.import_all(FEATURES)
        yield storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def read(path: Path, kind: Format) -> list[Feature]:
    with path.open("rb") as file:
        return list(read_all(file, kind))


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@pytest.mark.parametrize("kind", Format)
async def test_everything_is_exported_in_the_order_of_import(
    storage: Storage, folder: Path, kind: Format
) -> None:
    path = folder / f"features.{kind}"

    assert await export_file(storage, path, kind) == len(FEATURES)

    assert read(path, kind) == FEATURES
    assert names(folder) == [path.name]


async def test_a_file_is_overwritten_only_on_demand(storage: Storage, folder: Path) -> None:
    path = folder / "features.csv"
    path.write_text("precious")

    with pytest.raises(FileExists, match=r"exists already$"):
        await export_file(storage, path, Format.CSV)
    assert path.read_text() == "precious"

    await export_file(storage, path, Format.CSV, overwrite=True)
    assert read(path, Format.CSV) == FEATURES


async def test_an_export_that_fails_leaves_what_was_there(
    storage: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def within(rectangle: Rectangle) -> AsyncGenerator[Sequence[Feature], None]:
        yield FEATURES[:10]
        raise StorageUnavailable("the store cannot be reached")

    monkeypatch.setattr(storage.features, "within", within)
    path = folder / "features.json"
    path.write_text("precious")

    with pytest.raises(StorageUnavailable):
        await export_file(storage, path, Format.JSON, overwrite=True)

    assert path.read_text() == "precious"
    assert names(folder) == [path.name]


async def test_a_symbolic_link_stays_one(storage: Storage, folder: Path) -> None:
    link, target = folder / "latest.json", folder / "features.json"
    link.symlink_to(target)

    await export_file(storage, link, Format.JSON)

    assert link.readlink() == target
    assert read(target, Format.JSON) == FEATURES


async def test_the_file_has_the_permissions_of_any_new_file(storage: Storage, folder: Path) -> None:
    path, other = folder / "features.json", folder / "other"
    other.touch()

    await export_file(storage, path, Format.JSON)

    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


async def test_what_is_no_regular_file_is_never_replaced(storage: Storage, folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    for path in (folder / "pipe", folder):
        with pytest.raises(FeatureFileError, match="is no regular file"):
            await export_file(storage, path, Format.JSON, overwrite=True)

    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


@pytest.mark.parametrize(
    ("parent", "reason"), [("missing", "No such file or directory"), ("file", "Not a directory")]
)
async def test_a_folder_that_is_none_is_reported(
    storage: Storage, folder: Path, parent: str, reason: str
) -> None:
    (folder / "file").touch()
    path = folder / parent / "features.json"

    with pytest.raises(FeatureFileError) as caught:
        await export_file(storage, path, Format.JSON)

    assert str(caught.value) == f"{path}: cannot be written: {reason}"
