"""The terms of the field and the arithmetic on them: pure, without I/O, without gRPC."""
