"""``texup verify``: is an output pack still what texup wrote?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from texup.cli.console import print_json, report, show
from texup.cli.usage.values import PlaceType
from texup.errors import ExitCode

if TYPE_CHECKING:
    from texup.calls.cloud import Place


@click.command()
@click.argument("out", type=PlaceType())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.pass_context
def verify(ctx: click.Context, out: Place, as_json: bool) -> None:
    """Compare the output folder OUT, also one of an object store, with its manifest, byte for byte.

    Names every file that is missing, changed, extra, an orphan (written by an earlier run, of no use to the newest), or
    had failed, one per line. Repairs and removes nothing: delete what is changed and run the same texup upscale command
    again. Exits with 0 when all is as recorded, 3 on any difference, 2 when there is no folder or manifest.

    \b
    Examples:
      texup verify ./n64_textures_x4
      texup verify s3://textures/pack_hd
    """
    from texup.calls.verifying import verifying  # here, so that the help of texup stays light

    findings = []
    with verifying(out, report) as (checked, differences):
        for finding in differences:
            findings.append(finding)
            if not as_json:
                show(f"{finding.problem}: {finding.path}: {finding.detail}")
    if as_json:
        print_json("verify", {"checked": checked, "findings": [finding._asdict() for finding in findings]})
    counts = Counter(finding.problem for finding in findings)
    found = ", ".join(f"{count} {problem}" for problem, count in counts.items()) or "all as recorded"
    report(f"{checked} files checked: {found}")
    ctx.exit(ExitCode.SOME_FAILED if findings else ExitCode.OK)
