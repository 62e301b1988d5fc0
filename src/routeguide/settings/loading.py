"""Loads the settings: the only reader of the environment.

A flag wins over a variable, a variable over `.env` in the working directory, and that over the default.
`Settings.load` reports everything that is wrong at once, each with the name of its variable. `.env.example`
lists every setting; a test holds the two together.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from routeguide.errors import SettingsError
from routeguide.redaction import masked
from routeguide.settings.access import AccessSettings
from routeguide.settings.limits import LimitSettings
from routeguide.settings.live import LiveSettings
from routeguide.settings.names import PREFIX, unknown, variable
from routeguide.settings.postgres import PostgresSettings
from routeguide.settings.serving import ServingSettings
from routeguide.settings.storage import StorageSettings
from routeguide.settings.telemetry import TelemetrySettings
from routeguide.settings.times import Times
from routeguide.settings.tls import TlsSettings
from routeguide.settings.wording import worded

DOTENV = Path(".env")


class Settings(
    TelemetrySettings,
    AccessSettings,
    LiveSettings,
    Times,
    LimitSettings,
    PostgresSettings,
    StorageSettings,
    TlsSettings,
    ServingSettings,
    BaseSettings,
):
    """The effective settings. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, validate_default=True)

    @classmethod
    def load(
        cls, flags: Mapping[str, Any] | None = None, *, look: Callable[[Self], Sequence[str]] | None = None
    ) -> Self:
        """The settings from `flags` (by field name), the environment and `.env`.

        Args:
            flags: values as text; they win.
            look: tells the problems of what the settings name, such as files. It is asked as well where
                settings are wrong: those at fault then have their defaults, and others may contradict
                each other.

        Raises:
            SettingsError: with one line for every problem, unknown variables included.
        """
        problems = unknown({*os.environ, *_dotenv_names()}, cls.model_fields)
        try:
            settings = cls(_env_file=DOTENV, **(flags or {}))
        except ValidationError as error:
            faults = {str(each["loc"][0]): _described(each) for each in error.errors() if each["loc"]}
            settings = cls._with_defaults_for(faults, flags or {})
            problems += [*faults.values(), *_concerning_none_of(faults, settings.contradictions())]
        problems += look(settings) if look else ()
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def _with_defaults_for(cls, faulty: Collection[str], flags: Mapping[str, Any]) -> Self:
        defaults = {field: cls.model_fields[field].default for field in faulty}
        values = _EachByItself(_env_file=DOTENV, **{**flags, **defaults})
        return cls.model_construct(**dict(values))  # type: ignore[return-value]  # pydantic's plugin loses Self

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if problems := list(self.contradictions()):
            raise ValueError("\n".join(problems))
        return self


class _EachByItself(Settings):
    """Values that are valid one by one, whatever they say together."""

    model_config = SettingsConfigDict(defer_build=True)  # only a start that fails needs it

    def contradictions(self) -> Iterator[str]:
        yield from ()


def source_of(field: str, flags: Mapping[str, Any]) -> str:
    """Where the effective value of a setting comes from: flag, variable, .env or default."""
    if field in flags:
        return "flag"
    if field in EnvSettingsSource(Settings)():
        return "variable"
    if field in DotEnvSettingsSource(Settings, env_file=DOTENV)():
        return str(DOTENV)
    return "default"


def _dotenv_names() -> list[str]:
    try:
        return list(dotenv_values(DOTENV))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{DOTENV}: it cannot be read ({error})"]) from error


def _concerning_none_of(faulty: Collection[str], contradictions: Iterator[str]) -> Iterator[str]:
    """Without those that may be gone once a field of `faulty` is right: a contradiction names all of its."""
    variables = set(map(variable, faulty))
    return (line for line in contradictions if variables.isdisjoint(re.findall(r"\w+", line)))


def _described(error: Any) -> str:
    """One of pydantic's errors, as a line that begins with the variable's name."""
    field = str(error["loc"][0])
    if Settings.model_fields[field].annotation is SecretStr:
        return f"{variable(field)}: {worded(error)}"
    return f"{variable(field)}: {worded(error)} (it is {masked(error['input'])!r})"
