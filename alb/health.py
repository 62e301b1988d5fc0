"""Health checks by grpc-status.

Envoy's own compare the status of HTTP. So each check goes to a listener inside Envoy, the checker: it passes
the check on to the target that `:authority` names, and makes a status of HTTP of the grpc-status that
comes back.
"""

from importlib import resources

from alb.matcher import Matcher
from alb.parameters import HealthCheck, Parameters
from alb.protos import Config, address, http2_upstream, lua_filter, manager, router_filter, seconds, typed

_CLUSTER = "checked"
_CACHE = {"name": "checked", "dns_lookup_family": "V4_PREFERRED"}
_PROXY = "dynamic_forward_proxy"


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
        "reuse_connection": False,  # an ALB opens a connection for each check
        "http_health_check": {
            "path": check.path,
            "method": "POST",
            "codec_client_type": "HTTP2",
            "request_headers_to_add": [_header("user-agent", "ELB-HealthChecker/2.0")],
            "send": {"text": "0000000000"},  # an empty message in hex: a unary method waits for one
            # Only statuses in this list are counted against the threshold; any other fails at once.
            "retriable_statuses": [{"start": 503, "end": 504}],
        },
    }


def probed(parameters: Parameters, host: str, port: int) -> Config:
    """The target, with the way that its checks take."""
    return {
        "address": address(host, port),
        "health_check_config": {"address": _socket(parameters), "hostname": f"{host}:{port}"},
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
    filters = [_forward_proxy(), lua_filter(_script(check.matcher)), router_filter()]
    connection = manager("checks", route_config={"virtual_hosts": [virtual_host]}, http_filters=filters)
    return {"name": "checks", "address": _socket(parameters), "filter_chains": [{"filters": [connection]}]}


def checker_cluster() -> Config:
    """Whatever target a check names."""
    message = f"envoy.extensions.clusters.{_PROXY}.v3.ClusterConfig"
    # The options called insecure: targets are spoken to in plain text, so there is no name to verify.
    chosen = {"dns_cache_config": _CACHE, "allow_insecure_cluster_options": True}
    return {
        "name": _CLUSTER,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": typed(f"envoy.clusters.{_PROXY}", message, **chosen),
        "typed_extension_protocol_options": http2_upstream(max_requests_per_connection=1),
    }


def _forward_proxy() -> Config:
    message = f"envoy.extensions.filters.http.{_PROXY}.v3.FilterConfig"
    return typed(f"envoy.filters.http.{_PROXY}", message, dns_cache_config=_CACHE)


def _script(matcher: Matcher) -> str:
    pairs = ", ".join(f"{{ {low}, {high} }}" for low, high in matcher.ranges)
    return f"local PASSING = {{ {pairs} }}\n" + resources.files("alb").joinpath("checker.lua").read_text()


def _socket(parameters: Parameters) -> Config:
    return {"pipe": {"path": f"{parameters.run_folder}/checks.sock"}}


def _header(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
