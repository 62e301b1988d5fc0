"""What RouteGuide does, in the terms of the domain: no gRPC, no protobuf, no SQL."""
