"""A PostgreSQL cluster of the tests' own: made from Debian's server programs, gone with them."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path

import asyncpg
import pytest

DEADLINE = 60.0
"""Seconds for a program of PostgreSQL's, on a busy machine."""

SUPERUSER = "tests"
PASSWORD = "only for tests"  # noqa: S105  # of a cluster that listens on loopback while the tests run

_numbers = count(1)


def server_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian keeps out of PATH; the newest of several."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda program: int(program.parent.parent.name)).parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def reason_to_skip() -> str | None:
    """Why no cluster can be started here; None if it can."""
    if server_programs() is None:
        return "PostgreSQL's server programs are missing (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no user postgres to run it as"
    return None


class Cluster:
    """A running cluster. Connects over TCP on a free port of loopback, and over a socket in `folder`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()

    @property
    def url(self) -> str:
        """Of the superuser's own database."""
        return self.url_of("postgres")

    def url_of(self, database: str, *, user: str = SUPERUSER, port: int | None = None) -> str:
        """The URL of `database`; `port` is that of something in between."""
        password = PASSWORD.replace(" ", "%20")
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}"

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
        owner = _owner()
        finished = subprocess.run(
            [self._programs / program, *args],
            user=owner,
            group=owner and pwd.getpwuid(owner).pw_gid,
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
    """A cluster of its own in a temporary folder; skips the test, or fails it in CI, where there is none."""
    programs = server_programs()
    if (reason := reason_to_skip()) or programs is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(reason))
    with _folder() as folder:
        cluster = Cluster(programs, folder)
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop("immediate")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """One for all tests that do no harm to it."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def postgres_url(postgres_cluster: Cluster) -> AsyncGenerator[str, None]:
    """The URL of an empty database, which nobody else uses."""
    async with fresh_database(postgres_cluster) as name:
        yield postgres_cluster.url_of(name)


@asynccontextmanager
async def fresh_database(cluster: Cluster) -> AsyncGenerator[str, None]:
    """The name of an empty database; it is dropped at the end, whoever is still connected."""
    name = f"test_{next(_numbers)}"
    await administer(cluster, f"CREATE DATABASE {name}")
    try:
        yield name
    finally:
        await administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


async def administer(cluster: Cluster, statement: str, database: str = "postgres") -> None:
    """Runs one statement as the superuser."""
    async with asyncio.timeout(DEADLINE):
        connection = await asyncpg.connect(cluster.url_of(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _folder() -> Iterator[Path]:
    """Short, since the path of a socket may have 107 bytes; of the user who runs the server."""
    folder = Path(tempfile.mkdtemp(prefix="rg-pg-", dir="/tmp"))  # pytest's own is root's alone
    try:
        if (owner := _owner()) is not None:
            os.chown(folder, owner, -1)
        yield folder
    finally:
        shutil.rmtree(folder)


def _account() -> pwd.struct_passwd | None:
    """Debian's user for PostgreSQL."""
    return next((each for each in pwd.getpwall() if each.pw_name == "postgres"), None)


def _owner() -> int | None:
    """The user to run the programs as: that one, where this process is root, which they refuse."""
    account = _account()
    return account.pw_uid if account and os.geteuid() == 0 else None
