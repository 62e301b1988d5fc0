"""Where the server listens, how it stops, what it logs."""

from typing import Literal

from pydantic import Field, field_validator

from routeguide.addresses import checked_address
from routeguide.settings.concern import Concern


class ServingSettings(Concern):
    """Times are in seconds."""

    listen: str = Field(
        "localhost:50051",
        description="Address and port to serve on; port 0 takes a free one, [::] is every interface.",
    )
    reflection: bool = Field(True, description="Whether grpcurl and others may ask for the schema.")
    drain_delay: float = Field(
        0.0, ge=0, le=3600, description="Seconds to keep serving, reported not ready, after SIGTERM."
    )
    stop_grace: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="Seconds that calls in flight may take to finish once the listener is closed.",
    )
    platform_stop_timeout: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="Seconds after which the platform kills a stopping server, as a check; 0 if unknown.",
    )
    ready_needs_storage: bool = Field(
        True, description="Whether a server whose store does not answer says that it is not ready."
    )
    storage_probe_interval: float = Field(
        5.0, gt=0, le=3600, description="Seconds between two questions whether the store answers."
    )
    health_check_fails: bool = Field(
        False,
        description="Let Health/Check fail with UNAVAILABLE when not ready, for balancers with matcher 0.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level logged: debug, info, warning or error."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console, json, or auto: console on a terminal and json elsewhere."
    )
    fast_delivery: bool = Field(
        True, description="Deliver gRPC events to the loop without a socket in between."
    )
    batch_scheduling: bool = Field(
        True, description="Ask Linux for SCHED_BATCH, which spares context switches."
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _case_does_not_matter(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("listen")
    @classmethod
    def _listen_has_host_and_port(cls, value: str) -> str:
        return checked_address(value)
