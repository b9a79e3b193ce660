"""Runs from and into object stores: upscaled from a mirror of the source, into a mirror that is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from texup.calls import setup
from texup.calls.loading import Engines
from texup.calls.options import Options
from texup.calls.sending import Sending
from texup.errors import UsageError
from texup.packs.opening import folders_of
from texup.packs.remote.mirror import Tell, mirrored
from texup.packs.remote.url import StoreUrl, check_apart
from texup.packs.zips import SUFFIXES
from texup.upscaling.run import Run

Place = Path | StoreUrl


def outputs_of(sources: Sequence[Place], output: Place | None) -> list[Place | None]:
    """Return the ``-o`` of each input; several are on this machine.

    Raises:
        UsageError: two inputs have one name, or one of several is in a store.
    """
    if output is None or len(sources) == 1:
        return [output] * len(sources)
    local = [source for source in sources if isinstance(source, Path)]
    if len(local) < len(sources) or not isinstance(output, Path):
        raise UsageError("several inputs, and a store: give one at a time")
    return [*setup.outputs_of(local, output)]


def check_asked(
    source: Place, output: Place | None, *, is_dry: bool = False, remember: bool = False, gallery: bool = False
) -> None:
    """Refuse what only ``upscale`` can be asked for and stores have no place for.

    Raises:
        UsageError: it is refused.
    """
    if isinstance(source, StoreUrl) and output is None and not is_dry:
        raise UsageError(f"{source}: give a place for the result with --output")
    if isinstance(source, StoreUrl) and remember:
        raise UsageError(f"{source}: --remember changes the pack, which texup does not do in a store")
    if isinstance(output, StoreUrl) and gallery:
        raise UsageError(f"{output}: --gallery writes a page on this machine; leave it out")


@contextmanager
def opened_place(
    source: Place, output: Place | None, options: Options, engines: Engines | None = None, *, tell: Tell
) -> Iterator[tuple[Run, Path | None, Sending | None]]:
    """Give what ``opened_run`` gives, for places in stores too, and what sends the results of the run to one.

    Raises:
        UsageError: places or options that do not go together, or a store that is refused.
        PackError: the source is refused.
        LostStore: the store of the source stopped answering.
        OutputError: that of the output did, or refuses something.
        LockedError: another run of this machine writes to this output.
    """
    _check_places(source, output, options)
    with ExitStack() as stack:
        try:
            local, out, sending = source, output, None
            if isinstance(source, StoreUrl):
                local = stack.enter_context(mirrored(source, "source", tell=tell)).root
            if isinstance(output, StoreUrl):
                mirror = stack.enter_context(mirrored(output, "output", tell=tell, keep_existing=options.keep_existing))
                sending, out = stack.enter_context(Sending(mirror)), mirror.root
                sending.send_rest(tell)
            assert isinstance(local, Path)
            assert not isinstance(out, StoreUrl)
            run, archive = stack.enter_context(setup.opened_run(local, out, options, engines))
            if sending is not None and archive is not None:
                raise UsageError(f"{output}: an archive cannot be made there; give a --output on this machine")
            if isinstance(source, StoreUrl):
                run = replace(run, place=folders_of(local))  # a copy, into which nothing is remembered
                run = run if output is not None else replace(run, out=Path(run.out.name))  # only shown
            yield run, archive, sending
        except UsageError as error:
            name_places(error, {place: folder for place, folder in ((source, local), (output, out)) if place})
            raise


def _check_places(source: Place, output: Place | None, options: Options) -> None:
    """Refuse what cannot be done in stores, before anything is asked of them."""
    store = next((place for place in (source, output) if isinstance(place, StoreUrl)), None)
    if store is not None and options.engine != "local":
        raise UsageError(f"{store}: --engine ray needs folders that all machines share; mount it, or use --shard")
    if isinstance(source, StoreUrl) and isinstance(output, StoreUrl):
        check_apart(source, output)
    is_folder = isinstance(source, StoreUrl) or not (source.suffix.lower() in SUFFIXES or os.path.isfile(source))
    if isinstance(output, StoreUrl) and not is_folder:
        raise UsageError(f"{output}: only folders are upscaled into a store; unpack {source}, or give a folder")
    check_no_archive(output)


def check_no_archive(output: Place | None) -> None:
    """Refuse an output in a store that is named as an archive.

    Raises:
        UsageError: it is.
    """
    if isinstance(output, StoreUrl) and output.parts[-1].lower().endswith(SUFFIXES):
        raise UsageError(f"{output}: an archive cannot be made there; give a folder")


def name_places(error: UsageError, mirrors: Mapping[Place, Place | None]) -> None:
    """Let an error name places in stores instead of the mirrors that stand for them, whose names nobody knows."""
    for place, folder in mirrors.items():
        if isinstance(place, StoreUrl):
            error.args = tuple(str(arg).replace(str(folder), str(place)) for arg in error.args)
