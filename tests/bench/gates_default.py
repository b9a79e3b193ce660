"""What ``bench_gates.py`` measures of the default: whole runs of ``texup upscale``, as a user starts them."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gates_nets import Found, Measure, gains
from gates_pictures import CLEAN, SCALE, STORED, Bytes, Picture

import texup
from texup.manifest.history import records
from texup.metrics import hatching
from texup.models.catalog import load_catalog, weights_folder
from texup.models.reading import hash_weights
from texup.pictures.sheets import encode_png
from texup.textures.codecs.files import read_texture

OLD_DEFAULT = ("--blend", "0.6", "--grain", "0", "--method", "net")  # gives every pixel as the code of 0.3.0 does
CONTEXT = 8  # texels, of nets that no catalog knows: as much as any of texup's needs
PACK = Path(__file__).parents[1] / "data" / "n64_textures"
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made of one picture."""

    pixels: Bytes
    route: str
    """The way that it took, for people."""


@dataclass(frozen=True, slots=True)
class Default:
    """The default of one version."""

    tree: Path
    options: tuple[str, ...] = ()

    def upscale(self, source: Path, out: Path) -> float:
        """Upscale a folder, and return the seconds of the whole command."""
        command = [sys.executable, "-m", "texup", "upscale", str(source), "-o", str(out), "--scale", str(SCALE), "-q"]
        began = time.perf_counter()
        environment = os.environ | {"PYTHONPATH": str(self.tree)}
        subprocess.run([*command, *self.options], cwd=self.tree, check=True, env=environment)
        return time.perf_counter() - began

    def results(self, sources: Mapping[str, Bytes], work: Path) -> dict[str, Result]:
        """Return what one run makes of pictures (h, w, 3), by their names, which may have folders in them."""
        for name, pixels in sources.items():
            file = work / "in" / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_png(pixels))
        self.upscale(work / "in", work / "out")
        routes = {record.path: _route(record.policy) for record in records(work / "out") if record is not None}
        return {
            name: Result(read_texture(work / "out" / f"{name}.png").pixels[..., :3], routes[f"{name}.png"])
            for name in sources
        }


def laid_tree(nets: Path, tree: Path) -> Path:
    """Make a checkout of this code with other weights, and return it.

    Args:
        nets: a folder with a catalog, or with only some nets, which then take the place of those of the same names.
        tree: the folder to make.
    """
    tree.mkdir()
    (tree / "texup").symlink_to(Path(texup.__file__).parent)
    if (nets / "catalog.toml").is_file():
        (tree / "weights").symlink_to(nets.resolve())
        return tree
    weights = tree / "weights"
    weights.mkdir()
    text = (weights_folder() / "catalog.toml").read_text("utf-8")
    catalog = re.sub(r"(?m)^context = \d+", f"context = {CONTEXT}", text)
    for model in load_catalog().models.values():
        file = nets / model.path.name
        shutil.copyfile(file if file.is_file() else model.path, weights / file.name)
        catalog = catalog.replace(str(model.sha256), hash_weights(weights / file.name))
    (weights / "catalog.toml").write_text(catalog, "utf-8")
    return tree


def _route(policy: Mapping[str, Any]) -> str:
    """Return the way that a policy means in the default."""
    if policy["method"] != "net":
        return f"{policy['method']} ({policy['kind']})" if policy["kind"] != "colour" else str(policy["method"])
    net = "fidelity" if policy["faithful"] else "blend"
    return f"{net} + grain {policy['grain']:.2f}" if policy["grain"] else net


def measured_default(
    default: Default,
    pictures: Sequence[Picture],
    icons: Sequence[Picture],
    textures: Mapping[str, Bytes],
    work: Path,
) -> tuple[Found, list[dict[str, Any]]]:
    """Measure what a default makes of pictures, of pixel art and of textures; also return a record of each picture."""
    named = {f"{row}/{picture.name}": (row, picture) for row in (CLEAN, *STORED) for picture in pictures}
    results = default.results({name: picture.lrs[row] for name, (row, picture) in named.items()}, work / "pictures")
    each = [
        {"row": row, "picture": p.name, "route": results[name].route, "gain": p.gain(row, results[name].pixels)}
        for name, (row, p) in named.items()
    ]
    strokes = [hatching(results[f"{CLEAN}/{p.name}"].pixels, p.lrs[CLEAN], p.hr) for p in pictures]
    found = {
        "default: clean, % worse than bicubic": _share_worse(each, (CLEAN,)),
        "default: stored, % worse than bicubic": _share_worse(each, STORED),
        "default: hatching, clean": Measure(float(np.mean(strokes))),
    }
    if icons:
        drawn = default.results({icon.name: icon.lrs[CLEAN] for icon in icons}, work / "icons")
        found["default: pixel art, gain"] = gains({p.name: p.gain(CLEAN, drawn[p.name].pixels) for p in icons})
    if textures:
        of_packs = default.results(textures, work / "textures")
        strokes = [hatching(of_packs[name].pixels, source) for name, source in textures.items()]
        found["default: hatching, packs"] = Measure(float(np.mean(strokes)))
    return found, each


def _share_worse(each: Sequence[Mapping[str, Any]], rows: Sequence[str]) -> Measure:
    """Return the share of results that bicubic beats, in percent."""
    worse = [one["gain"] < 0 for one in each if one["row"] in rows]
    return Measure(100 * float(np.mean(worse)), note=f"{sum(worse)} of {len(worse)}")


def worse_by_route(each: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines that say how many of each route are worse than bicubic, and which of the clean pictures are."""
    lines = []
    for title, rows in (("clean", (CLEAN,)), ("stored", STORED)):
        chosen = [one for one in each if one["row"] in rows]
        ways, worse = (Counter(_way(one) for one in some) for some in (chosen, [o for o in chosen if o["gain"] < 0]))
        counts = "; ".join(f"{way} {worse[way]} of {count}" for way, count in sorted(ways.items()))
        lines.append(f"Worse than bicubic, {title}, by route: {counts}")
    worst = sorted((one for one in each if one["gain"] < 0 and one["row"] == CLEAN), key=lambda one: one["gain"])
    return lines + [f"  {one['picture']}: {one['gain']:+.3f} dB, {one['route']}" for one in worst]


def _way(one: Mapping[str, Any]) -> str:
    return str(one["route"]).rstrip("0123456789.").strip()


def seconds_of_pack(before: Default, now: Default, work: Path) -> tuple[float, float]:
    """Return the median seconds of the example pack with two defaults, which take turns."""
    spent: dict[Default, list[float]] = {before: [], now: []}
    for turn in range(ROUNDS):
        for k, (default, seconds) in enumerate(spent.items()):
            seconds.append(default.upscale(PACK, work / f"pack-{turn}-{k}"))
    return statistics.median(spent[before]), statistics.median(spent[now])
