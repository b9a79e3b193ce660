"""``texup merge``: the shards of a pack become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from texup.cli.console import finding_lines, print_json, report
from texup.cli.running.output_options import QUIET_OPTION, VERBOSE_OPTION
from texup.cli.usage.sections import Sectioned
from texup.cli.usage.values import PlaceType
from texup.errors import ExitCode

if TYPE_CHECKING:
    from texup.calls.cloud import Place
    from texup.manifest.record import Outcome


@click.command(cls=Sectioned)
@click.argument("outs", metavar="OUT...", nargs=-1, required=True, type=PlaceType())
@click.option("-o", "--output", required=True, type=PlaceType(), help="Folder or zip of the whole pack.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@QUIET_OPTION
@VERBOSE_OPTION
@click.pass_context
def merge(
    ctx: click.Context, outs: tuple[Place, ...], output: Place, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Make one pack of the outputs of all its shards, in any order.

    OUT are the folders that `texup upscale --shard K/N` wrote. Each of their files is read again and compared with its
    manifest; shards of another pack, with other settings, missing ones and those that are there twice are refused.
    The result is what one run would have made: `texup verify` finds nothing, and the same command without --shard
    finds nothing to do. Files are linked where the file system can, so the shards take no space and may be deleted.
    Shards, and the result, may also lie in an object store. Run it again to go on after an interruption.

    \b
    Examples:
      texup merge pack_x4_1of3 pack_x4_2of3 pack_x4_3of3 -o pack_x4
      texup merge hd_*of8 -o pack_hd.zip
      texup merge s3://textures/part1 s3://textures/part2 -o s3://textures/pack_hd
    """
    from texup.calls.merging import merge_shards  # here, so that the help of texup stays light
    from texup.calls.tally import ALWAYS_TOLD
    from texup.cli.running.progress import line_of
    from texup.cli.upscale import orphans_line

    def took(_done: int, _total: int, outcome: Outcome) -> None:
        if verbose or outcome.outcome in ALWAYS_TOLD:
            report(line_of(outcome))

    merged = merge_shards(outs, output, took, tell=(lambda _: None) if quiet else report)
    told = [found for found in merged.check if found.severity == "error" or (found.severity == "warning" and not quiet)]
    for line in finding_lines(told, every=verbose):
        report(line)
    if merged.orphans and not quiet:
        report(orphans_line(merged.orphans, merged.url or merged.output))
    if not quiet:
        counts = ", ".join(f"{count} {name}" for name, count in merged.counts.items())
        report(f"{merged.shards} shards: {counts}; written to {merged.archive or merged.url or merged.output}")
    if as_json:
        print_json("merge", merged.as_json())
    ctx.exit(ExitCode.OK if merged.is_sound else ExitCode.SOME_FAILED)
