"""Every setting, by concern, and how they are loaded."""

from routeguide.settings.loading import DOTENV, Settings, source_of
from routeguide.settings.names import PREFIX, variable

__all__ = ["DOTENV", "PREFIX", "Settings", "source_of", "variable"]
