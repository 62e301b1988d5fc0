"""The folder of `python -m alb`: nothing of anybody else is removed, and nobody's run is disturbed."""

from pathlib import Path

import pytest

from alb.folder import claimed


def test_what_a_run_before_left_is_removed_even_of_one_that_was_interrupted(tmp_path: Path) -> None:
    folder = tmp_path / "alb"
    with claimed(folder):
        (folder / "certs").mkdir()
        (folder / "certs" / "ca.pem").touch()
        (folder / "admin.txt").touch()
    with claimed(folder):
        assert not (folder / "certs").exists()
        assert not (folder / "admin.txt").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    with claimed(tmp_path):
        (tmp_path / "checks.sock").touch()
        with pytest.raises(RuntimeError, match="is in use"), claimed(tmp_path):
            pass
        assert (tmp_path / "checks.sock").exists()


@pytest.mark.parametrize("name", ["precious", "envoy.json"])
def test_a_folder_of_somebody_else_s_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RuntimeError, match="was not made by this command"), claimed(tmp_path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
