"""``texup gallery``: a finished pack before and after, as a page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from texup.cli.console import report, show
from texup.errors import UsageError

if TYPE_CHECKING:
    from texup.gallery.content import Page
    from texup.gallery.site import Folder, SingleFile
    from texup.gallery.studio import Known

STEP = 500  # textures between two lines of progress

PAGE_OPTIONS = (
    click.option(
        "-o",
        "--output",
        "page",
        type=click.Path(path_type=Path),
        metavar="PAGE",
        help="Folder of the page, or its file with --single-file.",
    ),
    click.option("--single-file", is_flag=True, help="Write one HTML file that holds every picture, up to 64 MiB."),
    click.option("--include", multiple=True, metavar="GLOB", help="Only files that match; may be repeated."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="No files that match; may be repeated."),
    click.option(
        "--rules",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Your own rules, which picks go before. [default: texup.toml in the pack, where there is one]",
    ),
)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--source", type=click.Path(path_type=Path), help="The pack that OUT was made from. [default: OUT without _xN]"
)
@click.pass_context
def gallery(
    ctx: click.Context,
    out: Path,
    source: Path | None,
    page: Path | None,
    single_file: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    rules: Path | None,
) -> None:
    """Show every texture of the finished pack OUT before and after, on a page for any browser.

    The page lies in the folder OUT-gallery beside OUT and opens by a double click; it needs no network. It says what
    was done with each texture and why, and writes what you pick as rules for `texup upscale --rules`. Nothing is
    written into OUT. Call it again after another run: pictures that did not change are kept.

    \b
    Examples:
      texup gallery ./n64_textures_x4
      texup gallery ./hd --source ./dump --include 'walls/**' --single-file -o walls.html
    """
    from texup.packs.zips import is_zip  # here, so that the help of texup stays light

    if source is not None and not (source.is_dir() or is_zip(source)):
        raise UsageError(f"{source}: no such folder or archive; name the pack that {out} was made from")
    write_gallery(out, source, page, rules, (include, exclude), single_file=single_file)
    ctx.exit(0)


for _option in reversed(PAGE_OPTIONS):
    gallery = _option(gallery)


def write_gallery(
    out: Path,
    source: Path | None,
    page: Path | None = None,
    rules: Path | None = None,
    selection: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    *,
    single_file: bool = False,
    tell: Callable[[str], None] = show,
) -> None:
    """Write the page of a finished pack and tell where it is.

    Raises:
        UsageError: there is no manifest, the page would lie in a pack, or is too large for one file.
    """
    from texup.gallery.pack import page_of, read_finished, source_of
    from texup.gallery.studio import Studio
    from texup.packs.walk import matches, patterns
    from texup.textures.codecs.decoders import Decoders

    finished = read_finished(out)
    source = source or source_of(finished)
    rules = rules or _sound_rules_in(source)
    site, known = opened_site(out, "gallery", page, [out, *([source] if source else [])], single_file=single_file)
    wanted, unwanted = patterns(selection[0]), patterns(selection[1])
    with Decoders() as decoders:
        studio = Studio(site, decoders.decode, known)
        made = page_of(
            finished,
            source,
            rules,
            studio,
            keep=lambda path: (not wanted or matches(path, wanted)) and not matches(path, unwanted),
            workers=max(2, os.cpu_count() or 2),
            progress=_progress,
        )
    finish(site, made, tell)
    known.save()


def _sound_rules_in(source: Path | None) -> Path | None:
    """Return the rules that lie in a pack, if they make sense: to look at what is finished one needs none."""
    from texup.policy.rules import RULES_NAME, load_rules

    beside = source / RULES_NAME if source is not None else None
    if beside is None or beside.is_symlink() or not beside.is_file():
        return None
    try:
        load_rules(beside, is_of_pack=True)  # the page hands them on as the user's own, which may name any file
    except UsageError as error:
        report(f"warning: {error}; these rules are left out of the page")
        return None
    return beside


def opened_site(
    beside: Path, word: str, page: Path | None, packs: list[Path], *, single_file: bool
) -> tuple[Folder | SingleFile, Known]:
    """Return where a page goes, and what is known from an earlier call."""
    from texup.gallery.site import KNOWN, Folder, SingleFile
    from texup.gallery.studio import Known

    place = Path(os.path.abspath(beside))
    if single_file:
        file = page or place.with_name(f"{place.name}-{word}.html")
        return SingleFile(file / "index.html" if file.is_dir() else file, packs), Known()
    folder = page or place.with_name(f"{place.name}-{word}")
    return Folder(folder, packs), Known(folder / KNOWN)


def finish(site: Folder | SingleFile, page: Page, tell: Callable[[str], None] = show) -> None:
    """Write a page, tell its path, and print its size on standard error."""
    index = site.finish(page)
    count = len(page.exhibits)
    report(f"{count} texture{'s' * (count != 1)}, {site.size() / 1e6:.1f} MB; open it in a browser")
    tell(str(index))


def _progress(done: int, count: int) -> None:
    if done % STEP == 0 and done < count:
        report(f"{done} of {count} textures")
