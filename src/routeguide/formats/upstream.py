"""The JSON that gRPC's own route guides read: coordinates are integers in E7.

A list of ``{"location": {"latitude": 1, "longitude": 2}, "name": "…"}``, or that list as the key ``feature``
of an object, which is what protobuf prints for a FeatureDatabase.
"""

import json
from collections.abc import Mapping
from functools import partial

from routeguide.domain.models import Feature, Point
from routeguide.errors import FieldViolation, InvalidInput
from routeguide.formats.problems import Malformed
from routeguide.formats.values import as_name, as_object, as_whole_number, gathered, refuse_unknown

_FEATURE_KEYS = ("location", "name")
_LOCATION_KEYS = ("latitude", "longitude")

_encode = json.JSONEncoder(ensure_ascii=False).encode


def parse_upstream(record: object) -> Feature:
    """One element of the list.

    As in the JSON of proto3, what is left out of a location is 0, and a name that is left out is empty. A
    location has to be there: that a feature has none is more likely a mistake than the Gulf of Guinea.

    Raises:
        InvalidInput: it is no feature; unknown keys count, because a misspelt coordinate would be 0.
        Malformed: it is one of GeoJSON's, and so are probably the others.
    """
    feature = as_object(record, "")
    if feature.get("type") == "Feature":
        raise Malformed(
            "this is a list of GeoJSON features: put it into an object,"
            ' {"type": "FeatureCollection", "features": [...]}'
        )
    refuse_unknown(feature, "", _FEATURE_KEYS)
    if "location" not in feature:
        raise InvalidInput([FieldViolation("location", "is missing")])
    location = as_object(feature["location"], "location")
    refuse_unknown(location, "location", _LOCATION_KEYS)
    numbers = gathered(*(partial(_coordinate, location, key) for key in _LOCATION_KEYS))
    name = as_name(feature.get("name", ""), "name")
    try:
        return Feature(name, Point(*numbers))
    except InvalidInput as error:
        raise error.within("location") from None


def _coordinate(location: Mapping[str, object], key: str) -> int:
    return as_whole_number(location.get(key, 0), f"location.{key}")


def upstream_json(feature: Feature) -> str:
    """`feature` as one line of JSON; every key is spelt out."""
    location = {"latitude": feature.location.latitude, "longitude": feature.location.longitude}
    return _encode({"location": location, "name": feature.name})
