"""`routeguide get-feature`"""

import asyncio

import click

from routeguide.cli.output import format_option, place, printable
from routeguide.cli.points import GRAMMAR, PointsCommand, PointType
from routeguide.cli.target import Server, deadline_option, server_options
from routeguide.client import RouteGuideClient
from routeguide.domain.models import Feature, Point
from routeguide.formats.geojson import geojson_text


@click.command(cls=PointsCommand, epilog=GRAMMAR)
@click.argument("location", metavar="POINT", type=PointType())
@server_options
@deadline_option(10.0)
@format_option
def get_feature(location: Point, server: Server, deadline: float, output: str) -> None:
    """Show the feature at exactly POINT.

    As json: a GeoJSON Feature, whose name is empty where there is none.
    """
    feature = asyncio.run(_get(location, server, deadline))
    click.echo(geojson_text(feature) if output == "json" else _text(feature))


async def _get(location: Point, server: Server, deadline: float) -> Feature:
    async with RouteGuideClient(
        server.target, tls=server.tls, token=server.token, deadline=deadline
    ) as client:
        return await client.get_feature(location)


def _text(feature: Feature) -> str:
    if not feature.name:
        return f"There is no feature with a name at {place(feature.location)}"
    return f"{printable(feature.name)}\n{place(feature.location)}"
