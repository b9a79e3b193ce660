"""``texup watch``: a dump that fills while the game plays."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from texup.cli.console import finding_lines, report
from texup.cli.running.output_options import writing_options
from texup.cli.usage.options import CommandOptions, processing_options
from texup.cli.usage.sections import PACK, Sectioned
from texup.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from texup.calls.tally import Tally
    from texup.manifest.record import Outcome
    from texup.packs.pack import Finding
    from texup.upscaling.run import Run
    from texup.upscaling.watching import Watch

SILENT = ("unchanged", "skipped", "joined", "gone")  # outcomes that are told only when every file is asked for


@click.command(cls=Sectioned, sections=PACK)
@click.argument("dump", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write to. [default: DUMP_xN beside DUMP]"
)
@click.option(
    "--interval",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="From one look at the folder to the next.",
)
@click.option(
    "--until-idle",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="End, with code 0 or 3, when nothing new came for so long. [default: run until Ctrl-C]",
)
@processing_options
@writing_options
@click.pass_context
def watch(
    ctx: click.Context,
    /,
    dump: Path,
    output: Path | None,
    interval: float,
    until_idle: float | None,
    options: CommandOptions,
) -> None:
    """Upscale the textures of the folder DUMP as they come, while an emulator or game writes them.

    Does what `texup upscale DUMP` would do, with the same options, manifest and results, and goes on looking for new
    and changed files; the nets stay loaded. A file is done when it stayed the same from one look to the next. One
    that cannot be read then is tried again when it changes, and counts as failed after 30 seconds without a change.
    Results of files that leave DUMP stay. Ctrl-C ends it, with code 130 as everywhere: what is finished stays, and
    the same command, or texup upscale, goes on from there.

    \b
    Examples:
      texup watch User/Dump/Textures/GALE01 -o hd
      texup watch ./dump -o ./hd --format dolphin --scale 2
      texup watch ./dump -o ./hd --until-idle 60
    """
    from texup.calls.setup import build_run
    from texup.calls.tally import Tally
    from texup.upscaling.watching import Watch

    _check(dump, output, options)
    run = build_run(dump, output, options)
    watching, tally = Watch(run, interval), Tally()
    failed: set[str] = set()
    if not options.quiet:
        report(f"watching {run.source}, writing to {run.out}; Ctrl-C ends it")
    try:
        with closing(watching.outcomes(until_idle)) as outcomes:
            _follow(outcomes, tally, failed, options)
    finally:
        if tally.counts and not options.quiet:
            report(tally.summary())
    is_sound = _report_findings(watching, run, options) and not failed
    ctx.exit(ExitCode.OK if is_sound else ExitCode.SOME_FAILED)


def _check(dump: Path, output: Path | None, options: CommandOptions) -> None:
    """Refuse what needs the whole pack at once."""
    from texup.packs.zips import SUFFIXES

    if dump.is_file():
        raise UsageError(f"{dump}: a file; watch takes the folder that is filled, and texup upscale does files")
    if output is not None and output.suffix.lower() in SUFFIXES:
        raise UsageError(f"{output}: watch fills a folder; give one, and make the archive of it by texup upscale")
    if options.resource_pack:
        raise UsageError("--resource-pack makes an archive of a whole pack: give it to texup upscale afterwards")


def _follow(outcomes: Iterable[Outcome | Finding], tally: Tally, failed: set[str], options: CommandOptions) -> None:
    """Tell and count what becomes of each file; ``failed`` has those that are not done in the end."""
    from texup.calls.tally import ALWAYS_TOLD
    from texup.cli.running.progress import line_of
    from texup.manifest.record import Outcome

    for item in outcomes:
        if not isinstance(item, Outcome):
            if item.severity != "hint" or options.verbose:
                report(*finding_lines([item]))
            elif not (item.path or options.quiet):
                report(item.text)
            continue
        tally.add(item)
        (failed.add if item.outcome == "failed" else failed.discard)(item.path)
        is_shown = not options.quiet and item.outcome not in SILENT
        if is_shown or options.verbose or item.outcome in ALWAYS_TOLD:
            report(line_of(item))


def _report_findings(watching: Watch, run: Run, options: CommandOptions) -> bool:
    """Check what was written, as ``texup upscale`` does at its end, and return whether it is free of errors."""
    from texup.checking import check_output
    from texup.cli.upscale import orphans_line
    from texup.manifest.verification import orphans_of

    if watching.plan is None:
        return True
    findings = [*watching.plan.findings, *check_output(run.out, watching.plan.convention)]
    severities = ("error",) if options.quiet else ("error", "warning")
    for line in finding_lines([one for one in findings if one.severity in severities], every=options.verbose):
        report(line)
    if not options.quiet and (orphans := orphans_of(run.out)):
        report(orphans_line(orphans, run.out))
    return all(finding.severity != "error" for finding in findings)
