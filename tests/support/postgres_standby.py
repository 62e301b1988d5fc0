"""A streaming standby of the tests' cluster: it reads along, takes no writes, and can be promoted."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres import Cluster
from tests.support.unprivileged import temporary_folder


class Standby(Cluster):
    """Runs; `promote` makes it a primary of its own."""

    def copy(self, primary: Cluster) -> None:
        self.run(
            "pg_basebackup", f"--dbname={primary.url}", f"--pgdata={self.data}", "--write-recovery-conf",
            "--checkpoint=fast", "--no-sync", "--wal-method=stream",
        )  # fmt: skip
        self.configure(port=str(self.port), unix_socket_directories=str(self.folder))

    def promote(self) -> None:
        """Returns when it takes writes."""
        self.run("pg_ctl", "promote", "--wait", f"--pgdata={self.data}")


@contextmanager
def running_standby(primary: Cluster) -> Iterator[Standby]:
    """A standby that has everything that `primary` has."""
    with temporary_folder() as folder:
        standby = Standby(primary.programs, folder)
        standby.copy(primary)
        standby.start()
        try:
            yield standby
        finally:
            standby.stop("immediate")
