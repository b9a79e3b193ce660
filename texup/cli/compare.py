"""``texup compare``: models, blends and methods side by side on one's own textures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texup.calls.options import Options
from texup.cli.console import report
from texup.cli.gallery import PAGE_OPTIONS, finish, opened_site
from texup.cli.usage.options import DEVICE_OPTION, TILE_OPTION, format_option
from texup.cli.usage.sections import PACK, Sectioned
from texup.cli.usage.settings import setting
from texup.cli.usage.values import AutoOrShare, ModelType, Word
from texup.errors import UsageError

if TYPE_CHECKING:
    from texup.policy.rules import Rule
    from texup.upscaling.planning import Plan
    from texup.upscaling.run import Run

METHODS = ("auto", "net", "pixel", "nearest", "smooth", "bicubic")


@click.command(cls=Sectioned, sections=PACK)
@click.argument("sources", metavar="PACK|FILES...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    "models",
    type=ModelType(),
    multiple=True,
    metavar="NAME|FILE",
    help="A model to compare; may be repeated.",
)
@click.option(
    "--blend",
    "blends",
    multiple=True,
    type=AutoOrShare("0 (PSNR) to 1 (GAN)", (0.0, 1.0)),
    help="A share of GAN in the catalog's own pair; may be repeated.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=Word(METHODS),
    help="A way to enlarge; auto: texup's own choice for each texture. May be repeated.",
)
@click.option(
    "--sample", type=click.IntRange(1, 10_000), default=24, show_default=True, help="Textures, chosen for variety."
)
@setting("--scale", type=int, help="Times as large. [default: as texup upscale has it]")
@DEVICE_OPTION
@TILE_OPTION
@format_option("Whose pack it is: {formats}; auto finds it by the names.")
def compare(
    sources: tuple[Path, ...],
    models: tuple[str, ...],
    blends: tuple[float | str, ...],
    methods: tuple[str, ...],
    sample: int,
    page: Path | None,
    single_file: bool,
    **options: Any,
) -> None:
    """Compare models, blends and methods on your own textures, on a page for any browser.

    Takes a pack, a folder or a zip, or some files, as they are: no originals are needed. Each texture goes the way that
    `texup upscale` would send it, once for each --model, --blend and --method; without any of them texup's own choice,
    both ends of its blend and a smooth filter are compared. A sample of a pack is chosen for variety and is the same
    each time; --include and --exclude steer it. Pick the best of each on the page: it writes the rules for
    `texup upscale --rules`. Prints the seconds that each took.

    \b
    Examples:
      texup compare ./n64_textures
      texup compare ./pack --model 4x_community.pth --blend 0.3 --method auto --method pixel --sample 40
      texup compare grass.png wall.png --blend 0 --blend 1 --single-file -o look.html
    """
    from texup.gallery.compare import Comparison, candidates_of, located, sample_of
    from texup.gallery.studio import Studio
    from texup.textures.codecs.decoders import Decoders

    asked = candidates_of([located(model) for model in models], blends, methods)
    extra = [one.rule for one in asked if one.rule is not None]
    place = sources[0] if len(sources) == 1 else _root(sources)
    packs = [source for source in sources if source.is_dir()]
    site, known = opened_site(place, "compare", page, packs, single_file=single_file)
    with _opened(sources, Options(**options), extra) as (run, plan, rules), Decoders() as decoders:
        studio = Studio(site, decoders.decode, known)
        comparison = Comparison(run, plan, asked, studio, decode=decoders.decode, rules=rules)
        chosen = sample_of(run, plan, decoders.decode, sample)
        if not chosen:
            raise UsageError(f"{place}: no texture that would be upscaled")
        count = sum(planned.action == "upscale" for planned in plan.files)
        facts = [f"scale {run.settings.scale}", f"{len(chosen)} of {count} textures"]
        finish(site, comparison.page(chosen, place.name, facts, _progress))
    known.save()
    for one, seconds in zip(asked, comparison.seconds, strict=True):
        report(f"{one.label}: {seconds:.2f} s")


for _option in reversed(PAGE_OPTIONS):
    compare = _option(compare)


def _progress(done: int, count: int) -> None:
    if done % 10 == 0 and done < count:
        report(f"{done} of {count} textures")


def _root(sources: tuple[Path, ...]) -> Path:
    """Return the folder that all files lie in."""
    return Path(os.path.commonpath([os.path.abspath(source.parent) for source in sources]))


@contextmanager
def _opened(sources: tuple[Path, ...], options: Options, extra: list[Rule]) -> Iterator[tuple[Run, Plan, Path | None]]:
    """Give the run and the plan of what is compared, and the file of the user's rules."""
    from dataclasses import replace

    from texup.calls.setup import build_run
    from texup.packs.zips import SUFFIXES, unpack_archive
    from texup.policy.rules import RULES_NAME
    from texup.upscaling.run import plan_of

    source = sources[0]
    if len(sources) > 1 or (source.is_file() and source.suffix.lower() not in SUFFIXES):
        run = replace(build_run(source, None, options, compared=extra), source=_root(sources))
        yield run, _plan_of_files(sources, run), options.rules
    elif source.is_file():
        with unpack_archive(source) as copy:
            run = build_run(copy, None, options, compared=extra)
            yield run, plan_of(run)[0], options.rules or (copy / RULES_NAME if run.rules else None)
    else:
        run = build_run(source, None, options, compared=extra)
        yield run, plan_of(run)[0], options.rules or (source / RULES_NAME if run.rules else None)


def _plan_of_files(sources: tuple[Path, ...], run: Run) -> Plan:
    """Return the plan of single files as a pack of their own."""
    from texup.conventions.plain import PLAIN
    from texup.conventions.table import convention_by_id
    from texup.packs.opening import open_pack
    from texup.packs.walk import Entry
    from texup.upscaling.planning import plan_pack

    entries = []
    for path in dict.fromkeys(Path(os.path.abspath(source)) for source in sources):
        if not path.is_file():
            raise UsageError(f"{path}: {'a folder; name one pack, or files' if path.is_dir() else 'no such file'}")
        entries.append(Entry(path.relative_to(run.source).as_posix(), path.stat().st_size, "texture"))
    convention = PLAIN if run.convention == "auto" else convention_by_id(run.convention)
    return plan_pack(open_pack(run.source, entries), convention, run.wishes, run.rules)
