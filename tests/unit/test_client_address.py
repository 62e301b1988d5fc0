"""Which targets are certain to be this machine: a token may go there in plain text, and no proxy between."""

import pytest

from routeguide.client.address import address_of, is_loopback


@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "LOCALHOST:50051",
        "localhost",
        "127.0.0.1:50051",
        "127.0.0.2:50051",
        "[::1]:50051",
        "dns:localhost:50051",
        "dns:///localhost:50051",
        "dns:///[::1]:50051",
    ],
)
def test_this_machine(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "routeguide.example:50051",
        "localhost.example:50051",
        "10.0.0.1:50051",
        "[::2]:50051",
        "dns:///routeguide.example:50051",
        "dns://127.0.0.1/routeguide.example:50051",  # asks a name server on this machine for somebody else
        "dns://localhost:53/routeguide.example",
        "localhost@routeguide.example:50051",
        "routeguide.example@localhost:50051",
        "localhost#.example:50051",
        "localhost?.example:50051",
        "localhost\t.example:50051",
        "[::1%5d.example]:50051",
        "ipv4:127.0.0.1:50051,10.0.0.1:50051",
        "unix:///run/routeguide",
        "xds:///localhost",
        "localhost:port",
        "a..b:1",
    ],
)
def test_somewhere_else_or_nobody_knows(target: str) -> None:
    assert not is_loopback(target)


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("Routeguide.example:1", ("routeguide.example", 1)),
        ("dns:///routeguide.example", ("routeguide.example", 443)),
        ("[::1]:1", ("::1", 1)),
        ("dns://127.0.0.1/routeguide.example:1", None),
        ("unix:/run/routeguide", None),
    ],
)
def test_addresses(target: str, address: tuple[str, int] | None) -> None:
    assert address_of(target) == address
