"""What the server reports on itself, and where to."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from routeguide.addresses import checked_address
from routeguide.settings.concern import Concern
from routeguide.settings.names import variable


class TelemetrySettings(Concern):
    """Times are in seconds."""

    access_log: Literal["all", "errors", "off"] = Field(
        "errors", description="Which calls are logged when they have ended: all, errors or off."
    )
    metrics_listen: str = Field(
        "",
        description="Address and port of the endpoint for Prometheus, /metrics; without one there is none.",
    )
    otlp_endpoint: str = Field(
        "",
        description="URL of a collector for OTLP over HTTP, such as http://localhost:4318; none: no export.",
    )
    otlp_interval: float = Field(
        60.0, ge=0.1, le=3600, description="Seconds between two exports of metrics to the collector."
    )
    traces: bool = Field(False, description="Whether calls are traced to the collector.")
    trace_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of calls that are traced where the caller has not decided it.",
    )
    channelz: bool = Field(
        False, description="Whether channelz tells callers about connections, with their addresses."
    )

    @field_validator("access_log", mode="before")
    @classmethod
    def _case_of_the_mode_does_not_matter(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("metrics_listen")
    @classmethod
    def _metrics_listen_has_host_and_port(cls, value: str) -> str:
        return checked_address(value) if value else value

    @field_validator("otlp_endpoint")
    @classmethod
    def _otlp_endpoint_is_the_base_of_urls(cls, value: str) -> str:
        if value and not _is_base_url(value):
            raise ValueError("must be http:// or https:// and a host, without query or fragment")
        return value

    def contradictions(self) -> Iterator[str]:
        yield from super().contradictions()
        endpoint = variable("otlp_endpoint")
        if self.otlp_endpoint and not _can_export():
            yield f"{endpoint}: the packages for it are missing; install routeguide[telemetry]"
        if self.traces and not self.otlp_endpoint:
            yield f"{variable('traces')}: traces need a collector; set {endpoint} too"


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and not parts.query and not parts.fragment


def _can_export() -> bool:
    """Whether the extra is installed, found out without importing all of it."""
    try:
        found = map(find_spec, ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.propagators.aws"))
        return all(found)
    except ModuleNotFoundError:
        return False
