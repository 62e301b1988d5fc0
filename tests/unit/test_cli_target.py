"""Where a server is called that listens somewhere."""

import click
import pytest

from routeguide.cli.target import target_of


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("localhost:50051", "localhost:50051"),
        ("[::1]:1", "[::1]:1"),
        ("[::]:50051", "localhost:50051"),
        ("0.0.0.0:50051", "127.0.0.1:50051"),
        ("10.0.0.1:50051", "10.0.0.1:50051"),
    ],
)
def test_every_interface_is_reached_through_loopback(listen: str, target: str) -> None:
    assert target_of(listen) == target


def test_any_free_port_has_no_target() -> None:
    with pytest.raises(click.UsageError, match="--target"):
        target_of("localhost:0")
