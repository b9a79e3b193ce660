"""``texup verify``: is an output pack still what texup wrote?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from texup.cli.console import print_json, report, show
from texup.errors import ExitCode


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.pass_context
def verify(ctx: click.Context, out: Path, as_json: bool) -> None:
    """Compare the output folder OUT with its manifest, byte for byte.

    Names every file that is missing, changed, extra, an orphan (written by an earlier run, of no use to the newest), or
    had failed, one per line. Repairs and removes nothing: delete what is changed and run the same texup upscale command
    again. Exits with 0 when all is as recorded, 3 on any difference, 2 when there is no folder or manifest.

    \b
    Example:
      texup verify ./n64_textures_x4
    """
    from texup.manifest.history import history_of  # here, so that the help of texup stays light
    from texup.manifest.verification import verify as differences

    history = history_of(out)
    checked = len(history.targets())
    findings = []
    for finding in differences(out, history):
        findings.append(finding)
        if not as_json:
            show(f"{finding.problem}: {finding.path}: {finding.detail}")
    if as_json:
        print_json("verify", {"checked": checked, "findings": [finding._asdict() for finding in findings]})
    counts = Counter(finding.problem for finding in findings)
    found = ", ".join(f"{count} {problem}" for problem, count in counts.items()) or "all as recorded"
    report(f"{checked} files checked: {found}")
    ctx.exit(ExitCode.SOME_FAILED if findings else ExitCode.OK)
