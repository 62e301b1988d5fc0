"""What grpc's core is told: limits and tolerances of connections, by its own argument names.

Names and defaults: github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h
"""

from routeguide.settings import Settings

Options = list[tuple[str, int]]


def channel_options(settings: Settings) -> Options:
    """The arguments of the server's channel."""
    options: Options = [
        # Left at its default of 1, a second server on the same port silently gets half of the connections.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", 2 * settings.max_metadata_bytes),
        # Calls that wait to be accepted while the loop is busy; beyond the first number some are refused at
        # random, beyond the second all.
        ("grpc.server.max_pending_requests", settings.max_pending_calls),
        ("grpc.server.max_pending_requests_hard_limit", 3 * settings.max_pending_calls),
    ]
    return options + _streams(settings) + _keepalive(settings) + _connection_age(settings)


def _streams(settings: Settings) -> Options:
    """A client with more calls than its connection may carry waits with the rest, as HTTP/2 has it.

    With its overload protection grpc would reset calls that a client began before it had heard of the limit,
    or while those that it ended are still being put away: some hundred of 600 made at once. The limit
    itself is enough against a peer that ignores it.
    """
    if not settings.max_streams_per_connection:
        return []
    return [
        ("grpc.max_concurrent_streams", settings.max_streams_per_connection),
        ("grpc.http.overload_protection", 0),
    ]


def _keepalive(settings: Settings) -> Options:
    """Clients may ping every so often, with and without calls; grpc's default of five minutes punishes
    those who keep a connection alive through a balancer with GOAWAY "too_many_pings"."""
    options: Options = [
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(settings.min_ping_interval)),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    if settings.keepalive_interval:
        options.append(("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_interval)))
        options.append(("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_timeout)))
        # Without it the answer to any ping, these included, is waited for a minute.
        options.append(("grpc.http2.ping_timeout_ms", _milliseconds(settings.keepalive_timeout)))
    return options


def _connection_age(settings: Settings) -> Options:
    """By default grpc ends no connection for its age."""
    if not settings.connection_max_age:
        return []
    return [
        ("grpc.max_connection_age_ms", _milliseconds(settings.connection_max_age)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(settings.connection_max_age_grace)),
    ]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
