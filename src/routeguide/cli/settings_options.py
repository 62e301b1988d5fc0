"""The flags of the settings, made from the settings themselves."""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from routeguide.errors import SettingsError
from routeguide.settings import Settings, variable

Function = TypeVar("Function", bound=Callable[..., Any])

_METAVARS: Mapping[object, str] = types.MappingProxyType({int: "INTEGER", float: "NUMBER"})


def settings_options(*fields: str) -> Callable[[Function], Function]:
    """Gives a command a flag for each of `fields`, or for every setting when none is named.

    Secrets have none: whoever may list the processes of a machine reads their command lines.

    The command gets one argument for all of them, `flags`: by field name, the values that were given on
    the command line, for `load_settings`. They are text, so that the settings check them all at once.
    """

    def decorate(function: Function) -> Function:
        for field in reversed(fields or _fields_with_flags()):
            function = _option(field, Settings.model_fields[field])(function)
        return function

    return decorate


def load_settings(
    flags: Mapping[str, Any], *, look: Callable[[Settings], Sequence[str]] | None = None
) -> Settings:
    """The effective settings; `look` tells what is wrong with the files that they name.

    Raises:
        SettingsError: with every problem; one with a flag names the flag, not the variable.
    """
    try:
        return Settings.load(flags, look=look)
    except SettingsError as error:
        raise SettingsError([_naming_flag(problem, flags) for problem in error.problems]) from None


def flag(field: str) -> str:
    """The flag of a setting."""
    return "--" + field.replace("_", "-")


def _fields_with_flags() -> tuple[str, ...]:
    return tuple(field for field, info in Settings.model_fields.items() if info.annotation is not SecretStr)


def _option(field: str, info: FieldInfo) -> Callable[[Function], Function]:
    name = flag(field)
    boolean = info.annotation is bool
    return click.option(
        f"{name}/--no-{name.removeprefix('--')}" if boolean else name,
        default=None,
        type=None if boolean else str,
        metavar=None if boolean else _metavar(info.annotation),
        help=f"{info.description}  [default: {_shown(info.default)}]",
        expose_value=False,
        callback=_collect,
    )


def _collect(ctx: click.Context, param: click.Parameter, value: object) -> None:
    flags = ctx.params.setdefault("flags", {})
    if value is not None:
        flags[param.name] = value


def _metavar(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return f"[{'|'.join(get_args(annotation))}]"
    return _METAVARS.get(annotation, "TEXT")


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default) or "none"


def _naming_flag(problem: str, flags: Mapping[str, Any]) -> str:
    name, separator, rest = problem.partition(":")
    for field in flags:
        if name == variable(field):
            return flag(field) + separator + rest
    return problem
