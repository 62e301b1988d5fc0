"""Health checks by grpc-status.

Envoy's own compare the status of HTTP. So each check goes to a listener inside Envoy, the checker: it passes
the check on to the target whose address a header gives, and makes a status of HTTP of the grpc-status that
comes back.
"""

from importlib import resources

from alb.matcher import Matcher
from alb.parameters import HealthCheck, Parameters
from alb.protos import Config, address, http2_upstream, lua_filter, manager, router_filter, seconds

_CLUSTER = "checked"


def health_check(check: HealthCheck) -> Config:
    interval = seconds(check.interval)
    return {
        "interval": interval,
        # Until the first call. Envoy begins to check before its checker listens, and would wait for 60 s.
        "no_traffic_interval": seconds(min(check.interval, 1)),
        "no_traffic_healthy_interval": interval,
        "timeout": seconds(check.timeout),
        "healthy_threshold": check.healthy_threshold,
        "unhealthy_threshold": check.unhealthy_threshold,
        "http_health_check": {
            "path": check.path,
            "method": "POST",
            "codec_client_type": "HTTP2",
            "request_headers_to_add": [
                _header("user-agent", "ELB-HealthChecker/2.0"),
                # The very address that calls go to: a name looked up once more could have become another.
                _header("x-checked-address", "%UPSTREAM_HOST%"),
            ],
            "send": {"text": "0000000000"},  # an empty message in hex: a unary method waits for one
            # Only statuses in this list are counted against the threshold; any other fails at once.
            "retriable_statuses": [{"start": 503, "end": 504}],
        },
    }


def probed(parameters: Parameters, host: str, port: int) -> Config:
    """The target, with the way that its checks take."""
    return {
        "address": address(host, port),
        "health_check_config": {"address": _socket(parameters)},
    }


def checker_listener(parameters: Parameters) -> Config:
    check = parameters.health
    route = {"cluster": _CLUSTER, "timeout": seconds(check.timeout)}
    virtual_host = {
        "name": "checks",
        "domains": ["*"],
        # Added on the way out: what comes in as gRPC has Envoy's own failures answered in gRPC, with
        # a status that a wide matcher would take for the target's.
        "request_headers_to_add": [_header("content-type", "application/grpc"), _header("te", "trailers")],
        "routes": [{"match": {"prefix": "/"}, "route": route}],
    }
    filters = [lua_filter(_script(check.matcher)), router_filter()]
    connection = manager("checks", route_config={"virtual_hosts": [virtual_host]}, http_filters=filters)
    return {"name": "checks", "address": _socket(parameters), "filter_chains": [{"filters": [connection]}]}


def checker_cluster() -> Config:
    """Whatever target a check is for."""
    return {
        "name": _CLUSTER,
        "connect_timeout": "1s",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"use_http_header": True, "http_header_name": ":authority"},
        # An ALB opens a connection for each check.
        "typed_extension_protocol_options": http2_upstream(max_requests_per_connection=1),
    }


def _script(matcher: Matcher) -> str:
    pairs = ", ".join(f"{{ {low}, {high} }}" for low, high in matcher.ranges)
    return f"local PASSING = {{ {pairs} }}\n" + resources.files("alb").joinpath("checker.lua").read_text()


def _socket(parameters: Parameters) -> Config:
    return {"pipe": {"path": f"{parameters.run_folder}/checks.sock"}}


def _header(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
