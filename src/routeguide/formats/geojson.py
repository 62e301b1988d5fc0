"""GeoJSON (RFC 7946): a FeatureCollection of Points, coordinates in degrees, longitude first."""

import json
from typing import Any

from routeguide.domain.models import Feature
from routeguide.formats.values import as_name, as_object, as_point, refuse, to_degrees

_encode = json.JSONEncoder(ensure_ascii=False).encode


def parse_geojson(record: object) -> Feature:
    """One element of ``features``. Members that GeoJSON allows and nobody needs here are ignored.

    The name is ``properties.name``; without it, or where it is null, the feature has none. A third
    coordinate, the altitude, is dropped.

    Raises:
        InvalidInput: it is no feature, or not a point on the globe.
    """
    feature = as_object(record, "")
    if feature.get("type") != "Feature":
        refuse("type", feature.get("type"), '"Feature"')
    longitude, latitude = _position(feature.get("geometry"))
    return Feature(_name(feature.get("properties")), as_point(latitude, longitude))


def geojson_feature(feature: Feature) -> dict[str, Any]:
    """`feature` as a GeoJSON Feature. The degrees read back as exactly the same E7 integers."""
    latitude, longitude = to_degrees(feature.location.latitude), to_degrees(feature.location.longitude)
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": {"name": feature.name},
    }


def geojson_text(feature: Feature) -> str:
    """`feature` as one line of GeoJSON."""
    return _encode(geojson_feature(feature))


def _name(properties: object) -> str:
    if properties is None:
        return ""
    name = as_object(properties, "properties").get("name")
    return "" if name is None else as_name(name, "properties.name")


def _position(geometry: object) -> tuple[object, object]:
    point = as_object(geometry, "geometry")
    if point.get("type") != "Point":
        refuse("geometry.type", point.get("type"), '"Point"')
    coordinates = point.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) not in (2, 3):
        refuse("geometry.coordinates", coordinates, "a list of longitude, latitude and perhaps altitude")
    return coordinates[0], coordinates[1]
