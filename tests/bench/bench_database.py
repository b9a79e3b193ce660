"""How much of OpenModelDB, the list of models that modders share, texup loads: by what the list says of each model.

Run: ``python tests/bench/bench_database.py DATA``. DATA is the folder ``data/models`` of a checkout of
https://github.com/OpenModelDB/open-model-database. No file of weights is fetched: this counts architectures, channels,
scales and formats, and believes the list.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from texup import bounds
from texup.models.chain import CHANNELS

OWN = {"esrgan", "esrgan+", "compact", "span", "realplksr", "realplksr-dysample", "sr-res-net"}
BORROWED = {
    *("atd", "craft", "dat", "dctlsa", "ditn", "drct", "grl", "hat", "mosr", "omnisr", "rcan", "real-cugan"),
    *("rgt", "swift-srgan", "swinir"),
}
VIDEO = {"cain", "cain-yuv", "rife", "sofvsr", "tscunet"}
LISTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": lambda _: True,
    "for images": lambda model: model["architecture"] not in VIDEO,
    "tagged game-textures": lambda model: "game-textures" in model["tags"],
    "since August 2023": lambda model: model["date"] >= "2023-08-01",
}


def verdict(model: dict[str, Any]) -> str:
    """Return "texup", "spandrel", or why a model is refused."""
    name = model["architecture"]
    if name in VIDEO:
        return "refused: a net for video"
    if name not in OWN | BORROWED:
        return f"refused: {name}, which spandrel has not either"
    if not any(file["type"] in ("pth", "safetensors") for file in model["resources"]):
        return "refused: shared as ONNX only"
    channels = model["inputChannels"], model["outputChannels"]
    if channels[0] != channels[1] or channels[0] not in CHANNELS:
        return f"refused: {channels[0]} channels in and {channels[1]} out"
    if model["scale"] > bounds.BORROWED_SCALE:
        return f"refused: scale {model['scale']}"
    return "texup" if name in OWN else "spandrel"


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    models = [json.loads(path.read_text("utf-8")) for path in sorted(parser.parse_args().data.glob("*.json"))]
    print("| models | number | texup alone | with spandrel | refused |\n|---|---|---|---|---|")
    for title, is_in in LISTS.items():
        found = Counter(verdict(model).partition(":")[0] for model in models if is_in(model))
        count = sum(found.values())
        cells = [f"{found[kind]} ({found[kind] / count:.1%})" for kind in ("texup", "spandrel", "refused")]
        both = found["texup"] + found["spandrel"]
        print(f"| {title} | {count} | {cells[0]} | {both} ({both / count:.1%}) | {cells[2]} |")
    reasons = Counter(text for model in models if (text := verdict(model)).startswith("refused"))
    print()
    for reason, number in reasons.most_common():
        print(f"{number:4} {reason}")


if __name__ == "__main__":
    main()
