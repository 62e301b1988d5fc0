"""A PostgreSQL cluster for tests and the bench: made from Debian's server programs, gone at the end."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from tests.support.unprivileged import Unavailable, account, as_account, free_port, temporary_folder

DEADLINE = 60.0
"""Seconds for a program of PostgreSQL's, on a busy machine."""

SUPERUSER = "tests"
PASSWORD = "only-for-tests"  # noqa: S105  # of a cluster that listens on loopback while the tests run


def server_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian keeps out of PATH; the newest of several."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda program: int(program.parent.parent.name)).parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


class Cluster:
    """A running cluster. Connects over TCP on a free port of loopback, and over a socket in `folder`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()

    @property
    def url(self) -> str:
        """Of the superuser's own database."""
        return self.url_of("postgres")

    def url_of(self, database: str, *, port: int | None = None) -> str:
        """The URL of `database`; `port` is that of something in between."""
        return f"postgresql://{SUPERUSER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        self.run(
            "initdb", f"--pgdata={self.data}", f"--username={SUPERUSER}", f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        self.configure(
            listen_addresses="127.0.0.1",
            port=str(self.port),
            unix_socket_directories=str(self.folder),
            max_connections="200",
            shared_buffers="64MB",
            fsync="off",  # nobody cuts the power; killed processes lose nothing by it
            max_wal_senders="5",
        )

    def configure(self, **parameters: str) -> None:
        """Takes effect when the cluster is started, restarted or reloaded."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in parameters.items())

    def serve_tls(self, certificate: Path, key: Path) -> None:
        """From now on clients over TCP must speak TLS."""
        for name, source in (("server.crt", certificate), ("server.key", key)):
            shutil.copy(source, self.data / name)
            (self.data / name).chmod(0o600)
            if owner := account():
                os.chown(self.data / name, owner.pw_uid, owner.pw_gid)
        (self.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.0/8 scram-sha-256\n")
        self.configure(ssl="on", listen_addresses="127.0.0.1,127.0.0.2")
        self.stop()
        self.start()

    def start(self) -> None:
        """Returns when it accepts connections."""
        log = self.folder / "log"
        self.run(
            "pg_ctl", "start", "--wait", f"--timeout={DEADLINE:.0f}", f"--pgdata={self.data}", f"--log={log}"
        )

    def stop(self, mode: str = "fast") -> None:
        """Ends it; mode `immediate` is as good as a crash."""
        self.run("pg_ctl", "stop", "--wait", f"--mode={mode}", f"--pgdata={self.data}")

    def reload(self) -> None:
        self.run("pg_ctl", "reload", f"--pgdata={self.data}")

    def run(self, program: str, *args: str) -> None:
        """Runs one of PostgreSQL's programs to its end."""
        finished = subprocess.run(
            as_account(self.programs / program, *args),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,  # the server inherits it
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
        )
        assert finished.returncode == 0, f"{program}: {finished.stdout!r}, {self.folder / 'log'}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops every process of the cluster, as a frozen host does; connections stay as they are."""
        processes = self._processes()
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        """The postmaster first, so that it starts no more of them."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
        return [postmaster, *map(int, children.split())]


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster of its own in a temporary folder.

    Raises:
        Unavailable: PostgreSQL is missing on this machine.
    """
    programs = server_programs()
    if programs is None:
        raise Unavailable("PostgreSQL's server programs are missing (Debian: apt-get install postgresql)")
    with temporary_folder() as folder:
        cluster = Cluster(programs, folder)
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop("immediate")


async def administer(cluster: Cluster, statement: str, database: str = "postgres") -> None:
    """Runs one statement as the superuser."""
    async with asyncio.timeout(DEADLINE):
        connection = await asyncpg.connect(cluster.url_of(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
