"""Loads files of weights with random damage and counts what comes of it; ends by a signal when one crashes or hangs.

A program: COUNT SEED FOLDER. Prints the outcomes of each format as JSON.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import zipfile
from collections import Counter
from pathlib import Path

import torch
from craft import headed, zipped
from safetensors.torch import save as format_safetensors

from texup.errors import WeightsError
from texup.models.loading import load_model
from texup.nets.srvgg import SRVGGNetCompact

LIMIT = 20  # seconds until a load counts as hanging
WORDS = [
    b"\xff\xff\xff\x7f",
    b"\xff" * 8,
    b"\0" * 8,
    b"R",
    b"b",
    b"Q",
    b"u",
    b"\x86",
    b"h\0",
    b"(",
    b"t",
    b"0",
    b"9" * 20,
]


def damaged(data: bytes, dice: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 4, 8))):
        place = dice.randrange(len(content))
        match dice.randrange(6):
            case 0:
                content[place] ^= 1 << dice.randrange(8)
            case 1:
                content[place] = dice.randrange(256)
            case 2:
                del content[place : place + dice.randrange(1, 9)]
            case 3:
                content[place:place] = dice.choice(WORDS)
            case 4:
                other = dice.randrange(len(content))
                content[place:place] = content[other : other + dice.randrange(1, 40)]
            case 5:
                word = dice.choice(WORDS)
                content[place : place + len(word)] = word
        content = content or bytearray(1)
    return bytes(content)


def formats(folder: Path):
    """Return for each format how a sound file is damaged."""
    torch.manual_seed(0)
    state = SRVGGNetCompact(num_feat=4, num_conv=1, scale=2).state_dict()
    files = {}
    for title, new in {"zip": True, "legacy": False}.items():
        torch.save(state, folder / title, _use_new_zipfile_serialization=new)
        files[title] = (folder / title).read_bytes()
    files["safetensors"] = format_safetensors(state, {"a": "b"})
    with zipfile.ZipFile(folder / "zip") as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    inner, raw = members.pop("data.pkl"), sum(8 + value.nbytes for value in state.values())
    early, late = files["legacy"][:-raw], files["legacy"][-raw:]
    header = int.from_bytes(files["safetensors"][:8], "little")
    makers = {title: lambda dice, data=data: damaged(data, dice) for title, data in files.items()}
    # Checksums and frames refuse most damage at once: these put it where the parsers are.
    makers["pickle in a sound zip"] = lambda dice: zipped(damaged(inner, dice), **members)
    makers["pickles in legacy"] = lambda dice: damaged(early, dice) + late
    makers["header in safetensors"] = lambda dice: headed(
        damaged(files["safetensors"][8 : 8 + header], dice), files["safetensors"][8 + header :]
    )
    return makers


def outcome(path: Path) -> str:
    signal.alarm(LIMIT)
    try:
        net = load_model(path).net
    except WeightsError as refusal:
        message = str(refusal)
        assert "\n" not in message
        assert "weights_only" not in message
        return "refused"
    finally:
        signal.alarm(0)
    assert all(bool(value.isfinite().all()) for value in net.state_dict().values())
    return "loaded"


def main(count: int, seed: int, folder: Path) -> None:
    makers = formats(folder)
    results = {title: Counter() for title in makers}
    for title, make in makers.items():
        dice = random.Random(f"{seed} {title}")
        for _ in range(count):
            path = folder / "net.pth"
            path.write_bytes(make(dice))
            results[title][outcome(path)] += 1
    print(json.dumps(results))


main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
