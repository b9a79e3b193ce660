"""Options that commands share which write packs; those of a single texture are in :mod:`texup.cli.usage.options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import click

from texup.cli.usage.settings import setting
from texup.cli.usage.values import ShardType, Word
from texup.policy.choices import GateChoice

COPY_OTHER_OPTION = setting(
    "--copy-other", is_flag=True, help="Copy files that are no textures, so that the pack is complete."
)
FORCE_OPTION = click.option("--force", is_flag=True, help="Do everything again, also what was changed by hand since.")
KEEP_EXISTING_OPTION = click.option(
    "--keep-existing", is_flag=True, help="Write into a folder that texup did not make; files that lie there stay."
)
SHARD_OPTION = click.option(
    "--shard",
    type=ShardType(),
    help="Only part K of N of the pack, for machines that do not talk to each other; `texup merge` joins them.",
)
GATE_OPTION = setting(
    "--gate",
    type=Word(get_args(GateChoice)),
    default="warn",
    show_default=True,
    help="Results of nets that look wrong (hatching, noise, lattices, seams, other colours): warn names them; fallback"
    " also does them again with the faithful net and keeps the better.",
)
QUIET_OPTION = click.option("-q", "--quiet", is_flag=True, help="Print failures only.")
VERBOSE_OPTION = click.option("-v", "--verbose", is_flag=True, help="Print a line for every file.")


def writing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what the commands have in common that make a pack: what is written, what the gate does, what is told."""
    for option in (VERBOSE_OPTION, QUIET_OPTION, GATE_OPTION, KEEP_EXISTING_OPTION, FORCE_OPTION, COPY_OTHER_OPTION):
        command = option(command)
    return command
