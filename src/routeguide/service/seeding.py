"""Features for a store that has none."""

from importlib.resources import as_file, files
from pathlib import Path

import structlog

from routeguide.service.feature_files import import_file
from routeguide.storage.base import Storage

SAMPLE = "sample"
"""The features that are shipped: gRPC's own 100."""
NOTHING = "none"

_log = structlog.get_logger(__name__)


async def seed(storage: Storage, source: str) -> int:
    """Loads `source`, `SAMPLE`, `NOTHING` or the path of a file, into a store that has no features.

    Returns:
        How many features were loaded; 0 where the store has some, and then `source` is not even opened,
        unless they came only after they had been looked for.

    Raises:
        FeatureFileError: the file cannot be read or is at fault. The store is as it was.
    """
    # The count takes no lock, so an ordinary start waits for nobody; the import looks again under its own.
    if source == NOTHING or await storage.features.count():
        return 0
    _log.info("seeding", source=source)  # it may take long: a large file, or another import before this one
    if source != SAMPLE:
        return (await import_file(storage, Path(source), into_empty=True)).total
    with as_file(files("routeguide") / "data" / "route_guide_db.json") as path:
        return (await import_file(storage, path, into_empty=True)).total
