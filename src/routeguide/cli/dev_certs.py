"""`routeguide dev-certs`"""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import trustme

from routeguide.cli.group import Failed
from routeguide.settings import variable

_NAMES = ("localhost", "127.0.0.1", "::1")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--name", "names", multiple=True, help="One more name or address of the server; may be repeated."
)
@click.option("--client", default="dev-client", show_default=True, help="The name of the client.")
@click.option(
    "--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long they are valid."
)
def dev_certs(folder: Path, names: tuple[str, ...], client: str, days: int) -> None:
    """Make a throwaway authority in DIR, with a certificate for a server and one for a client.

    For trying TLS on one machine. The authority's own key is not kept, so it vouches for nothing else. Files
    that exist are left alone, and the command fails.
    """
    files = _made(names, client, datetime.now(UTC) + timedelta(days=days))
    _write(folder, files)
    click.echo(_usage(folder.resolve()))


def _made(names: tuple[str, ...], client: str, not_after: datetime) -> dict[str, bytes]:
    authority = trustme.CA(organization_name="RouteGuide development")
    try:
        server = authority.issue_cert(*_NAMES, *names, not_after=not_after)
        caller = authority.issue_cert(client, common_name=client, not_after=not_after)
    except ValueError as error:
        raise click.UsageError(f"not a name for a certificate: {error}") from None
    return {
        "ca.pem": authority.cert_pem.bytes(),
        "server.pem": _chain(server),
        "server.key": server.private_key_pem.bytes(),
        "client.pem": _chain(caller),
        "client.key": caller.private_key_pem.bytes(),
    }


def _chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    existing = [str(folder / name) for name in files if (folder / name).exists()]
    if existing:
        raise Failed(*(f"{path} exists already; nothing was written" for path in existing))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.touch(mode=0o600 if path.suffix == ".key" else 0o644, exist_ok=False)
            path.write_bytes(content)
    except OSError as error:
        raise Failed(f"{folder}: {error.strerror}") from None


def _usage(folder: Path) -> str:
    def at(name: str) -> str:
        return shlex.quote(str(folder / name))

    return "\n".join(
        [
            "# the server, in its environment or in .env",
            f"{variable('tls_cert_file')}={at('server.pem')}",
            f"{variable('tls_key_file')}={at('server.key')}",
            "# and for mutual TLS",
            f"{variable('tls_client_ca_file')}={at('ca.pem')}",
            "# clients",
            f"routeguide get-feature 40.9146138,-74.6188906 --ca-file {at('ca.pem')}",
            "# and with mutual TLS",
            f"routeguide get-feature 40.9146138,-74.6188906 --ca-file {at('ca.pem')}"
            f" --cert-file {at('client.pem')} --key-file {at('client.key')}",
        ]
    )
