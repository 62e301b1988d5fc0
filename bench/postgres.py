"""A PostgreSQL of the bench's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cluster import Cluster, running_cluster


@contextmanager
def durable_cluster() -> Iterator[Cluster]:
    """Unlike that of the tests it waits for the disk, as one in earnest does.

    Raises:
        Unavailable: PostgreSQL is missing on this machine.
    """
    with running_cluster() as cluster:
        cluster.stop()
        cluster.configure(fsync="on", shared_buffers="256MB", max_wal_size="4GB")
        cluster.start()
        yield cluster
