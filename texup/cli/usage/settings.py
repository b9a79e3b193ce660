"""Options that take their default from the environment or from the user's file, when the command line is silent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from texup.cli.console import report
from texup.errors import UsageError, near, nearest
from texup.places import CONFIG, FOLDER_KEY, VARIABLES, config_file, models_folder, user_values

F = TypeVar("F", bound=Callable[..., Any])
PREFIX = "TEXUP_"
KEYS = (
    *("scale", "model", "blend", "method", "grain", "color_fix", "normals", "palette"),
    *("alpha", "key", "edges", "format", "dds", "dds_quality", "png", "copy_other", "gate", "gallery"),
    *("device", "precision", "tile", "overlap", "batch", "jobs", "engine"),
)
"""In the user's file; in the environment ``TEXUP_`` stands before them. What belongs to one call is not among them."""
RIVALS = {"models": "blend", "blend": "models"}
"""Parameters of which the one that is given nearer to the command line makes a default of the other void."""
_KNOWN = "texup.user_values"  # in click's context


class Setting(click.Option):
    """An option with a key in the user's file, and a variable in the environment, which goes before the file."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Take what click's own option takes; the longest name gives key and variable."""
        super().__init__(*arguments, **more)
        self.key = max(self.opts, key=len).lstrip("-").replace("-", "_")
        self.envvar = PREFIX + self.key.upper()

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value and where it is from: what only the file knows comes before the built-in default."""
        value, source = super().consume_value(ctx, opts)
        is_open = source is ParameterSource.DEFAULT and not ctx.resilient_parsing
        if is_open and self.key in (values := _checked_values(ctx)):
            return values[self.key], ParameterSource.DEFAULT_MAP
        return value, source

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the converted value; one of the file is read as if it were typed."""
        if ctx.get_parameter_source(self.name or "") is ParameterSource.DEFAULT_MAP:
            value = self._typed(ctx, value)
        return super().process_value(ctx, value)

    def _typed(self, ctx: click.Context, value: Any) -> Any:
        many = value if self.multiple and isinstance(value, list) else [value]
        kinds = (bool,) if self.is_flag else (str, int, float)
        if not all(type(one) in kinds for one in many):
            kind = "true or false" if self.is_flag else "a text or a number"
            raise click.BadParameter(f"{value!r} is not allowed; write {kind}", ctx, self)
        texts = [one if self.is_flag else str(one) for one in many]
        return texts if self.multiple else texts[0]


def setting(*names: str, **more: Any) -> Callable[[F], F]:
    """Return a decorator for an option that the environment and the user's file may give a default."""
    return click.option(*names, cls=more.pop("cls", Setting), **more)


def given(param: click.Parameter, ctx: click.Context) -> tuple[str, Any] | None:
    """Return what gave an option its value, variable or file and key, and that value; None for the command line."""
    source = ctx.get_parameter_source(param.name or "")
    if isinstance(param, Setting) and source is ParameterSource.ENVIRONMENT:
        return str(param.envvar), os.environ[str(param.envvar)]
    if isinstance(param, Setting) and source is ParameterSource.DEFAULT_MAP:
        return f"{config_file()}: {param.key}", _checked_values(ctx)[param.key]
    return None


def stronger(ctx: click.Context, first: str, second: str) -> str | None:
    """Return which of two parameters was given nearer to the command line; None where both were in the same way."""
    one, other = ctx.get_parameter_source(first), ctx.get_parameter_source(second)
    if one is None or other is None or one == other:
        return None
    return first if one < other else second


def unknown_variables() -> Iterator[str]:
    """Yield a line about each variable that looks like texup's and is none."""
    known = [*VARIABLES, *(PREFIX + key.upper() for key in KEYS)]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            hint = near(name, known)
            yield f"warning: {name}: texup knows no such variable" + (f"; did you mean {hint}?" if hint else "")


def tell_defaults(ctx: click.Context) -> None:
    """Print where defaults come from, unless the command is quiet: the same words may mean something else elsewhere."""
    if not ctx.params.get("quiet"):
        for line in unknown_variables():
            report(line)
        for param in ctx.command.params:
            rival = RIVALS.get(param.name or "")
            if (found := given(param, ctx)) and (rival is None or stronger(ctx, param.name or "", rival) != rival):
                place, value = found
                report(f"default: {max(param.opts, key=len)} {value} ({place})")


def forget_defaults() -> None:
    """Make the environment as if the user had given no defaults, for this process and those that it starts."""
    os.environ[CONFIG] = ""
    for key in KEYS:
        os.environ.pop(PREFIX + key.upper(), None)


def _checked_values(ctx: click.Context) -> dict[str, Any]:
    """Return what the user's file says, read once a call."""
    if _KNOWN not in ctx.meta:
        values = user_values()
        for key in values:
            if key not in (known := (*KEYS, FOLDER_KEY)):
                raise UsageError(f"{config_file()}: unknown key {key}; {nearest(key, known)}")
        ctx.meta[_KNOWN] = values
    found: dict[str, Any] = ctx.meta[_KNOWN]
    return found


def user_defaults(ctx: click.Context, command: click.Command) -> dict[str, Any]:
    """Return every default of the user's own: variables of the environment, then keys of the file, each converted once.

    Args:
        ctx: the call that asks.
        command: one that has an option for every key, as ``upscale``.

    Raises:
        UsageError: a key that texup does not know, or a value that no option takes.
    """
    variables = [PREFIX + key.upper() for key in KEYS]
    found: dict[str, Any] = {name: os.environ[name] for name in variables if os.environ.get(name)}
    options = {param.key: param for param in command.params if isinstance(param, Setting)}
    trial = click.Context(command, parent=ctx.find_root(), info_name=command.name)
    models_folder()
    for param in options.values():
        param.handle_parse_result(trial, {}, [])
    return found | {f"{config_file()}: {key}": value for key, value in _checked_values(ctx).items()}
