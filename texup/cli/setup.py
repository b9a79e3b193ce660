"""From the options of a command to the values of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from texup.engines.engine import Engine
from texup.errors import UsageError
from texup.models.chain import Link, choose_chain
from texup.run import Run, Settings, plan_passes

if TYPE_CHECKING:
    from texup.models.model import UpscaleModel


def build_run(source: Path, output: Path | None, options: dict[str, Any]) -> Run:
    """Return the run that the options of ``processing_options`` describe.

    Raises:
        UsageError: options that contradict each other, or a source that is not there or no file.
        WeightsError: a file of weights was refused.
    """
    if not os.path.exists(source):  # Path.exists would raise for a name that is too long
        raise UsageError(f"{source}: no such file or folder")
    if not (source.is_file() or source.is_dir()):
        raise UsageError(f"{source}: neither a file nor a folder")
    links = choose_chain(options["models"], options["blend"])
    loaded: dict[str, UpscaleModel] = {}
    scales = [_scale(link, loaded) for link in links]
    scale = prod(scales) if options["scale"] is None else options["scale"]
    passes = plan_passes(scales, scale)
    overlap = options["overlap"] if options["overlap"] is not None else max(link.context for link in links)
    settings = Settings(
        scale=scale,
        margin=overlap + overlap % 2,  # even, so that both sides together are a multiple of GRID
        alpha=options["alpha"],
        edges=options["edges"],
        color_fix=options["color_fix"],
        palette=options["palette"],
        precision=options["precision"],
        tile=options["tile"],
    )
    return Run(
        source,
        output_for(source, output, scale),
        [(link.name, link.sha256) for link in links],
        passes,
        settings,
        engine_loader(links, loaded, options),
        options["include"],
        options["exclude"],
        *(options.get(name, False) for name in ("copy_other", "force", "fail_fast")),
    )


def output_for(source: Path, output: Path | None, scale: int) -> Path:
    """Return where results go: ``PACK_x4`` beside a folder, ``wall_x4.png`` beside a file, or what ``-o`` says.

    For a file, an ``-o`` that has its suffix is the file to write, any other the folder to write it into.
    """
    beside = Path(os.path.abspath(source))
    if source.is_dir():
        return output or beside.with_name(f"{beside.name}_x{scale}")
    if output is None:
        return beside.with_name(f"{beside.stem}_x{scale}{beside.suffix}")
    return output if output.suffix.lower() == source.suffix.lower() and not output.is_dir() else output / source.name


def _scale(link: Link, loaded: dict[str, UpscaleModel]) -> int:
    if link.scale is None:
        loaded[link.sha256] = link.load()
        return loaded[link.sha256].scale
    return link.scale


def engine_loader(links: list[Link], loaded: dict[str, UpscaleModel], options: dict[str, Any]) -> Callable[[], Engine]:
    """Return the function that loads the weights and makes the engine for them."""

    @cache
    def load() -> Engine:
        from texup.engines.device import Device, pick_device, pick_precision
        from texup.engines.local import LocalEngine

        device = pick_device(options["device"])
        models = [loaded.get(link.sha256) or link.load() for link in links]
        precision = pick_precision(options["precision"], device)
        workers = options["jobs"] or max(2, os.cpu_count() or 2)
        return LocalEngine(Device(models, device, precision, options["batch"], options["tile"]), workers)

    return load
