"""What a message shows of a list, and how many it says there are more: nothing when there are none."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from texup.cli import inspect
from texup.conventions.bethesda import BETHESDA
from texup.conventions.convention import Wishes
from texup.conventions.n64.gliden64 import GLIDEN64
from texup.conventions.n64.rt64 import RT64
from texup.conventions.plain import PLAIN
from texup.conventions.ppsspp.plan import PPSSPP
from texup.errors import PackError, WeightsError
from texup.models import detect
from texup.models import interpolate as blends
from texup.packs.pack import Finding
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.training import finetune
from texup.upscaling.planning import plan_pack

from ..builders import pack_of, picture, tiny_net

RICE = "GAME#0A1B2C3D#0#2_all.png"
BC7 = DdsHeader(64, 32, 0xA1007, mips=7, format_flags=5, fourcc=b"DX10", caps=0x401008, dxgi=98, dimension=3)


def errors_of_a_plan(count: int) -> str:
    refused = replace(PLAIN, plan=lambda _pack, _wishes: (Finding("error", "", f"fault {k}") for k in range(count)))
    with pytest.raises(PackError) as caught:
        plan_pack(pack_of([]), refused, Wishes())
    return str(caught.value)


def files_that_a_database_misses(count: int) -> str:
    database = {"configuration": {"autoPath": "rice"}, "textures": [{"path": f"gone{k}.png"} for k in range(count)]}
    (finding,) = RT64.check(pack_of({"rt64.json": json.dumps(database).encode(), RICE: picture()}))
    return finding.text


def files_of_one_texture(count: int) -> str:
    some = pack_of([f"{k}/{RICE}" for k in range(count + 1)], content=picture())
    (finding,) = [item for item in GLIDEN64.plan(some, Wishes()) if getattr(item, "severity", "") == "warning"]
    return finding.text


def blocks_that_old_games_cannot_read(count: int) -> str:
    data = pack_header(replace(BC7, misc=0, array_size=1, misc2=0))
    (finding,) = BETHESDA.check(pack_of([f"textures/{k}.dds" for k in range(count)], content=data))
    return finding.text


def keys_that_are_none(count: int) -> str:
    lines = "\n".join(f"stone{k} =" for k in range(count))
    ini = f"[options]\nhash = xxh64\n[hashes]\n{lines}\n".encode()
    (finding,) = PPSSPP.check(pack_of({"textures.ini": ini, "08d3961000000909ba70b2af.png": picture()}))
    return finding.text


def differences_of_two_nets(count: int) -> str:
    with pytest.raises(WeightsError) as caught:
        blends.interpolate({f"w{k}": torch.zeros(1) for k in range(count)}, {}, 0.5)
    return str(caught.value)


def keys_that_a_net_lacks(count: int) -> str:
    state = tiny_net("RRDBNet").state_dict()
    for key in [key for key in state if key.endswith("bias")][:count]:
        del state[key]
    with pytest.raises(WeightsError) as caught:
        detect.detect(state)
    return str(caught.value)


def pictures_that_are_held_out(count: int) -> str:
    return finetune._told([SimpleNamespace(name=f"{k}.png") for k in range(count)], from_data=True)


def values_that_inspect_counts(count: int) -> str:
    return inspect._top(Counter(f"{k}x{k}" for k in range(count)))


MESSAGES: dict[Callable[[int], str], int] = {
    errors_of_a_plan: 1,
    files_that_a_database_misses: 1,
    files_of_one_texture: 1,
    blocks_that_old_games_cannot_read: 1,
    keys_that_are_none: 1,
    differences_of_two_nets: 3,
    keys_that_a_net_lacks: 3,
    pictures_that_are_held_out: 3,
    values_that_inspect_counts: 8,
}
"""The makers of messages, and how many items each shows at most."""


@pytest.mark.parametrize(("message", "shown"), MESSAGES.items(), ids=lambda value: getattr(value, "__name__", value))
def test_the_rest_is_counted_only_where_there_is_one(message, shown):
    assert not re.search(r"\d+ more", message(shown))
    assert "and 1 more" in message(shown + 1)
    assert "and 2 more" in message(shown + 2)
