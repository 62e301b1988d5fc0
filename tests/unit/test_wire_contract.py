"""The wire contract, number by number: unmodified clients in every language rely on it."""

from google.protobuf.descriptor import FieldDescriptor

from routeguide.pb import route_guide_pb2 as pb

FIELDS = {
    "Point": [("latitude", 1, "int32"), ("longitude", 2, "int32")],
    "Rectangle": [("lo", 1, "Point"), ("hi", 2, "Point")],
    "Feature": [("name", 1, "string"), ("location", 2, "Point")],
    "RouteNote": [("location", 1, "Point"), ("message", 2, "string")],
    "RouteSummary": [
        ("point_count", 1, "int32"),
        ("feature_count", 2, "int32"),
        ("distance", 3, "int32"),
        ("elapsed_time", 4, "int32"),
    ],
}
METHODS = {
    "GetFeature": ("Point", False, "Feature", False),
    "ListFeatures": ("Rectangle", False, "Feature", True),
    "RecordRoute": ("Point", True, "RouteSummary", False),
    "RouteChat": ("RouteNote", True, "RouteNote", True),
}
TYPES = {FieldDescriptor.TYPE_INT32: "int32", FieldDescriptor.TYPE_STRING: "string"}


def type_name(field: FieldDescriptor) -> str:
    return field.message_type.name if field.message_type else TYPES[field.type]


def test_messages() -> None:
    found = {
        name: [(field.name, field.number, type_name(field)) for field in message.fields]
        for name, message in pb.DESCRIPTOR.message_types_by_name.items()
    }
    assert found == FIELDS
    assert pb.DESCRIPTOR.package == "routeguide"


def test_methods() -> None:
    found = {
        method.name: (
            method.input_type.name,
            method.client_streaming,
            method.output_type.name,
            method.server_streaming,
        )
        for method in pb.DESCRIPTOR.services_by_name["RouteGuide"].methods
    }
    assert found == METHODS
