"""PgBouncer in transaction mode in front of the tests' cluster."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cluster import DEADLINE, PASSWORD, SUPERUSER, Cluster
from tests.support.skipping import unavailable
from tests.support.unprivileged import as_account, free_port, temporary_folder

SESSIONS = 2
"""Server connections to a database: fewer than clients, so that every client meets all of them."""

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {sessions}
auth_type = scram-sha-256
auth_file = {folder}/users
"""


@contextmanager
def running_pgbouncer(cluster: Cluster) -> Iterator[int]:
    """The port of a pooler that leads to all databases of `cluster`."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        unavailable("PgBouncer is missing (Debian: apt-get install pgbouncer)")
    port = free_port()
    with temporary_folder() as folder:
        settings = folder / "settings"
        settings.write_text(
            _SETTINGS.format(server=cluster.port, port=port, sessions=SESSIONS, folder=folder)
        )
        (folder / "users").write_text(f'"{SUPERUSER}" "{PASSWORD}"')
        process = subprocess.Popen(as_account(program, "--quiet", settings), stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            process.kill()
            process.wait(DEADLINE)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "PgBouncer does not listen"
            time.sleep(0.05)
        else:
            return
