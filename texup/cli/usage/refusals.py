"""Wrong use, in the one line that every other error has too: click would print three, in a style of its own."""

from __future__ import annotations

import click

from texup.cli.usage.settings import given
from texup.errors import near, nearest


def refusal_of(error: click.ClickException) -> str:
    """Return what click refused, what is the nearest that it knows, and where the help is."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    place = "" if ctx is None else f" ({' '.join(('texup', *_words(ctx), '--help'))})"
    return f"{_told(error, ctx)}{place}"


def _words(ctx: click.Context) -> list[str]:
    """Return the command that was asked, without the program: "models" and "list"."""
    return [] if ctx.parent is None else [*_words(ctx.parent), ctx.info_name or ""]


def _told(error: click.ClickException, ctx: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"no option {error.option_name}{_suggested(error.option_name, _options(ctx))}"
    if isinstance(error, click.NoSuchCommand) and ctx is not None and isinstance(ctx.command, click.Group):
        known = ctx.command.list_commands(ctx)
        return f"no command {error.command_name}; {nearest(error.command_name, known)}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{_name(error.param)} is missing"
    if isinstance(error, click.BadParameter) and error.param is not None:
        found = ctx and given(error.param, ctx)
        return f"{found[0] if found else _name(error.param)}: {_clause(error.message)}"
    return _clause(error.format_message())


def _clause(text: str) -> str:
    """Return a sentence of click's as texup spells messages."""
    return f"{text[:1].lower()}{text[1:].removesuffix('.')}"


def _name(param: click.Parameter) -> str:
    """Return an argument as the usage has it, an option as it is typed."""
    if isinstance(param, click.Argument):
        return param.human_readable_name.removesuffix("...")
    return max(param.opts, key=len)


def _options(ctx: click.Context | None) -> list[str]:
    if ctx is None:
        return []
    return [name for param in ctx.command.get_params(ctx) for name in (*param.opts, *param.secondary_opts)]


def _suggested(word: str, known: list[str]) -> str:
    """Return the nearest option; nothing where none is near, as a list of thirty helps nobody."""
    found = near(word, known)
    return "" if found is None else f"; did you mean {found}?"
