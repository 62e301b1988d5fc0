"""The settings, and the only reader of the environment.

A flag wins over a variable, a variable over `.env` in the working directory, and that over the default.
`Settings.load` reports everything that is wrong at once, each with the name of its variable. `.env.example`
lists every setting; a test holds the two together.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from routeguide.errors import SettingsError

PREFIX = "ROUTEGUIDE_"
DOTENV = Path(".env")

_STORAGE_URL = re.compile(r"memory://|sqlite:///[^?#]+")

_INJECTED = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)\w*)?)")
"""What Kubernetes and Docker links inject for services whose names begin with routeguide."""

_NOTE_FRAMING = 64
"""Bytes of a note's message on the wire beyond its text: location, tags and lengths."""


class Settings(BaseSettings):
    """The effective settings. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, validate_default=True)

    listen: str = Field(
        "localhost:50051",
        description="Address and port to serve on; port 0 takes a free one, [::] is every interface.",
    )
    storage_url: str = Field(
        "sqlite:///data/routeguide.db",
        description="Where features and notes are kept: memory://, sqlite:///relative or sqlite:////absolute.",
    )
    storage_timeout: float = Field(
        5.0,
        gt=0,
        le=60,
        description="Seconds that a statement waits for a database that somebody else has locked.",
    )
    auto_migrate: bool = Field(
        False,
        description="Bring a database that is behind the code up to date at start, instead of refusing it.",
    )
    seed_features: str = Field(
        "sample",
        min_length=1,
        description="Features for a store that has none: sample (the shipped 100), a file, or none.",
    )
    notes_per_location: int = Field(
        100, ge=1, le=10_000, description="Notes that a location keeps; the newest stay."
    )
    notes_total: int = Field(
        1_000_000, ge=1, le=10**12, description="Notes that the store keeps in all; the newest stay."
    )
    notes_max_age: float = Field(
        0.0,
        ge=0,
        le=1e10,
        description="Seconds after which a note is dropped; 0 keeps notes for ever.",
    )
    max_note_bytes: int = Field(4096, ge=1, description="Bytes of UTF-8 that a note's message may have.")
    max_stream_messages: int = Field(
        100_000, ge=1, le=2**31 - 1, description="Points or notes that a client may send in one stream."
    )
    max_request_bytes: int = Field(
        65_536, ge=1024, le=2**31 - 1, description="Bytes that one request message may have on the wire."
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
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto is console on a terminal and json elsewhere."
    )
    fast_delivery: bool = Field(
        True, description="Deliver gRPC events to the loop without a socket in between."
    )
    batch_scheduling: bool = Field(
        True, description="Ask Linux for SCHED_BATCH, which spares context switches."
    )

    @classmethod
    def load(cls, flags: Mapping[str, Any] | None = None) -> Self:
        """The settings from `flags` (by field name), the environment and `.env`.

        Raises:
            SettingsError: with one line for every problem, unknown variables included.
        """
        problems = unknown_variables()
        try:
            settings = cls(_env_file=DOTENV, **(flags or {}))
        except ValidationError as error:
            raise SettingsError(problems + [_describe(each) for each in error.errors()]) from None
        if problems:
            raise SettingsError(problems)
        return settings

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _case_does_not_matter(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("listen")
    @classmethod
    def _listen_has_host_and_port(cls, value: str) -> str:
        try:
            parts = urlsplit(f"//{value}")
            valid = bool(parts.hostname) and parts.port is not None and parts.netloc == value
        except ValueError:
            valid = False
        if not valid or "@" in value:
            raise ValueError(
                "must be HOST:PORT with a port of 0 to 65535, such as localhost:50051 or [::]:50051"
            )
        return value

    @field_validator("storage_url")
    @classmethod
    def _storage_url_is_known(cls, value: str) -> str:
        if not _STORAGE_URL.fullmatch(value):
            raise ValueError("must be memory://, sqlite:///relative/path or sqlite:////absolute/path")
        return value

    @model_validator(mode="after")
    def _a_note_fits_a_request(self) -> Self:
        if self.max_request_bytes < self.max_note_bytes + _NOTE_FRAMING:
            raise ValueError(
                f"{PREFIX}MAX_REQUEST_BYTES must exceed {PREFIX}MAX_NOTE_BYTES by at least {_NOTE_FRAMING},"
                f" or the longest permitted note would never arrive"
            )
        return self


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def source_of(field: str, flags: Mapping[str, Any]) -> str:
    """Where the effective value of a setting comes from: flag, variable, .env or default."""
    if field in flags:
        return "flag"
    if field in EnvSettingsSource(Settings)():
        return "variable"
    if field in DotEnvSettingsSource(Settings, env_file=DOTENV)():
        return str(DOTENV)
    return "default"


def masked(value: object) -> str:
    """A setting's value as text that may be shown: the password of a URL is hidden."""
    return re.sub(r"(://[^/:@]*:)[^@]*@", r"\1****@", str(value))


def unknown_variables() -> list[str]:
    """A line for every variable with the prefix that is no setting: most often a misspelt one.

    Raises:
        SettingsError: `.env` cannot be read.
    """
    known = {variable(field) for field in Settings.model_fields}
    problems = []
    for name in sorted({*os.environ, *_dotenv_names()}):
        if name.upper().startswith(PREFIX) and name.upper() not in known and not _INJECTED.fullmatch(name):
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{name}: there is no such setting{hint}")
    return problems


def _dotenv_names() -> list[str]:
    try:
        return list(dotenv_values(DOTENV))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{DOTENV}: it cannot be read ({error})"]) from error


def _describe(error: Any) -> str:
    """One line for one of pydantic's errors, which begins with the variable's name."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    field = str(error["loc"][0])
    return f"{variable(field)}: {message} (it is {masked(error['input'])!r})"
