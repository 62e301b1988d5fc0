"""Fixtures of the tests of the stores."""

from tests.support.held_statements import held  # noqa: F401  # a fixture: its name is all that is used
from tests.support.live_servers import looking_rarely, open_server  # noqa: F401  # the same
from tests.support.postgres_connections import connect  # noqa: F401  # the same
