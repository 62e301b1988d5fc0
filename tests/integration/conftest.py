"""Fixtures of the tests of SQLite."""

from tests.support.held_statements import held  # noqa: F401  # a fixture: its name is all that is used
from tests.support.postgres_connections import connect  # noqa: F401  # the same
