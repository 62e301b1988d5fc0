"""`routeguide serve`"""

from collections.abc import Mapping
from typing import Any

import click

from routeguide.cli.settings_options import load_settings, settings_options
from routeguide.observability import configure_logging
from routeguide.server import app, runtime
from routeguide.server.credentials import problems_of_files


@click.command()
@settings_options()
def serve(flags: Mapping[str, Any]) -> None:
    """Run the server until SIGTERM or SIGINT; a second signal ends it at once.

    Every setting has a flag here, a variable with the prefix ROUTEGUIDE_, and a line in .env.example. A flag
    wins over a variable, a variable over .env in the working directory.
    """
    settings = load_settings(flags, look=problems_of_files)
    configure_logging(settings.log_level, settings.log_format)
    runtime.run(lambda: app.serve(settings), settings=settings)
