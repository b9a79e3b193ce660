"""``texup check``: would the pack load?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from texup.cli.console import finding_lines, print_json, report, show
from texup.cli.usage.options import format_option
from texup.cli.usage.sections import Sectioned
from texup.errors import ExitCode


@click.command(cls=Sectioned)
@click.argument("pack", type=click.Path(path_type=Path))
@format_option("Whose rules: {formats}; auto looks at the names and folders.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("-v", "--verbose", is_flag=True, help="Print every file, and hints too.")
@click.pass_context
def check(ctx: click.Context, pack: Path, convention: str, as_json: bool, verbose: bool) -> None:
    """Check whether the emulator or game would load PACK, by its loader's own rules.

    PACK is a folder or a zip, made by texup or not. Looks at names, folders, sizes, formats, mip levels and the files
    beside the textures; no model is needed and nothing is written. An error is a file that fails to load or breaks
    others, a warning one that is ignored or shown otherwise than meant. Exits with 3 on errors, 0 with warnings only,
    2 when there is no pack.

    \b
    Examples:
      texup check ./n64_textures_x4
      texup check ./GALE01 --format dolphin
    """
    from texup.checking import check_pack  # here, so that the help of texup stays light
    from texup.conventions.table import convention_by_id

    loader, findings = check_pack(pack, None if convention == "auto" else convention_by_id(convention))
    counts = Counter(found.severity for found in findings)
    if as_json:
        print_json("check", {"format": loader.id, "findings": [asdict(found) for found in findings]})
    else:
        told = [found for found in findings if found.severity != "hint" or verbose]
        for line in finding_lines(told, every=verbose):
            show(line)
    shown = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if word != "hint")
    rules = "general rules alone, choose a loader's with --format" if loader.id == "plain" else loader.title
    report(f"checked as {loader.id} ({rules}): {shown or 'nothing wrong'}")
    ctx.exit(ExitCode.SOME_FAILED if counts["error"] else ExitCode.OK)
