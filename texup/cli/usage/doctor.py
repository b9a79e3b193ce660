"""``texup doctor``: what is here, how fast it is, and what is missing for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from texup.cli.console import print_json, report_error, show
from texup.cli.usage.settings import user_defaults
from texup.cli.usage.values import DeviceType
from texup.errors import ExitCode

if TYPE_CHECKING:
    from texup.cli.usage.examining import Problem

GIB = 1 << 30


@click.command()  # it takes no defaults: it must run where they are broken
@click.option("--device", default="auto", show_default=True, type=DeviceType(), help="Device of the speed.")
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(0, 60), help="For the speed; 0: none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.pass_context
def doctor(ctx: click.Context, device: str, seconds: float, as_json: bool) -> None:
    """Show what texup finds here: versions, devices, speed, memory, your files, and what is missing for what.

    Exits with 0 when texup can work, 1 when something that it needs is missing or broken, 2 when your file makes no
    sense or the device is not there, 4 when the shipped weights are not as they should be. Put what it prints into a
    report of a bug.

    \b
    Examples:
      texup doctor
      texup doctor --json > doctor.json
    """
    from texup.cli.upscale import upscale  # here, so that the help of texup stays light
    from texup.cli.usage import examining
    from texup.cli.usage.examining import looked

    problems: list[Problem] = []
    facts: dict[str, Any] = {
        "versions": examining.versions(),
        "devices": looked(examining.devices, "devices", problems),
        "speed": looked(lambda: examining.speed(device, seconds), "speed", problems) if seconds else None,
        "weights": looked(examining.weights, "weights", problems),
        "folders": looked(examining.folders, "your files", problems),
        "defaults": looked(lambda: user_defaults(ctx, upscale), "your defaults", problems),
        "extras": examining.extras(),
    }
    problems += _missing(facts)
    problems = list(dict.fromkeys(problems))  # one cause may stop several looks
    if as_json:
        print_json("doctor", facts | {"problems": [problem.text for problem in problems]})
    else:
        for line in _lines(facts):
            show(line)
        for problem in problems:
            report_error(problem.text)
        if not problems:
            show("texup can work here")
    ctx.exit(max((problem.code for problem in problems), default=ExitCode.OK))


def _missing(facts: dict[str, Any]) -> list[Problem]:
    """Return what the facts themselves show to be broken."""
    from texup.cli.usage.examining import Problem, not_installed

    found = [not_installed(package) for package, version in facts["versions"].items() if version is None]
    found += [
        Problem(ExitCode.WEIGHTS, f"{name}: {state}: not the file that the catalog names; install texup again")
        for name, state in (facts["weights"] or {}).items()
        if state != "ok"
    ]
    if facts["speed"] and facts["speed"]["problem"]:
        found.append(Problem(ExitCode.FAILED, f"{facts['speed']['device']}: the net gave no result"))
    return found


def _lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts in words."""
    versions = dict(facts["versions"])
    lines = [f"texup {versions.pop('texup')}, Python {versions.pop('python')}, {versions.pop('system')}"]
    lines.append(", ".join(f"{package} {version or 'MISSING'}" for package, version in versions.items()))
    lines += [_device_line(place) for place in facts["devices"] or []]
    kinds = [place["name"].partition(":")[0] for place in facts["devices"] or []]
    if kinds and (count := kinds.count(kinds[0])) > 1:
        lines.append(f"{count} cards of one kind: --device all runs a pack on all of them")
    if facts["speed"]:
        lines.append(_speed_line(facts["speed"]))
    if facts["weights"]:
        fine = sum(state == "ok" for state in facts["weights"].values())
        lines.append(f"shipped models: {fine} of {len(facts['weights'])} are as the catalog says")
    for folder in facts["folders"] or []:
        state = "there" if folder["there"] else "not there"
        locked = "" if folder["writable"] or folder["path"] is None else ", cannot be written"
        lines.append(f"{folder['what']}: {folder['path'] or 'none'} ({state}{locked})")
    lines += [f"default: {name} = {value}" for name, value in (facts["defaults"] or {}).items()]
    for extra in facts["extras"]:
        state = extra["version"] or f"missing: {extra['install']}"
        lines.append(f"for {extra['use']}: {extra['package']} {state}")
    return lines


def _device_line(place: dict[str, Any]) -> str:
    parts = [place["title"]]
    parts += [f"{place['cores']} core{'s' * (place['cores'] > 1)}"] if place["cores"] else []
    parts += [" ".join(place["features"])] if place["features"] else []
    parts += [f"{place['free'] / GIB:.1f} GiB of memory to use", _precision(place)]
    return f"{place['name']}: {', '.join(parts)}"


def _precision(place: dict[str, Any]) -> str:
    """Return the type that nets get: on a CPU, in 16 bits those that were measured in them."""
    if place["name"] == "cpu" and place["precision"] != "fp32":
        return f"shipped nets run in {place['precision']}, others in fp32"
    return f"nets run in {place['precision']}"


def _speed_line(speed: dict[str, Any]) -> str:
    return (
        f"speed: {speed['texels_per_second']:,.0f} texels a second with {speed['model']} (x{speed['scale']})"
        f" on {speed['device']} in {speed['precision']}"
    )
