"""From what was asked for to the values of a run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path

from texup.calls.loading import EngineLoader, Engines
from texup.calls.options import Options
from texup.calls.routes import Routes
from texup.conventions.convention import Wishes
from texup.errors import UsageError
from texup.models.chain import choose_chain, faithful_chain, fallback_chain
from texup.packs.opening import folders_of
from texup.packs.zips import SUFFIXES, unpack_archive
from texup.policy.rules import RULES_NAME, Rule, load_rules
from texup.textures.blocks import ispc
from texup.textures.codecs.files import SUFFIXES as TEXTURE_SUFFIXES
from texup.upscaling.run import Run, Settings


def build_run(
    source: Path,
    output: Path | None,
    options: Options,
    *,
    compared: Sequence[Rule] = (),
    engines: Engines | None = None,
) -> Run:
    """Return the run that the options describe.

    Rules that are ``compared`` decide about no file of the run, but get their routes through its nets too.

    Raises:
        UsageError: options that contradict each other, or a source that is not there or no file.
        WeightsError: a file of weights was refused.
    """
    _check_source(source)
    run = run_without_pack(options, rules_for(source, options.rules), compared, engines)
    return replace(run, source=source, out=output_for(source, output, run.settings.scale, run.shard))


def run_without_pack(
    options: Options,
    rules: Sequence[Rule] = (),
    compared: Sequence[Rule] = (),
    engines: Engines | None = None,
) -> Run:
    """Return the run that the options describe, with nets and routes, but neither source nor output.

    Raises:
        UsageError: options that contradict each other.
        WeightsError: a file of weights was refused.
    """
    is_default = not options.models and options.blend is None
    chosen, made = choose_chain(options.models, options.blend, options.scale), Routes(options.overlap)
    scale = prod(map(made.scale, chosen)) if options.scale is None else options.scale
    settings = _settings(scale, options)
    route = made.through(chosen, settings)
    gentle = faithful_chain(options.scale) if is_default else []
    asks = options.gate == "fallback" or any(rule.gate == "fallback" for rule in rules)
    safe = fallback_chain(scale) if asks and scale > 1 else []
    faithful, fallback = (made.through(used, settings) if used else None for used in (gentle, safe))
    routes = {rule.number: made.of_rule(rule, route) for rule in (*rules, *compared) if rule.has_route}
    return Run(
        source=Path(),
        out=Path(),
        models=[(link.name, link.sha256) for link in made.links],
        route=route,
        load_engine=EngineLoader(made.links, options, made.loaded, {} if engines is None else engines),
        convention=options.convention,
        wishes=wishes_of(options, scale),
        rules=rules,
        routes=routes,
        faithful=faithful,
        gate=options.gate,
        fallback=fallback,
        include=options.include,
        exclude=options.exclude,
        shard=options.shard,
        force=options.force,
        keep_existing=options.keep_existing,
        fail_fast=options.fail_fast,
        mixed=options.mixed,
        is_sent=options.engine != "local",
    )


def _settings(scale: int, options: Options) -> Settings:
    """Return what decides the pixels of results besides sources and nets; each route finds its own margin.

    Raises:
        UsageError: what writes blocks of that quality is not installed.
    """
    if options.dds_quality != "fast" and not ispc.is_installed():
        raise UsageError(f"--dds-quality {options.dds_quality}: {ispc.NEEDS_EXTRA}")
    return Settings(
        scale=scale,
        margin=0,
        alpha=options.alpha,
        edges=options.edges,
        color_fix=options.color_fix,
        palette=options.palette,
        png=options.png,
        dds_quality=options.dds_quality,
        normals=options.normals,
        grain=options.grain,
        key=options.key,
        method=options.method,
        precision=options.precision,
        tile=options.tile,
    )


def _check_source(source: Path) -> None:
    if not os.path.exists(source):  # Path.exists would raise for a name that is too long
        raise UsageError(f"{source}: no such file or folder")
    if not (source.is_file() or source.is_dir()):
        raise UsageError(f"{source}: neither a file nor a folder")


def _check_suffixes(source: Path, output: Path | None) -> None:
    """Refuse a file that is no texture, and a result in another format, before any weights are loaded."""
    suffix = source.suffix.lower()
    if suffix not in TEXTURE_SUFFIXES:
        known = " ".join([*TEXTURE_SUFFIXES, *SUFFIXES])
        raise UsageError(f"{source}: texup does not read {suffix or 'files without a suffix'}; it reads {known}")
    wanted = "" if output is None or output.is_dir() else output.suffix.lower()
    if wanted in {*TEXTURE_SUFFIXES, *SUFFIXES} - {suffix}:
        raise UsageError(f"{output}: the result of one file keeps its format; name it {suffix}, or give a folder")


def rules_for(source: Path, rules: Path | None) -> Sequence[Rule]:
    """Return the rules of a file, or of the one that lies in the pack, or none.

    Raises:
        UsageError: the file is not there or makes no sense.
    """
    beside = source / RULES_NAME
    if rules is None and (not source.is_dir() or beside.is_symlink() or not beside.is_file()):
        return ()
    return load_rules(rules) if rules is not None else load_rules(beside, is_of_pack=True)


def wishes_of(options: Options, scale: int) -> Wishes:
    """Return what the options ask of the output besides pixels."""
    return Wishes(
        scale=scale,
        dds=options.dds or "",
        normals=options.normals,
        copy_other=options.copy_other,
        textures_lump=options.textures_lump,
        resource_pack=options.resource_pack or "",
        palette=options.palette,
    )


@contextmanager
def opened_run(
    source: Path, output: Path | None, options: Options, engines: Engines | None = None
) -> Iterator[tuple[Run, Path | None]]:
    """Give the run that the options describe, and the archive that its result belongs into, if any.

    An archive is upscaled from a temporary copy of its files, into a folder beside the archive of the result: there
    lie manifest and textures, so that a stopped run goes on.

    Raises:
        UsageError: options that contradict each other, or a source that is not there or no file.
        PackError: the archive is refused.
        WeightsError: a file of weights was refused.
    """
    if os.path.isfile(source) and source.suffix.lower() not in SUFFIXES:
        _check_suffixes(source, output)
        if options.shard is not None:
            raise UsageError(f"{source}: one file; --shard cuts packs")
    archive = output if output is not None and output.suffix.lower() in SUFFIXES else None
    if archive is not None and options.shard is not None:
        raise UsageError(f"{output}: a shard is a folder; `texup merge` makes the archive")
    folder = output if archive is None or output is None else output.with_suffix("")
    if source.suffix.lower() not in SUFFIXES or not source.is_file():
        run = build_run(source, folder, options, engines=engines)
        is_packed = bool(run.wishes.resource_pack) and run.shard is None
        yield run, archive or (run.out.with_name(run.out.name + ".zip") if is_packed else None)
        return
    beside = Path(os.path.abspath(source.with_suffix("")))
    with unpack_archive(source) as copy:
        run = build_run(copy, folder, options, engines=engines)
        out = folder or beside.with_name(_output_name(beside.name, run.settings.scale, run.shard))
        made = out.with_name(out.name + source.suffix) if run.shard is None else None
        yield replace(run, out=out, place=folders_of(beside)), archive or made


def outputs_of(sources: Sequence[Path], output: Path | None) -> list[Path | None]:
    """Return the ``-o`` of each input: with several, a place of its own name in the folder that the user gave.

    Raises:
        UsageError: the folder is named like an archive, or two inputs have one name.
    """
    if output is None or len(sources) == 1:
        return [output] * len(sources)
    if output.suffix.lower() in SUFFIXES:
        raise UsageError(f"{output}: several inputs cannot become one archive; give a folder")
    names = [os.path.basename(os.path.abspath(source)) for source in sources]
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f"{name}: {count} inputs of this name would be written to one place; give one at a time")
    return [output / name for name in names]


def output_for(source: Path, output: Path | None, scale: int, shard: tuple[int, int] | None = None) -> Path:
    """Return where results go: ``PACK_x4`` beside a folder, ``wall_x4.png`` beside a file, or what ``-o`` says.

    For a file, an ``-o`` that has its suffix is the file to write, any other the folder to write it into. A shard has a
    folder of its own, as ``PACK_x4_2of8``, for only one run at a time writes to an output.
    """
    beside = Path(os.path.abspath(source))
    if source.is_dir():
        return output or beside.with_name(_output_name(beside.name, scale, shard))
    if output is None:
        return beside.with_name(f"{beside.stem}_x{scale}{beside.suffix}")
    return output if output.suffix.lower() == source.suffix.lower() and not output.is_dir() else output / source.name


def _output_name(name: str, scale: int, shard: tuple[int, int] | None) -> str:
    return f"{name}_x{scale}" if shard is None else f"{name}_x{scale}_{shard[0]}of{shard[1]}"
