"""``texup upscale``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texup.cli.console import finding_lines, print_json, report, report_error
from texup.cli.running.output_options import SHARD_OPTION, writing_options
from texup.cli.usage.options import CommandOptions, processing_options
from texup.cli.usage.sections import PACK, Sectioned
from texup.cli.usage.settings import setting
from texup.cli.usage.values import EngineType, PlaceType
from texup.errors import ExitCode, PackError, UsageError

if TYPE_CHECKING:
    from texup.calls.cloud import Place
    from texup.calls.loading import Engines
    from texup.calls.sending import Sending
    from texup.calls.summary import Summary
    from texup.packs.pack import Finding
    from texup.upscaling.planning import Plan
    from texup.upscaling.run import Run


@click.command(cls=Sectioned, sections=PACK)
@click.argument("sources", metavar="INPUT...", nargs=-1, required=True, type=PlaceType())
@click.option(
    "-o",
    "--output",
    type=PlaceType(),
    help="Where to write; of several inputs, the folder for all of them. [default: INPUT_xN beside INPUT]",
)
@processing_options
@writing_options
@click.option(
    "--remember",
    is_flag=True,
    help="Keep these options for the files of --include, as a rule in the pack's texup.toml.",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first texture that fails.")
@SHARD_OPTION
@setting(
    "--engine",
    type=EngineType(),
    default="local",
    show_default=True,
    metavar="local|ray[://HOST:PORT]",
    help="Where nets run: on this machine, or on the machines of a Ray cluster that this one is part of.",
)
@click.option("--mixed", is_flag=True, help="Let machines of a cluster have other versions of texup or torch.")
@setting("--gallery", is_flag=True, help="Write a page that shows the pack before and after, as `texup gallery`.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done, as `texup inspect` does.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end, and nothing else on standard output."
)
@click.pass_context
def upscale(
    ctx: click.Context, /, sources: tuple[Place, ...], output: Place | None, gallery: bool, options: CommandOptions
) -> None:
    """Upscale texture packs, or single textures.

    INPUT is a folder, walked with all its subfolders, a zip or pk3, one file, or a folder of an object store as
    s3://BUCKET/FOLDER. Dumps of emulators become packs
    that they load, in their own folders and spelling; anything else keeps its relative path, name and format. Every
    texture keeps its channels and bit depth where the loader reads them. Run the same command again to go on after
    an interruption: finished textures are not repeated. Several inputs share the nets that are loaded.

    \b
    Examples:
      texup upscale ./n64_textures --scale 4
      texup upscale ./pack -o ./pack_hd --blend 0.6 --exclude 'ui/**' --copy-other
      texup upscale Dump/Textures/GALE01 -o hd
      texup upscale faithful.zip --format minecraft
      texup upscale packs/* -o ./hd
      texup upscale s3://textures/pack -o s3://textures/pack_hd
      texup upscale wall.png --scale 2 --edges wrap,clamp
    """
    from texup.calls.cloud import outputs_of

    if options.dry_run:
        options = replace(options, engine="local")  # which nothing is sent to
    engines: Engines = {}
    results: list[dict[str, Any]] = []
    codes = set()
    for source, place in zip(sources, outputs_of(sources, output), strict=True):
        try:
            codes.add(_upscale_one(source, place, options, engines, results, gallery=gallery))
        except (UsageError, PackError) as error:
            if len(sources) == 1:
                raise
            report_error(str(error))  # the others are done all the same
            codes.add(error.exit_code)
    if options.as_json and not options.dry_run:
        print_json("upscale", results[0] if len(sources) == 1 else {"runs": results})
    ctx.exit(max(codes, key=(ExitCode.OK, ExitCode.SOME_FAILED, ExitCode.USAGE).index))


def _upscale_one(
    source: Place,
    output: Place | None,
    options: CommandOptions,
    engines: Engines,
    results: list[dict[str, Any]],
    *,
    gallery: bool,
) -> ExitCode:
    """Do one input, and add what became of it to ``results``."""
    from texup.calls.cloud import check_asked, opened_place

    check_asked(source, output, is_dry=options.dry_run, remember=options.remember, gallery=gallery)
    out = output if isinstance(output, Path) or not options.dry_run else None  # of which nothing is fetched
    tell = (lambda _: None) if options.quiet else report
    with opened_place(source, out, options, engines, tell=tell) as (run, archive, sending):
        if options.dry_run:
            from texup.cli.inspect import show_survey

            show_survey(run, archive, options)
            return ExitCode.OK
        if options.remember and run.shard is not None:
            raise UsageError("--remember changes the pack, which is then another for the next shard; leave it out")
        if gallery and run.source.is_file():
            raise UsageError(f"{source}: one file; --gallery shows packs")
        summary = _upscale(run, archive, options, sending)
        results.append(summary.as_json())
        if gallery:
            from texup.cli.gallery import write_gallery

            write_gallery(run.out, run.source, rules=options.rules, tell=report)
        return ExitCode.OK if summary.is_sound else ExitCode.SOME_FAILED


def _upscale(run: Run, archive: Path | None, options: CommandOptions, sending: Sending | None) -> Summary:
    """Do a run, check what it wrote, and report."""
    from texup.calls.doing import carried_out, packed, planned, remains_of, summary_of
    from texup.cli.running.progress import follow
    from texup.upscaling.resuming import work_left

    plan, why = planned(run, archive)
    if plan.convention.id != "plain" and not options.quiet:
        report(f"format {plan.convention.id}: {why}")
    _report_findings(plan.findings, ("error", "warning") if options.quiet else ("error", "warning", "hint"), options)
    shown = {"quiet": options.quiet, "verbose": options.verbose}

    def device_state() -> str:  # asked once a texture went through a net; a finished pack loads none
        return run.load_engine().device.state()

    left = {} if options.quiet else work_left(run, plan)
    outcomes = carried_out(run, plan)
    tally = follow(outcomes if sending is None else sending.through(outcomes), left, device_state, **shown)
    if sending is not None:
        sending.finish()
    if tally.has_nets and not options.quiet:
        for note in run.load_engine().device.notes():
            report(f"hint: {note}")
    remains = remains_of(run, plan, tally)
    _report_findings(remains.findings, ("error",) if options.quiet else ("error", "warning"), options)
    if remains.orphans and not options.quiet:
        report(orphans_line(remains.orphans, run.out if sending is None else sending.url))
    written = packed(run, archive, remains, tally)
    if not options.quiet:
        place = _where(run, archive, sending, has_results=remains.has_results, is_packed=written is not None)
        if tally.wrong:
            report(tally.gate_line())
        report(f"{tally.summary()}; {place}{_copy_hint(plan) if remains.has_results and written is None else ''}")
    if run.source.is_dir() and not run.place and tally.counts["upscaled"]:
        _remember(run, options)
    summary = summary_of(run, plan, tally, remains, written)
    return summary if sending is None else replace(summary, url=str(sending.url))


def _remember(run: Run, options: CommandOptions) -> None:
    """Keep what was asked for of some files as a rule, or say that the next run would undo it."""
    from texup.cli.running.remember import remember, rule_of

    rule = rule_of(options)
    if rule is None:
        if options.remember:
            report("warning: nothing to remember: give --include, and an option that rules have (texup.toml)")
    elif options.remember:
        report(f"remembered in {remember(run.source, rule)}")
    elif not options.quiet:
        report(
            "hint: a run without these options does these files as before; --remember keeps them as a rule of the pack"
        )


def _report_findings(findings: Sequence[Finding], severities: tuple[str, ...], options: CommandOptions) -> None:
    told = [finding for finding in findings if finding.severity in severities]
    for line in finding_lines(told, every=options.verbose):
        report(line)


def _where(run: Run, archive: Path | None, sending: Sending | None, *, has_results: bool, is_packed: bool) -> str:
    """Return one clause that says where the results are; it names no file that is not there or not of this run."""
    if is_packed:
        return f"written to {archive} from the folder {run.out}, which only a later run needs"
    written = f"written to {run.out if sending is None else sending.url}" if has_results else "nothing written"
    if archive is None:
        return written
    rest = "is still of an earlier run" if archive.exists() else "is not made yet"
    return f"{written}; {archive} {rest}"


def _copy_hint(plan: Plan) -> str:
    """Return what is still to be copied so that the loader finds the pack, "" where it lies in the right place."""
    from texup.upscaling.planning import homes_of

    convention = plan.convention
    tops = {home.split("/")[0] for home in homes_of(plan)}
    if len(tops) != 1:
        return ""
    (top,), beside = tops, re.split(r"[/ ,]", convention.facts["dump"])[0]
    where = f"over the folder {top}" if top == beside else f"beside the folder {beside}"
    return f"; copy the folder {top} in it {where} of {convention.title}"


def orphans_line(orphans: Sequence[str], out: Place | str) -> str:
    """Return one line about files in an output that its newest run has no use for."""
    count = f"{len(orphans)} files" if len(orphans) > 1 else "a file"
    names = ", ".join(orphans[:3]) + (", ..." if len(orphans) > 3 else "")
    return f"warning: {count} of earlier runs still in {out}, which may be loaded: {names}; texup verify names all"
