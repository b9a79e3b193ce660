"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from texup.calls.options import BATCH, JOBS, OVERLAP, TILE, Options, Precision
from texup.cli.usage.settings import Setting, setting, stronger
from texup.cli.usage.values import AutoOr, AutoOrShare, DeviceType, EdgesType, KeyType, ModelType, Word, offered
from texup.policy.choices import (
    MAX_GRAIN,
    AlphaChoice,
    DdsChoice,
    DdsQualityChoice,
    MethodChoice,
    NormalsChoice,
    PaletteChoice,
    PngChoice,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions(Options):
    """What the user asked of ``upscale`` or ``inspect``, and how it shall be told."""

    remember: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


class FormatOption(Setting):
    """An option that names a convention; ``{formats}`` in its help stands for all of them."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help, for which alone the table of conventions is read here."""
        from texup.conventions.table import CONVENTIONS

        *others, last = [convention.id for convention in CONVENTIONS]
        record = super().get_help_record(ctx)
        return record and (record[0], record[1].replace("{formats}", f"{', '.join(others)} or {last}"))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the conventions that begin as what is typed."""
        from texup.conventions.table import CONVENTIONS

        return offered(("auto", *(convention.id for convention in CONVENTIONS)), incomplete)


def format_option(meaning: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that names a convention; ``{formats}`` in its help stands for all of them."""
    return setting(
        "--format",
        "convention",
        cls=FormatOption,
        default="auto",
        show_default=True,
        metavar="auto|ID",
        help=meaning,
    )


DEVICE_OPTION = setting(
    "--device",
    type=DeviceType(),
    default="auto",
    show_default=True,
    help="auto, cpu, cuda, cuda:N, xpu or mps; packs also take several cards at once: all, or cuda:0,cuda:1.",
)
TILE_OPTION = setting(
    "--tile",
    type=AutoOr(*TILE),
    default="auto",
    help="Largest side of a tile in texels, 16 to 4096. [default: auto]",
)
PIXEL_OPTIONS = (
    setting("--scale", type=int, help="Times as large. [default: as the model, 4 for the shipped ones]"),
    setting(
        "--model",
        "models",
        type=ModelType(),
        multiple=True,
        metavar="NAME|FILE",
        help="Model of the catalog, or a file of weights; given again it chains, in floating point.",
    ),
    setting(
        "--blend",
        type=AutoOrShare("0 (PSNR) to 1 (GAN)"),
        help="Share of GAN in the catalog's own pair; auto: as it advises.",
    ),
    DEVICE_OPTION,
    setting(
        "--precision",
        type=Word(get_args(Precision)),
        default="auto",
        show_default=True,
        help="auto: fp16 on CUDA; bf16 for shipped nets on CPUs that multiply it; else fp32. Overflows get fp32.",
    ),
    TILE_OPTION,
    setting(
        "--overlap",
        type=click.IntRange(*OVERLAP),
        help="Texels of context around tiles. [default: what the model needs]",
    ),
    setting(
        "--batch",
        type=AutoOr(*BATCH),
        default="auto",
        metavar="auto|PIXELS",
        help="Texels in one batch. [default: auto]",
    ),
    setting(
        "--alpha",
        type=Word(get_args(AlphaChoice)),
        default="auto",
        show_default=True,
        help="What the alpha channel is; auto decides for each texture.",
    ),
    setting(
        "--key",
        type=KeyType(),
        default="auto",
        show_default=True,
        help="Colour that stands for nothing in pictures without alpha: cut out and written back exactly; auto: where"
        " a saturated one fills the outside of a sprite.",
    ),
    setting(
        "--edges",
        type=EdgesType(),
        default="auto",
        show_default=True,
        help="What lies beyond the borders: auto, wrap, mirror or clamp; X,Y for each axis.",
    ),
    setting(
        "--method",
        type=Word(get_args(MethodChoice)),
        default="auto",
        show_default=True,
        help="How pictures are enlarged; auto: pixel art by a net of its own, everything else by the chosen nets.",
    ),
    setting(
        "--color-fix/--no-color-fix", default=True, show_default=True, help="Keep the source's colours over areas."
    ),
    setting(
        "--grain",
        type=AutoOrShare(f"0 (none) to {MAX_GRAIN:g}", (0.0, MAX_GRAIN)),
        default="auto",
        show_default=True,
        help="Fibre and grit that no net invents, in the kind of the texture's own; auto: on rough surfaces, as much"
        " as they need; 0: none; up to 2.",
    ),
    setting(
        "--palette",
        type=Word(get_args(PaletteChoice)),
        default="expand",
        show_default=True,
        help="Write textures with a palette as RGB(A), or in their own palette again.",
    ),
)
PACK_OPTIONS = (
    format_option("Whose loader reads the result: {formats}; auto finds it by the names."),
    click.option(
        "--rules",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Your own rules for single files. [default: texup.toml in the pack, where there is one]",
    ),
    setting(
        "--normals",
        type=Word(get_args(NormalsChoice)),
        default="resize",
        show_default=True,
        help="Normal maps: vectors interpolated, through the net and renormalised, or left as they are.",
    ),
    setting(
        "--dds",
        type=Word(get_args(DdsChoice)),
        help="Write DDS with mips where the loader reads it. [default: the source's format]",
    ),
    setting(
        "--dds-quality",
        type=Word(get_args(DdsQualityChoice)),
        default="fast",
        show_default=True,
        help="How close BC7 is to the picture: normal is 2 to 3.4 dB closer and takes four times as long; best 0.1 to"
        " 0.4 dB more, twelve times.",
    ),
    setting(
        "--png",
        type=Word(get_args(PngChoice)),
        default="fast",
        show_default=True,
        help="How PNGs are packed: at once, or 12 % smaller and a hundred times slower; the same pixels.",
    ),
    click.option("--textures-lump", is_flag=True, help="GZDoom: a TEXTURES lump instead of hires/."),
    click.option("--resource-pack", metavar="ID", help="Dolphin: write a resource pack of this id."),
    click.option("--include", multiple=True, metavar="GLOB", help="Only files that match; may be repeated."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="No files that match; may be repeated."),
    setting("--jobs", type=click.IntRange(*JOBS), help="Threads that read and write. [default: one per core]"),
)


def processing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide what happens to a texture; the command gets them as one value."""
    names = {field.name for field in fields(CommandOptions)}

    @wraps(command)
    def with_options(*arguments: Any, **values: Any) -> Any:
        asked = {name: value for name, value in values.items() if name in names}
        others = {name: value for name, value in values.items() if name not in names}
        return command(*arguments, options=CommandOptions(**_without_rival(asked)), **others)

    decorated: Callable[..., Any] = with_options
    for option in reversed(PIXEL_OPTIONS + PACK_OPTIONS):
        decorated = option(decorated)
    return decorated


def _without_rival(asked: dict[str, Any]) -> dict[str, Any]:
    """Return options without a default of ``--model`` beside a typed ``--blend``, and the other way round."""
    if not asked["models"] or asked["blend"] is None:
        return asked
    kept = stronger(click.get_current_context(), "models", "blend")
    return asked | ({"blend": None} if kept == "models" else {"models": ()} if kept == "blend" else {})
