"""`routeguide list-features`"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, aclosing, nullcontext

import click
from rich.table import Column, Table

from routeguide.cli.output import degrees, format_option, printable, wide_console
from routeguide.cli.points import GRAMMAR, CornerType, PointsCommand
from routeguide.cli.target import Server, deadline_option, server_options
from routeguide.client import RouteGuideClient
from routeguide.domain.models import Feature, Rectangle
from routeguide.formats.reading import Format
from routeguide.formats.writing import feature_writer

_PAGE = 500
"""Features that are printed at a time: what the command holds in memory, however many there are."""

Write = Callable[[Iterable[Feature]], None]


@click.command(cls=PointsCommand, epilog=GRAMMAR)
@click.argument("corner", type=CornerType())
@click.argument("opposite", type=CornerType())
@server_options
@deadline_option()
@format_option
def list_features(
    corner: tuple[int, int],
    opposite: tuple[int, int],
    server: Server,
    deadline: float | None,
    output: str,
) -> None:
    """List the features inside a rectangle, bounds inclusive, in the order of their import.

    CORNER and OPPOSITE are any two opposite corners. Corners beyond the globe are moved onto it, so
    -90.0,-180.0 90.0,180.0 lists everything. As json: a GeoJSON FeatureCollection.
    """
    rectangle = Rectangle.between(*corner, *opposite)
    with _collection() if output == "json" else _table() as write:
        asyncio.run(_list(rectangle, server, deadline, write))


async def _list(rectangle: Rectangle, server: Server, deadline: float | None, write: Write) -> None:
    async with (
        RouteGuideClient(server.target, tls=server.tls, token=server.token) as client,
        aclosing(client.list_features(rectangle, deadline=deadline)) as features,
    ):
        async for page in _pages(features):
            write(page)


async def _pages(features: AsyncIterator[Feature]) -> AsyncIterator[list[Feature]]:
    page: list[Feature] = []
    async for feature in features:
        page.append(feature)
        if len(page) == _PAGE:
            yield page
            page = []
    yield page


def _collection() -> AbstractContextManager[Write]:
    return feature_writer(sys.stdout, Format.GEOJSON)


def _table() -> AbstractContextManager[Write]:
    """Prints each page as it comes. All columns but the last are of fixed width, so pages align."""
    console = wide_console()
    first = True

    def write(page: Iterable[Feature]) -> None:
        nonlocal first
        table = Table(
            Column("latitude", justify="right", width=11),
            Column("longitude", justify="right", width=12),
            Column("name", overflow="fold"),
            box=None,
            pad_edge=False,
            show_header=first,
        )
        for feature in page:
            location = feature.location
            table.add_row(degrees(location.latitude), degrees(location.longitude), printable(feature.name))
        console.print(table)
        first = False

    return nullcontext(write)
