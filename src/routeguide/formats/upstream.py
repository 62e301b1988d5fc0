"""The JSON that gRPC's own route guides read: coordinates are integers in E7.

A list of ``{"location": {"latitude": 1, "longitude": 2}, "name": "…"}``, or that list as the key ``feature``
of an object, which is what protobuf prints for a FeatureDatabase.
"""

import json

from routeguide.domain.models import Feature, Point
from routeguide.errors import FieldViolation, InvalidInput
from routeguide.formats.values import as_name, as_object, as_whole_number

_FEATURE_KEYS = ("location", "name")
_LOCATION_KEYS = ("latitude", "longitude")

_encode = json.JSONEncoder(ensure_ascii=False).encode


def parse_upstream(record: object) -> Feature:
    """One element of the list.

    As in the JSON of proto3, what is left out of a location is 0, and a name that is left out is empty. A
    location has to be there: that a feature has none is more likely a mistake than the Gulf of Guinea.

    Raises:
        InvalidInput: it is no feature; unknown keys count, because a misspelt coordinate would be 0.
    """
    feature = as_object(record, "", known=_FEATURE_KEYS)
    if "location" not in feature:
        raise InvalidInput([FieldViolation("location", "is missing")])
    location = as_object(feature["location"], "location", known=_LOCATION_KEYS)
    latitude = as_whole_number(location.get("latitude", 0), "location.latitude")
    longitude = as_whole_number(location.get("longitude", 0), "location.longitude")
    name = as_name(feature.get("name", ""), "name")
    try:
        return Feature(name, Point(latitude, longitude))
    except InvalidInput as error:
        raise error.within("location") from None


def upstream_json(feature: Feature) -> str:
    """`feature` as one line of JSON; every key is spelt out."""
    location = {"latitude": feature.location.latitude, "longitude": feature.location.longitude}
    return _encode({"location": location, "name": feature.name})
