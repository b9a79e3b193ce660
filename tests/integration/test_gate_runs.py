"""``texup upscale --gate``: broken nets are caught, done again with the faithful net, and resumed rightly."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from texup.models.catalog import weights_folder

from ..builders import records_of

LAST = "body.34.bias"  # 3 channels by 16 places in a texel


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A fidelity net that lays a checkerboard over everything."""
    state = load_file(weights_folder() / "texup-x4-psnr.safetensors")
    for place in range(48):
        y, x = divmod(place % 16, 4)
        state[LAST][place] += 0.08 * (1 if (x + y) % 2 else -1)
    path = tmp_path_factory.mktemp("nets") / "broken.safetensors"
    save_file(state, path)
    return path


@pytest.fixture
def pack(tmp_path, wall):
    folder = tmp_path / "pack"
    folder.mkdir()
    for seed in (1, 2):
        Image.fromarray(wall(24, 24, seed=seed)).save(folder / f"wall{seed}.png")
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(folder / "flat.png")
    return folder


def gates_of(out):
    return {path: record["gate"] for path, record in records_of(out).items()}


def test_a_broken_net_is_named_and_the_default_is_not(texup, pack, broken):
    told = texup("upscale", pack, "--model", broken)
    assert told.code == 0
    assert "gate: 2 textures look wrong: " in told.err
    assert "wall1.png (lattice" in told.err or "lattice)" in told.err
    gates = gates_of(pack.with_name("pack_x4"))
    assert "lattice" in gates["wall1.png"]["wrong"]
    assert gates["flat.png"]["wrong"] == []
    good = texup("upscale", pack, "-o", pack.with_name("good"))
    assert "gate:" not in good.err


def test_the_fallback_writes_what_the_faithful_net_makes(texup, pack, broken):
    out, plain = pack.with_name("pack_x4"), pack.with_name("plain")
    result = texup("upscale", pack, "--model", broken, "--gate", "fallback", "--json").json
    assert {entry["path"]: entry["fallback"] for entry in result["gate"]} == {
        "wall1.png": "better",
        "wall2.png": "better",
    }
    assert gates_of(out)["wall1.png"]["other"]["lattice"] > 6
    texup("upscale", pack, "-o", plain, "--model", "texup-x4-psnr", "--grain", "0")
    assert (out / "wall1.png").read_bytes() == (plain / "wall1.png").read_bytes()


def test_only_what_the_gate_changes_is_done_again(texup, pack, broken):
    def counts(*options):
        return texup("upscale", pack, "--model", broken, "--json", *options).json["counts"]

    assert counts("--gate", "off") == {"upscaled": 3}
    assert counts("--gate", "warn") == {"unchanged": 3}
    assert counts("--gate", "fallback") == {"upscaled": 2, "unchanged": 1}, "nobody judged the two"
    assert counts("--gate", "fallback") == {"unchanged": 3}
    assert counts("--gate", "warn") == {"upscaled": 2, "unchanged": 1}, "back to the way that was asked for"
    assert counts("--gate", "off") == {"unchanged": 3}
    assert counts("--gate", "fallback") == {"upscaled": 2, "unchanged": 1}


def test_a_rule_may_ask_for_the_fallback(texup, pack, broken):
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "wall1.png"\ngate = "fallback"\n')
    texup("upscale", pack, "--model", broken)
    gates = gates_of(pack.with_name("pack_x4"))
    assert (gates["wall1.png"]["fallback"], gates["wall2.png"]["fallback"]) == ("better", "none")
    assert texup("upscale", pack, "--model", broken, "--json").json["counts"] == {"unchanged": 4}
