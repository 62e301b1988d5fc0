"""Where a server is called that listens somewhere, and which targets are none."""

import click
import pytest
from click.testing import CliRunner

from routeguide.cli.target import Server, other_server_options, server_options, target_of


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


@click.command()
@server_options
def call(server: Server) -> None:
    click.echo(server.target)


@click.command()
@other_server_options
def call_another(server: Server | None) -> None:
    click.echo(server.target if server else "none")


@pytest.mark.parametrize("command", [call, call_another])
@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "[::1]:50051",
        "balancer:50051",
        "dns:///routeguide.example",
        "ipv4:127.0.0.1:50051,127.0.0.2:50051",
        "ipv6:[::1]:50051",
        "unix:///run/routeguide.sock",
    ],
)
def test_what_grpc_can_resolve_is_a_target(command: click.Command, target: str) -> None:
    result = CliRunner().invoke(command, ["--target", target])

    assert (result.exit_code, result.output) == (0, f"{target}\n")


@pytest.mark.parametrize("command", [call, call_another])
@pytest.mark.parametrize(
    "target",
    [
        "localhost",
        "localhost:x",
        "localhost:99999",
        "http://localhost:50051",
        "https://routeguide.example",
        "[::1",
        "::1:50051",
    ],
)
def test_what_grpc_would_call_somewhere_else_is_none(command: click.Command, target: str) -> None:
    result = CliRunner().invoke(command, ["--target", target])

    assert result.exit_code == 2
    assert f"'--target': {target} must be HOST:PORT" in result.output
