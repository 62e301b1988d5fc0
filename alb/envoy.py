"""Envoy's configuration: the listener that clients see, and the targets behind it.

It is written as JSON, which Envoy reads as well as YAML. `health` has the other half, the health checks.
"""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from alb.health import checker_cluster, checker_listener, health_check, probed
from alb.parameters import Parameters
from alb.protos import Config, address, http2_upstream, lua_filter, manager, router_filter, seconds, typed

Target = tuple[str, int]
"""Host and port."""

TARGETS_FILE = "targets.json"
"""Holds the registered targets; Envoy reads it anew when another file is moved in its place."""

_CLUSTER = "targets"


def configuration(parameters: Parameters, targets: Sequence[Target] | None = None) -> Config:
    """The whole of it. Without `targets`, they come from `TARGETS_FILE` in the run folder, and go by that."""
    return {
        "node": {"id": "alb", "cluster": "alb"},  # what reads `TARGETS_FILE` wants to be called something
        "admin": {"address": address("127.0.0.1", 0)},
        "static_resources": {
            "listeners": [_listener(parameters), checker_listener(parameters)],
            "clusters": [_targets(parameters, targets), checker_cluster()],
        },
    }


def discovered(parameters: Parameters, targets: Sequence[Target]) -> Config:
    """What `TARGETS_FILE` holds."""
    return {
        "resources": [
            {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"}
            | _assignment(parameters, targets)
        ]
    }


def _listener(parameters: Parameters) -> Config:
    return {
        "name": "clients",
        "address": address(*parameters.listen),
        "enable_reuse_port": False,  # with it a second balancer would take half of the connections, unnoticed
        "filter_chains": [{"transport_socket": _tls(parameters), "filters": [_manager(parameters)]}],
    }


def _tls(parameters: Parameters) -> Config:
    """An ALB offers HTTP/1.1 too, and answers it with 464."""
    certificate = {
        "certificate_chain": {"filename": parameters.certificate},
        "private_key": {"filename": parameters.key},
    }
    return typed(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificates": [certificate],
        },
    )


def _manager(parameters: Parameters) -> Config:
    idle = seconds(parameters.idle_timeout)
    script = resources.files("alb").joinpath("request.lua").read_text()
    return manager(
        "clients",
        use_remote_address=True,  # X-Forwarded-For gets the client's address, as the last entry
        generate_request_id=False,  # the header X-Request-Id is the client's own
        preserve_external_request_id=True,
        server_header_transformation="PASS_THROUGH",
        stream_idle_timeout=idle,
        request_timeout="0s",
        common_http_protocol_options={
            "idle_timeout": idle,
            "max_requests_per_connection": parameters.max_requests,
        },
        local_reply_config={"mappers": [_idle_timeout()]},
        http2_protocol_options={"max_concurrent_streams": parameters.max_streams},
        route_config={"virtual_hosts": [_virtual_host()]},
        http_filters=[lua_filter(script), router_filter()],
    )


def _idle_timeout() -> Config:
    """A target that sent nothing before the idle timeout is 504 to an ALB; Envoy would say 408."""
    return {"filter": {"response_flag_filter": {"flags": ["SI"]}}, "status_code": 504}


def _virtual_host() -> Config:
    port = {"key": "x-forwarded-port", "value": "%DOWNSTREAM_LOCAL_PORT%"}
    return {
        "name": "all",
        "domains": ["*"],
        "request_headers_to_add": [{"header": port, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        "request_headers_to_remove": ["x-envoy-external-address", "x-envoy-internal"],
        # A call lasts as long as messages pass; only the idle timeout ends it.
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": _CLUSTER, "timeout": "0s"}}],
    }


def _targets(parameters: Parameters, targets: Sequence[Target] | None) -> Config:
    return _source(parameters, targets) | {
        "name": _CLUSTER,
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "common_lb_config": {
            # Only when all targets are unhealthy does an ALB send calls to all of them.
            "healthy_panic_threshold": {"value": 1},
            "update_merge_window": "0s",  # by default what it finds is acted upon a second later
        },
        "circuit_breakers": {"thresholds": [_unlimited()]},
        "typed_extension_protocol_options": http2_upstream(),
        "health_checks": [health_check(parameters.health)],
        # Calls of a target that is deregistered go on; one that fails its checks keeps what it has, too.
        "ignore_health_on_host_removal": True,
    }


def _unlimited() -> Config:
    """Envoy's own limits would refuse the 1025th call under way; an ALB knows none."""
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return dict.fromkeys(limits, 2**32 - 1)


def _source(parameters: Parameters, targets: Sequence[Target] | None) -> Config:
    if targets is not None:
        return {"type": "STRICT_DNS", "load_assignment": _assignment(parameters, targets)}
    file = {"path": f"{parameters.run_folder}/{TARGETS_FILE}"}
    source = {"resource_api_version": "V3", "path_config_source": file}
    return {"type": "EDS", "eds_cluster_config": {"eds_config": source}}


def _assignment(parameters: Parameters, targets: Sequence[Target]) -> Config:
    endpoints: list[Any] = [{"endpoint": probed(parameters, *target)} for target in targets]
    return {"cluster_name": _CLUSTER, "endpoints": [{"lb_endpoints": endpoints}]}
