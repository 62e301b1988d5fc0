"""The parts of Envoy's configuration that are the same everywhere."""

from typing import Any

Config = dict[str, Any]

_UPSTREAM = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_FILTERS = "envoy.extensions.filters.http"


def typed(name: str, message: str, **fields: Any) -> Config:
    """An extension with its own configuration."""
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{message}", **fields}}


def address(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}


def seconds(duration: float) -> str:
    return f"{duration:g}s"


def manager(name: str, **fields: Any) -> Config:
    """The network filter that speaks HTTP."""
    message = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return typed("envoy.filters.network.http_connection_manager", message, stat_prefix=name, **fields)


def lua_filter(script: str) -> Config:
    source = {"inline_string": script}
    return typed("envoy.filters.http.lua", f"{_FILTERS}.lua.v3.Lua", default_source_code=source)


def router_filter() -> Config:
    """The last of the HTTP filters; it adds no headers of Envoy's own."""
    message = f"{_FILTERS}.router.v3.Router"
    return typed("envoy.filters.http.router", message, suppress_envoy_headers=True)


def http2_upstream(**common: Any) -> Config:
    """HTTP/2 in plain text towards a cluster, as a gRPC target group has it."""
    options = {"explicit_http_config": {"http2_protocol_options": {}}, "common_http_protocol_options": common}
    return {_UPSTREAM: {"@type": f"type.googleapis.com/{_UPSTREAM}", **options}}
