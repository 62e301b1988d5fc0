"""Files are read within the memory of a small one, whatever they hold."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from routeguide.formats.reading import Format
from tests.support.commands import ended

MILLION = 1_000_000
MOST_MEGABYTES = 20
"""What reading may add to the peak of the process; a list of a million features takes about 200."""

ROWS = {
    Format.CSV: ("latitude_e7,longitude_e7,name\n", "{0},{0},Place no. {0}", "\n", "\n"),
    Format.JSON: (
        "[",
        '{{"location": {{"latitude": {0}, "longitude": {0}}}, "name": "Place no. {0}"}}',
        ",",
        "]",
    ),
}

POINT = '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}'
RING = f"[[{'[-74.61437, 40.78383], ' * 1_000_000}[0, 0]]]"
POLYGON = f'{{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": {RING}}}}}'

READ = """
import json, re, sys
from pathlib import Path
from routeguide.formats.problems import FirstProblem
from routeguide.formats.reading import Format, read_features

def peak():  # of this program alone: ru_maxrss begins with what the process had that started it
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

before = peak()
with open(sys.argv[1], "rb") as file:
    reader = read_features(file, Format(sys.argv[2]), name="file")
    count, problems = 0, ()
    try:
        for feature in reader.features():
            count += 1
    except FirstProblem:
        for _ in reader.rest():
            pass
        problems = reader.refusal().problems
json.dump([count, problems, peak() - before], sys.stdout)
"""


def write_million(path: Path, kind: Format) -> None:
    head, row, separator, tail = ROWS[kind]
    with path.open("w") as file:
        file.write(head)
        file.write(row.format(0))
        file.writelines(separator + row.format(number) for number in range(1, MILLION))
        file.write(tail)


async def read_elsewhere(path: Path, kind: Format) -> tuple[int, list[str], float]:
    """How many features another process found, what was wrong, and the megabytes that this took."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READ, path, kind, stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), timeout=200)
    finally:
        path.unlink()
        await ended(process)
    count, problems, megabytes = json.loads(out)
    return count, problems, megabytes


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ROWS)
async def test_a_million_features_are_read_in_bounded_memory(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "million"
    write_million(path, kind)

    count, problems, megabytes = await read_elsewhere(path, kind)

    assert (count, problems) == (MILLION, [])
    assert megabytes < MOST_MEGABYTES


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (f'{{"meta": {RING}, "features": [{POINT}]}}', []),
        (f'{{"features": [{POINT}, {POLYGON}]}}', ["feature 2: is larger or nested deeper than any feature"]),
        (
            f'{{"features": [{POINT}, "{"x" * 100_000_000}"]}}',
            ["line 1: a single text of more than 1048576 bytes"],
        ),
    ],
    ids=["a member that is not needed", "a feature", "a text"],
)
async def test_what_is_too_large_to_be_a_feature_is_not_held_in_memory(
    tmp_path: Path, text: str, problems: list[str]
) -> None:
    path = tmp_path / "large.geojson"
    path.write_text(text)

    count, found, megabytes = await read_elsewhere(path, Format.GEOJSON)

    assert (count, found) == (1, problems)
    assert megabytes < MOST_MEGABYTES
