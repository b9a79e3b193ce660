"""``texup completion``: the script with which a shell completes commands, options and their values."""

from __future__ import annotations

import click

from texup.cli.console import show_lines
from texup.cli.usage.values import Word

VARIABLE = "_TEXUP_COMPLETE"  # as main reads it
SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command()
@click.argument("shell", type=Word(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete texup: commands, options, models, recipes, formats and other words.

    \b
    Examples:
      texup completion bash > ~/.local/share/bash-completion/completions/texup
      texup completion zsh > "${fpath[1]}/_texup"
      texup completion fish > ~/.config/fish/completions/texup.fish
      texup completion powershell >> $PROFILE
    """
    from click.shell_completion import get_completion_class

    from texup.cli.main import main

    maker = get_completion_class(shell)
    if maker is None:  # a shell that click no longer knows
        raise click.UsageError(f"no completion for {shell}")
    show_lines(maker(main, {}, "texup", VARIABLE).source())
