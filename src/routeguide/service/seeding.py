"""Features for a store that has none."""

from importlib.resources import as_file, files
from pathlib import Path

from routeguide.service.feature_files import import_file
from routeguide.storage.base import Storage

SAMPLE = "sample"
"""The features that are shipped: gRPC's own 100."""
NOTHING = "none"


async def seed(storage: Storage, source: str) -> int:
    """Loads `source`, `SAMPLE`, `NOTHING` or the path of a file, into a store that has no features.

    Returns:
        How many features were loaded; 0 where the store has some, and then `source` is not even opened.

    Raises:
        FeatureFileError: the file cannot be read or is at fault. The store is as it was.
    """
    if source == NOTHING or await storage.features.count():
        return 0
    if source != SAMPLE:
        return (await import_file(storage, Path(source))).total
    with as_file(files("routeguide") / "data" / "route_guide_db.json") as path:
        return (await import_file(storage, path)).total
