"""A file of a million features is read within the memory of a small one."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from routeguide.formats.reading import Format

MILLION = 1_000_000
MOST_MEGABYTES = 40
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

READ = """
import json, resource, sys
from routeguide.formats.reading import Format, read_features

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before = peak()  # not 0, and on Linux not less than what the process had that started this one
with open(sys.argv[1], "rb") as file:
    count = sum(1 for _ in read_features(file, Format(sys.argv[2]), name="file"))
json.dump([count, peak() - before], sys.stdout)
"""


def write_million(path: Path, kind: Format) -> None:
    head, row, separator, tail = ROWS[kind]
    with path.open("w") as file:
        file.write(head)
        file.write(row.format(0))
        file.writelines(separator + row.format(number) for number in range(1, MILLION))
        file.write(tail)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ROWS)
async def test_a_million_features_are_read_in_bounded_memory(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "million"
    write_million(path, kind)

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READ, path, kind, stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), timeout=50)
    finally:
        path.unlink()
        if process.returncode is None:
            process.kill()
            await process.wait()

    count, added = json.loads(out)
    assert count == MILLION
    assert added < MOST_MEGABYTES
