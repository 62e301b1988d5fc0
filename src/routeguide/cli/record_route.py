"""`routeguide record-route`"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import asdict
from typing import BinaryIO

import click

from routeguide.cli.lines import read_lines
from routeguide.cli.output import format_option
from routeguide.cli.points import GRAMMAR, PointsCommand, PointType, parse_point
from routeguide.cli.target import Server, deadline_option, server_options
from routeguide.client import RouteGuideClient
from routeguide.domain.models import Point, RouteSummary
from routeguide.errors import InvalidInput

Points = AsyncIterable[Point] | Iterable[Point]


@click.command(cls=PointsCommand, epilog=GRAMMAR)
@click.argument("points", nargs=-1, metavar="[POINT]...", type=PointType())
@click.option(
    "--file",
    type=click.File("rb"),
    default="-",
    help="Where the points come from, one a line, when none is given; - is standard input.  [default: -]",
)
@server_options
@deadline_option()
@format_option
def record_route(
    points: tuple[Point, ...], file: BinaryIO, server: Server, deadline: float | None, output: str
) -> None:
    """Travel along the points, in order, and show the summary of the route. As json: an object with the
    field names of RouteSummary; distance in metres, elapsed_time in seconds."""
    summary = asyncio.run(_record(points or _points_in(file), server, deadline))
    click.echo(json.dumps(asdict(summary)) if output == "json" else _text(summary))


async def _record(points: Points, server: Server, deadline: float | None) -> RouteSummary:
    async with RouteGuideClient(server.target, tls=server.tls, token=server.token) as client:
        return await client.record_route(points, deadline=deadline)


async def _points_in(file: BinaryIO) -> AsyncGenerator[Point, None]:
    number = 0
    async for line in read_lines(file.fileno()):
        number += 1
        if line.strip():
            try:
                yield parse_point(line)
            except InvalidInput as error:
                raise error.within(f"line {number}") from None


def _text(summary: RouteSummary) -> str:
    return (
        f"{summary.point_count} points, {summary.feature_count} of them on a feature\n"
        f"{summary.distance} metres in {summary.elapsed_time} seconds"
    )
