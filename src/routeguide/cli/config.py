"""`routeguide config`"""

import json
from collections.abc import Mapping
from typing import Any

import click
from pydantic import SecretStr
from rich.table import Table

from routeguide.cli.group import Failed
from routeguide.cli.output import format_option, wide_console
from routeguide.cli.settings_options import load_settings, settings_options
from routeguide.errors import SettingsError
from routeguide.redaction import masked
from routeguide.settings import Settings, source_of, variable


@click.command()
@settings_options()
@click.option(
    "--check",
    is_flag=True,
    help="Only say whether the settings, and the certificates and tokens that they name, hold; exit code 1"
    " when not.",
)
@format_option
def config(flags: Mapping[str, Any], check: bool, output: str) -> None:
    """Show the effective settings, where each comes from, and its variable. Passwords are masked."""
    if check:
        _check(flags)
    elif output == "json":
        click.echo(json.dumps(_described(load_settings(flags), flags), indent=2))
    else:
        wide_console().print(_table(_described(load_settings(flags), flags)))


def _check(flags: Mapping[str, Any]) -> None:
    from routeguide.server.credentials import problems_of_files  # noqa: PLC0415  # only here

    try:
        load_settings(flags, look=problems_of_files)
    except SettingsError as error:
        raise Failed(*error.problems) from None
    click.echo("ok")


def _described(settings: Settings, flags: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        field: {
            "value": masked(value) if isinstance(value, str | SecretStr) else value,
            "source": source_of(field, flags),
            "variable": variable(field),
        }
        for field, value in settings.model_dump().items()
    }


def _table(described: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("setting", "value", "source", "variable"):
        table.add_column(heading, overflow="fold")
    for field, about in described.items():
        table.add_row(field, str(about["value"]), about["source"], about["variable"])
    return table
