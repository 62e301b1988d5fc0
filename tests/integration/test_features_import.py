"""Importing files into a store, and seeding one that is empty."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from io import BytesIO
from pathlib import Path

import pytest

from routeguide.domain.models import Feature, Point, Rectangle
from routeguide.errors import FeatureFileError
from routeguide.formats.reading import Format
from routeguide.service.feature_files import import_file, import_stream, seekable
from routeguide.service.seeding import seed
from routeguide.storage import open_storage
from routeguide.storage.base import ImportResult, Retention, Storage
from tests.support.disks import small_disk
from tests.support.wire import DEADLINE

A, B, C = Feature("a", Point(1, 1)), Feature("b", Point(2, 2)), Feature("c", Point(3, 3))


@pytest.fixture
async def storage(storage_url: str) -> AsyncGenerator[Storage, None]:
    async with open_storage(storage_url, retention=Retention(), timeout=5) as storage:
        yield storage


async def stored(storage: Storage) -> list[Feature]:
    async with aclosing(storage.features.within(Rectangle.GLOBE)) as pages:
        return [feature async for page in pages for feature in page]


def upstream(*features: Feature) -> str:
    return json.dumps(
        [
            {
                "name": feature.name,
                "location": {"latitude": feature.location.latitude, "longitude": feature.location.longitude},
            }
            for feature in features
        ]
    )


def write(path: Path, *features: Feature) -> Path:
    path.write_text(upstream(*features))
    return path


async def test_an_empty_store_is_seeded_with_the_sample_once(storage: Storage) -> None:
    assert await seed(storage, "sample") == 100
    assert await seed(storage, "sample") == 0

    features = await stored(storage)
    assert len(features) == 100
    assert sum(bool(feature.name) for feature in features) == 64
    assert features[0] == Feature("Patriots Path, Mendham, NJ 07945, USA", Point(407838351, -746143763))


async def test_a_store_is_seeded_with_nothing_or_with_a_file(storage: Storage, tmp_path: Path) -> None:
    assert await seed(storage, "none") == 0
    assert await stored(storage) == []

    assert await seed(storage, str(write(tmp_path / "some.json", A, B))) == 2
    assert await stored(storage) == [A, B]


async def test_a_store_with_features_does_not_even_look_at_the_seed(storage: Storage) -> None:
    await storage.features.import_all([A])

    assert await seed(storage, "/nonexistent/features.json") == 0


async def test_a_store_that_another_fills_once_it_was_found_empty_is_not_seeded(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = storage.features.count

    async def counted_before_another_import() -> int:
        counted = await count()
        await storage.features.import_all([A])
        return counted

    monkeypatch.setattr(storage.features, "count", counted_before_another_import)

    assert await seed(storage, "sample") == 0
    assert await stored(storage) == [A]


async def test_a_second_import_keeps_the_order_and_renames(storage: Storage, tmp_path: Path) -> None:
    renamed = Feature("new name", A.location)

    assert await import_file(storage, write(tmp_path / "1.json", A, B)) == ImportResult(2, 0, 0)
    assert await import_file(storage, write(tmp_path / "2.json", C, B, renamed)) == ImportResult(1, 1, 1)

    assert await stored(storage) == [renamed, B, C]


@pytest.mark.parametrize(
    "ending",
    ["}", ', {"location": {}}', ", 7]", ',{"location": {"latitude": 1e9}}]'],
    ids=["broken", "truncated", "no object", "bad number"],
)
async def test_a_file_with_one_mistake_at_its_end_changes_nothing(
    storage: Storage, tmp_path: Path, ending: str
) -> None:
    await storage.features.import_all([A])
    good = upstream(*(Feature("x", Point(number, 5)) for number in range(5000)))
    (tmp_path / "bad.json").write_text(good.removesuffix("]") + ending)

    with pytest.raises(FeatureFileError, match="nothing was imported because of 1 problem"):
        await import_file(storage, tmp_path / "bad.json")

    assert await stored(storage) == [A]
    assert await storage.features.find(Point(0, 5)) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.json", "cannot be opened: No such file or directory"),
        ("folder.json", "cannot be opened: Is a directory"),
        ("features.txt", "the extension is none of .json, .geojson, .csv, so name the format"),
        ("features", "the extension is none of .json, .geojson, .csv, so name the format"),
    ],
)
async def test_a_seed_that_cannot_be_read_is_refused(
    storage: Storage, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder.json").mkdir()

    with pytest.raises(FeatureFileError) as caught:
        await seed(storage, str(tmp_path / name))

    assert str(caught.value) == f"{tmp_path / name}: {reason}"


async def test_a_disk_that_fails_is_reported_and_changes_nothing(storage: Storage) -> None:
    class FailingDisk(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    file = FailingDisk(upstream(*(Feature("x", Point(number, 5)) for number in range(5000))).encode())

    with pytest.raises(FeatureFileError, match="disk: cannot be read: Input/output error"):
        await import_stream(storage, file, Format.JSON, name="disk")

    assert await stored(storage) == []


async def test_a_pipe_can_be_imported(storage: Storage) -> None:
    reading, writing = os.pipe()

    def feed() -> None:
        with open(writing, "w", encoding="utf-8") as pipe:  # noqa: PTH123  # a descriptor, not a path
            pipe.write(upstream(A, B))

    feeder = threading.Thread(target=feed)
    feeder.start()
    result = await import_file(storage, Path(f"/dev/fd/{reading}"), Format.JSON)
    os.close(reading)
    feeder.join(timeout=DEADLINE)

    assert result == ImportResult(2, 0, 0)
    assert await stored(storage) == [A, B]


def test_a_pipe_that_does_not_fit_on_the_disk_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.write(writing, b" " * 60_000)
    os.close(writing)
    with small_disk(tmp_path / "disk", kibibytes=16) as disk, open(reading, "rb") as pipe:  # noqa: PTH123  # a descriptor, not a path
        monkeypatch.setattr("tempfile.tempdir", str(disk))

        with (
            pytest.raises(FeatureFileError, match="pipe: cannot be copied to disk: No space left on device"),
            seekable(pipe, "pipe"),
        ):
            pass


@pytest.mark.parametrize("first", ["0,0", "x,0"], ids=["good file", "bad file"])
async def test_others_get_their_turn_while_a_file_is_read(storage: Storage, first: str) -> None:
    rows = 20_000
    text = f"latitude_e7,longitude_e7\n{first}\n" + "\n".join(f"{row},1" for row in range(rows))
    turns = 0
    turns_at_progress: list[int] = []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    with suppress(FeatureFileError):
        await import_stream(
            storage,
            BytesIO(text.encode()),
            Format.CSV,
            name="file",
            progress=lambda done, total: turns_at_progress.append(turns),
        )
    others.cancel()

    assert len(set(turns_at_progress)) >= rows / 1000


async def test_progress_counts_the_bytes_of_the_file(storage: Storage, tmp_path: Path) -> None:
    path = write(tmp_path / "many.json", *(Feature("x" * 50, Point(number, 5)) for number in range(5000)))
    seen: list[tuple[int, int]] = []

    await import_file(storage, path, progress=lambda done, total: seen.append((done, total)))

    size = path.stat().st_size
    done = [each for each, _ in seen]
    assert {total for _, total in seen} == {size}
    assert done == sorted(done)
    assert 0 < done[0] < size
    assert done[-1] == size
