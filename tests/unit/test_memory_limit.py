"""What the process may use of memory, read from trees like those that Linux and its containers show."""

from pathlib import Path

import pytest

from routeguide.server.memory_limit import memory_limit, memory_limit_mb

MB = 2**20
UNLIMITED_V1 = ["9223372036854771712", "9223372036854710272", "9223372036854775807", "18446744073709551615"]


def shown(folder: Path, files: dict[str, str | bytes], membership: str | bytes | None) -> int | None:
    """The limit in a tree of these files, for a process whose ``/proc/self/cgroup`` says `membership`."""
    root, proc = folder / "cgroup", folder / "self"
    root.mkdir()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if membership is not None:
        proc.write_bytes(membership.encode() if isinstance(membership, str) else membership)
    return memory_limit(root, proc)


@pytest.mark.parametrize(
    ("files", "membership", "limit"),
    [
        pytest.param({"memory.max": f"{512 * MB}\n"}, "0::/\n", 512 * MB, id="container with a namespace"),
        pytest.param({"memory.max": "512"}, "0::/ecs/task/container\n", 512, id="path hidden by the mount"),
        pytest.param({"memory.max": "512"}, "0::/../../elsewhere\n", 512, id="outside its namespace"),
        pytest.param({"memory.max": "max\n"}, "0::/\n", None, id="unlimited"),
        pytest.param({"a/b/memory.max": "7", "a/memory.max": "9"}, "0::/a/b\n", 7, id="own is the smallest"),
        pytest.param(
            {"a/b/memory.max": "9", "a/memory.max": "7"}, "0::/a/b\n", 7, id="parent is the smallest"
        ),
        pytest.param(
            {"a/b/memory.max": "max", "a/memory.max": "7"}, "0::/a/b\n", 7, id="parent has the only"
        ),
        pytest.param({"a/memory.max": "7", "b/memory.max": "5"}, "0::/a\n", 7, id="of another one"),
        pytest.param({"a:b/memory.max": "7"}, "0::/a:b\n", 7, id="colon in the path"),
    ],
)
def test_version_2(tmp_path: Path, files: dict[str, str | bytes], membership: str, limit: int | None) -> None:
    assert shown(tmp_path, files, membership) == limit


LIMIT, STAT = "memory.limit_in_bytes", "memory.stat"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        pytest.param({f"memory/ecs/task/{LIMIT}": "512\n"}, 512, id="own"),
        pytest.param({f"memory/{LIMIT}": "512\n"}, 512, id="path hidden by the mount"),
        pytest.param({f"memory/ecs/task/{LIMIT}": "9", f"memory/ecs/{LIMIT}": "7"}, 7, id="parent's"),
        pytest.param(
            {
                f"memory/{LIMIT}": UNLIMITED_V1[0],
                f"memory/{STAT}": "cache 5\nhierarchical_memory_limit 512\nrss 7\n",
            },
            512,
            id="of a task whose cgroup is hidden",
        ),
        pytest.param(
            {f"memory/{STAT}": f"hierarchical_memory_limit {UNLIMITED_V1[0]}"}, None, id="none above"
        ),
        *(pytest.param({f"memory/{LIMIT}": number}, None, id=f"none: {number}") for number in UNLIMITED_V1),
    ],
)
def test_version_1(tmp_path: Path, files: dict[str, str | bytes], limit: int | None) -> None:
    membership = "11:cpu,cpuacct:/ecs/cpu\n4:hugetlb,memory:/ecs/task\n1:name=systemd:/ecs\n0::/unified\n"

    assert shown(tmp_path, files, membership) == limit


@pytest.mark.parametrize(
    "membership", [None, "", "garbage", ":::", "0::/\0", b"\xff\xfe\n", "0::/" + "a" * 5000]
)
@pytest.mark.parametrize("content", [None, "", "garbage", "-1", "0", "1e9", "1_000", b"\xff\xfe", "9" * 9999])
def test_nonsense_is_no_limit(
    tmp_path: Path, membership: str | bytes | None, content: str | bytes | None
) -> None:
    names = ["memory.max", f"memory/{LIMIT}", f"memory/{STAT}"]

    assert shown(tmp_path, dict.fromkeys(names, content) if content is not None else {}, membership) is None


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "memory.max").mkdir()

    assert memory_limit(tmp_path, tmp_path) is None


def test_system_without_cgroups(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "missing", tmp_path / "missing") is None


@pytest.mark.parametrize(("limit", "shown_as"), [(None, None), (512 * MB, 512), (512 * MB - 1, 511)])
def test_in_megabytes(monkeypatch: pytest.MonkeyPatch, limit: int | None, shown_as: int | None) -> None:
    monkeypatch.setattr("routeguide.server.memory_limit.memory_limit", lambda: limit)

    assert memory_limit_mb() == shown_as


def test_here() -> None:
    """Whatever it is on this machine."""
    limit = memory_limit()

    assert limit is None or limit > MB
