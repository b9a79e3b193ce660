"""What the commands of texup have in common: options in groups in the help, and told defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from texup.cli.usage.settings import tell_defaults

Sections = Mapping[str, tuple[str, ...]]
"""Options, by their long names without the dashes, under the title of their group; both in the order of the help."""

PACK: Sections = {
    "Most used": (
        *("output", "scale", "model", "blend", "method"),
        *("format", "include", "exclude", "device", "dry-run"),
    ),
    "Pixels": ("grain", "color-fix", "normals", "palette"),
    "Alpha and edges": ("alpha", "key", "edges"),
    "Files and loaders": (
        *("rules", "remember", "copy-other", "force", "keep-existing"),
        *("dds", "dds-quality", "png", "textures-lump", "resource-pack"),
    ),
    "Running": (
        "interval",
        "until-idle",
        "gate",
        "precision",
        "tile",
        "overlap",
        "batch",
        "jobs",
        "engine",
        "mixed",
        "shard",
        "fail-fast",
    ),
    "What is shown": ("gallery", "sample", "single-file", "json", "quiet", "verbose", "help"),
}
"""Of ``upscale``, ``watch``, ``inspect`` and ``compare``, each of which has some of them."""

TRAINING: Sections = {
    "Most used": ("data", "out", "seconds", "val", "device"),
    "Weights and losses": ("init", "recipe", "sharp", "vgg-weights"),
    "Running": ("iterations", "resume", "checkpoint-parts", "help"),
}
"""Of ``train`` and ``finetune``."""

BLENDING: Sections = {
    "Most used": ("alpha", "output", "force"),
    "A strip of pictures": ("sweep", "on", "reference", "reduce", "cell", "device", "json", "help"),
}
"""Of ``interpolate``."""


class Sectioned(click.Command):
    """A command whose help may have its options in groups, and that tells which defaults are not texup's own."""

    def __init__(self, *arguments: Any, sections: Sections | None = None, **more: Any) -> None:
        """Take the groups beside what click's own command takes; without them there is one."""
        super().__init__(*arguments, **more)
        self.sections = sections or {}

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        tell_defaults(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups that this command has anything of; what is in none of them is never hidden."""
        by_name = {long_name(param): param for param in self.get_params(ctx) if isinstance(param, click.Option)}
        grouped = {name for names in self.sections.values() for name in names}
        others = tuple(name for name in by_name if name not in grouped)
        for title, names in {**self.sections, "Others" if self.sections else "Options": others}.items():
            found = (by_name[name].get_help_record(ctx) for name in names if name in by_name)
            if records := [record for record in found if record]:
                with formatter.section(title):
                    formatter.write_dl(records)


def long_name(param: click.Parameter) -> str:
    """Return the longest of an option's names, without dashes."""
    return max(param.opts, key=len).lstrip("-")
