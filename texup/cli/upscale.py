"""``texup upscale``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from texup.cli.console import print_json, report
from texup.cli.options import processing_options
from texup.errors import ExitCode


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where to write. [default: INPUT_xN beside INPUT]"
)
@processing_options
@click.option("--copy-other", is_flag=True, help="Copy files that are no textures, so that the pack is complete.")
@click.option("--force", is_flag=True, help="Do everything again; write into a folder that texup did not make.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first texture that fails.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done, as `texup inspect` does.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object at the end, and nothing else on standard output."
)
@click.option("-q", "--quiet", is_flag=True, help="Print failures only.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for every file.")
@click.pass_context
def upscale(ctx: click.Context, /, source: Path, output: Path | None, **options: Any) -> None:
    """Upscale a texture pack, or one texture.

    INPUT is a folder, walked with all its subfolders, or one file. Every texture keeps its relative path, name,
    format, channels and bit depth. Run the same command again to go on after an interruption: finished textures
    are not repeated.

    \b
    Examples:
      texup upscale ./n64_textures --scale 4
      texup upscale ./pack -o ./pack_hd --blend 0.6 --exclude 'ui/**' --copy-other
      texup upscale wall.png --scale 2 --edges wrap,clamp
    """
    from texup.cli.progress import follow
    from texup.cli.setup import build_run
    from texup.packs.walk import walk
    from texup.upscaling import upscale_file, upscale_pack

    if options["dry_run"]:
        from texup.cli.inspect import show_survey

        show_survey(build_run(source, output, options), options)
        return
    run = build_run(source, output, options)
    outcomes = upscale_pack(run) if source.is_dir() else upscale_file(run)
    total = sum(1 for _ in walk(source, run.include, run.exclude)) if source.is_dir() else 1
    shown = {"quiet": options["quiet"], "verbose": options["verbose"]}

    def device_state() -> str:
        return run.load_engine().device.state()

    tally = follow(outcomes, total, device_state, **shown)
    if not options["quiet"]:
        report(f"{tally.summary()}; written to {run.out}")
    if options["as_json"]:
        print_json(
            {
                "output": str(run.out),
                "scale": run.settings.scale,
                "models": [{"name": name, "sha256": sha256} for name, sha256 in run.models],
                "settings": asdict(run.settings),
                "counts": dict(tally.counts),
                "twins": tally.twins,
                "redone": tally.redone,
                "failures": [{"path": path, "reason": reason} for path, reason in tally.failures],
                "seconds": round(tally.seconds, 3),
                "megapixels": round(tally.pixels / 1e6, 3),
            }
        )
    ctx.exit(ExitCode.SOME_FAILED if tally.failures else ExitCode.OK)
