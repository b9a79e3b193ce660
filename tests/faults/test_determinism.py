"""The same bytes whatever the order, the threads, the place and the moment; and where they may differ, by how much."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from texup.engines.devices import device as devices
from texup.engines.devices.device import Device
from texup.engines.engine import Execution
from texup.files import sha256_of
from texup.models.weights import read_weights, save_weights
from texup.nets.srvgg import SRVGGNetCompact
from texup.textures.codecs.files import encode_levels, read_texture
from texup.textures.mips import smaller_levels
from texup.textures.storing import convert_storage
from texup.textures.texture import Container, Texture

from ..builders import write_picture

ROOT = Path(__file__).parents[2]
MANIFEST = "texup-manifest.jsonl"
ARGUMENTS = ("--overlap", "8", "--tile", "32", "--device", "cpu")
VOLATILE = ("seconds", "notes", "twin_of", "check")  # a note tells which one of several equal pictures was computed
HOME = "Load/Textures/GALE01"


def write_dds(path: Path, pixels, form: str):
    """Write a DDS with blocks of a form and all its smaller levels."""
    top = Texture(np.ascontiguousarray(pixels), Container("png"))
    levels = [top, *smaller_levels(top, alpha="none", is_data=False, normal=None)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_levels([convert_storage(level, form) for level in levels]))


def tree(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def facts(out: Path) -> dict[str, dict]:
    """Return what the manifest says of each file, but for what may be another in every run."""
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    return {line["path"]: {k: v for k, v in line.items() if k not in VOLATILE} for line in lines if "path" in line}


@pytest.fixture(scope="module")
def pack(tmp_path_factory, wall, disc) -> Path:
    """Textures of several kinds and sizes, whose names no two rules of sorting bring into one order; some equal."""
    folder = tmp_path_factory.mktemp("determinism") / "in"
    dice = np.random.default_rng(4)
    soft, hard = ((disc(24, 24, radius=9, soft=s) * 255).astype(np.uint8) for s in (True, False))
    for k, name in enumerate(("Iso", "ise", "z_10", "z_9", "Éclat", "a b", "#1")):
        write_picture(folder / ("sub" if k % 2 else ".") / f"{name}.png", wall(16, 16, seed=k))
    write_picture(folder / "wide.png", wall(24, 96))
    write_picture(folder / "veil.png", np.dstack((wall(24, 24), soft)))
    write_picture(folder / "cut.tga", np.dstack((wall(24, 24, seed=2), hard)))
    write_picture(folder / "grey.png", dice.integers(0, 256, (20, 12, 1), np.uint8))
    write_picture(folder / "deep.png", dice.integers(0, 1 << 16, (12, 20, 3), np.uint16))
    for name in ("one.png", "sub/Two.png", "zwei.png"):
        write_picture(folder / name, wall(20, 20, seed=9))
    write_dds(folder / "blocks.dds", wall(32, 32, seed=6), "bc1")
    (folder / "notes.txt").write_text("by hand")
    return folder


@pytest.fixture(scope="module")
def weights(deep_weights) -> Path:
    return deep_weights


@pytest.fixture
def command(texup, weights):
    """Upscales a pack without incident and returns its files."""

    def run(source, out, *more) -> dict[str, bytes]:
        result = texup("upscale", source, "-o", out, "--model", weights, *ARGUMENTS, *more)
        assert result.code == 0, result.err
        return tree(out)

    return run


@pytest.fixture
def whole(command, pack) -> Path:
    """The output of a plain run."""
    out = pack.parent / "whole"
    if not out.exists():
        command(pack, out, "--jobs", "1", "--batch", "1")
    return out


@pytest.mark.parametrize(("jobs", "batch"), [(2, 5000), (5, 1 << 20)])
def test_p20_threads_and_batches_change_no_byte(command, pack, whole, tmp_path, jobs, batch):
    assert command(pack, tmp_path / "out", "--jobs", jobs, "--batch", batch) == tree(whole)
    assert facts(tmp_path / "out") == facts(whole)


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "batch", "lanes"), [*product((1, 2, 5, 16), (1, 3000, 20000, "auto"), (1, 2, 7))])
def test_p20_many_threads_batches_and_lanes_change_no_byte(
    command, pack, whole, tmp_path, monkeypatch, jobs, batch, lanes
):
    monkeypatch.setattr(os, "cpu_count", lambda: lanes)
    assert command(pack, tmp_path / "out", "--jobs", jobs, "--batch", batch) == tree(whole)


class Shuffled:
    """A folder's entries in an order that the file system does not give."""

    def __init__(self, found, seed):
        with found:
            items = list(found)
        random.Random(seed).shuffle(items)
        self.items = iter(items)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.items)

    def close(self):
        pass


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_p20_the_order_of_a_folder_changes_no_byte(command, pack, whole, tmp_path, monkeypatch, seed):
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": Shuffled(real(path), seed))
    assert command(pack, tmp_path / "out") == tree(whole)
    assert facts(tmp_path / "out") == facts(whole)


def test_p20_the_place_changes_no_byte(command, pack, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(pack.parent)
    assert command("in", tmp_path / "out") == tree(whole)
    copy = tmp_path / "another name" / "deeper"
    shutil.copytree(pack, copy)
    monkeypatch.chdir(copy / "sub")
    assert command("..", tmp_path / "again") == tree(whole)
    assert facts(tmp_path / "again") == facts(whole)


def test_p20_a_texture_alone_has_the_bytes_that_it_has_in_a_pack(command, pack, whole, tmp_path):
    for name in ("one.png", "sub/Two.png", "wide.png", "veil.png", "blocks.dds"):
        assert command(pack, tmp_path / name, "--include", name) == {name: tree(whole)[name]}
    assert command(pack, tmp_path / "few", "--exclude", "*w*") == {
        name: data for name, data in tree(whole).items() if "w" not in name
    }


@pytest.mark.parametrize("k", [6, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 12))])
def test_p20_an_interruption_changes_no_byte(command, texup, pack, whole, weights, tmp_path, monkeypatch, k):
    real, calls = Device._forward, []

    def forward(*arguments):
        calls.append(None)
        if len(calls) >= k:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Device, "_forward", staticmethod(forward))
        assert texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, *ARGUMENTS).code == 1
    assert command(pack, tmp_path / "out") == tree(whole)
    assert facts(tmp_path / "out") == facts(whole)


def test_p20_an_archive_gives_the_bytes_of_its_folder(command, pack, whole, tmp_path, monkeypatch):
    archives = []
    for k, (zone, order) in enumerate((("UTC", 1), ("Pacific/Kiritimati", -1))):
        monkeypatch.setenv("TZ", zone)
        source = tmp_path / str(k) / "pack.zip"
        source.parent.mkdir()
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED if k else zipfile.ZIP_STORED) as archive:
            for path in sorted(pack.rglob("*"))[::order]:
                if path.is_file():
                    archive.writestr(path.relative_to(pack).as_posix(), path.read_bytes())
        command(source, source.parent / "out.zip")
        archives.append((source.parent / "out.zip").read_bytes())
        with zipfile.ZipFile(source.parent / "out.zip") as archive:
            assert {name: archive.read(name) for name in archive.namelist() if name != MANIFEST} == tree(whole)
    assert archives[0] == archives[1]


def test_p20_packs_with_mips_and_blocks(command, wall, tmp_path):
    """A dump with levels of its own and with levels to make, as PNG and as blocks: the same bytes every time."""
    dump = tmp_path / "Dump" / "Textures" / "GALE01"
    write_picture(dump / "tex1_32x32_00112233445566aa_14.png", wall(32, 32))
    write_picture(dump / "tex1_32x32_m_00112233445566bb_14.png", wall(32, 32, seed=1))
    write_picture(dump / "tex1_16x16_m_00112233445566cc_14_arb.png", wall(16, 16, seed=2))
    write_picture(dump / "tex1_16x16_m_00112233445566cc_14_arb_mip1.png", wall(8, 8, seed=3))
    for form in ((), ("--dds", "bc1")):
        first = command(dump, tmp_path / f"one{len(form)}", "--jobs", "1", "--batch", "1", *form)
        second = command(dump, tmp_path / f"two{len(form)}", "--jobs", "5", *form)
        assert first == second
        assert sum(name.startswith(HOME) for name in first) >= (3 if form else 10)
        assert any(name.endswith(".dds") for name in first) == bool(form)


def test_p20_what_stands_beside_textures_keeps_its_order(command, wall, tmp_path, monkeypatch):
    """A list of all textures, which one file holds: no chance decides its lines."""
    for k, name in enumerate(("TROOA1", "POSSB2", "ZAPPC0", "CYBRD1", "BOSSE3")):
        write_picture(tmp_path / "in" / "sprites" / f"{name}.png", wall(16, 16, seed=k))
    options = ("--format", "gzdoom", "--textures-lump")
    whole, real = command(tmp_path / "in", tmp_path / "whole", *options), os.scandir
    assert any(b"TROOA1" in data for name, data in whole.items() if not name.endswith(".png"))
    for seed in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", lambda path=".", seed=seed: Shuffled(real(path), seed))
            assert command(tmp_path / "in", tmp_path / str(seed), *options) == whole


def other_process(pack, weights, out, cwd, **environment) -> None:
    """Upscale in a process of its own."""
    arguments = ["upscale", os.path.relpath(pack, cwd), "-o", out, "--model", weights, *ARGUMENTS, "--quiet"]
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    subprocess.run(
        [sys.executable, "-m", "texup", *map(str, arguments)],
        cwd=cwd,
        env=settings | {"PYTHONPATH": str(ROOT)} | environment,
        check=True,
        timeout=300,
    )


@pytest.mark.thorough
def test_p20_another_process_in_another_world(pack, whole, weights, tmp_path):
    world = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONHASHSEED": "77", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    other_process(pack, weights, tmp_path / "out", tmp_path, **world)
    assert tree(tmp_path / "out") == tree(whole)
    assert facts(tmp_path / "out") == facts(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "world",
    [
        {"OMP_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"},
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "4294967295"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "1"},
        {"TZ": "Pacific/Kiritimati"},
        {"PYTHONOPTIMIZE": "2"},
        {"TEXUP": "1", "TMPDIR": "."},
    ],
    ids=lambda world: next(f"{key}={value}" for key, value in world.items()),
)
def test_p20_each_part_of_the_world_by_itself(pack, whole, weights, tmp_path, world):
    other_process(pack, weights, tmp_path / "out", tmp_path, **world)
    assert tree(tmp_path / "out") == tree(whole)


@pytest.fixture
def on_a_card(monkeypatch):
    """Lets the device call itself a graphics card, whose pixels a CPU cannot make."""

    def pretend(patch):
        patch.setattr(devices, "Execution", lambda kind, precision: Execution("cuda", "fp16"))

    return pretend


def test_p20_every_record_says_where_the_nets_ran(command, pack, whole):
    ran = {path: (fact["device"], fact["precision"]) for path, fact in facts(whole).items()}
    assert ran.pop("notes.txt") == (None, None)
    assert set(ran.values()) == {("cpu", "fp32")}


def test_p20_a_pack_of_two_devices_does_not_go_unsaid(
    command, texup, pack, whole, weights, tmp_path, monkeypatch, on_a_card
):
    """Begun on a card, finished without: what is done stays, and a warning says that it is a mixture, until --force."""
    out, arguments = tmp_path / "out", ("upscale", pack, "-o", tmp_path / "out", "--model", weights, *ARGUMENTS)
    with monkeypatch.context() as patch:
        on_a_card(patch)
        command(pack, out)
    assert {fact["device"] for fact in facts(out).values()} == {"cuda", None}
    for name in ("wide.png", "cut.tga"):
        (out / name).unlink()
    result = texup(*arguments, "--json")
    counts = result.json["counts"]
    assert (result.code, counts["upscaled"]) == (0, 2)
    said = f"warning: nets ran 2 on cpu in fp32, {counts['unchanged'] - 1} on cuda in fp16: "
    assert sum(line.startswith(said) for line in result.err.splitlines()) == 1
    assert [found["severity"] for found in result.json["check"]] == ["warning"]
    again = texup(*arguments)
    assert (again.code, again.err.count(said)) == (0, 1)
    forced = texup(*arguments, "--force")
    assert (forced.code, forced.err.count("nets ran")) == (0, 0)
    assert tree(out) == tree(whole)


@pytest.mark.parametrize(("begun", "finished"), [("bf16", "fp32"), ("fp32", "bf16")])
def test_p20_a_pack_of_two_cpus_does_not_go_unsaid(
    command, texup, pack, weights, tmp_path, monkeypatch, begun, finished
):
    """Begun where ``auto`` takes bfloat16, finished where it does not, or the other way round: said as with cards."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(devices, "precision_for", lambda *_: begun)
        command(pack, out)
    for name in ("wide.png", "cut.tga"):
        (out / name).unlink()
    monkeypatch.setattr(devices, "precision_for", lambda *_: finished)
    arguments = ("upscale", pack, "-o", out, "--model", weights, *ARGUMENTS)
    result = texup(*arguments)
    assert result.code == 0
    assert f"2 on cpu in {finished}" in result.err
    assert result.err.count("warning: nets ran ") == 1
    assert {fact["precision"] for fact in facts(out).values()} == {"bf16", "fp32", None}
    one_of_them = texup(*arguments, "--precision", "fp32", "--json")
    assert "unchanged" not in one_of_them.json["counts"], "what is asked for by name is done with everything"


def test_p20_nets_of_two_types_in_one_run_are_no_mixture(command, texup, pack, weights, tmp_path, monkeypatch):
    """The net of a rule takes fp32 only, or was never measured in bfloat16: every run would do the same."""
    other = tmp_path / "other.safetensors"
    shutil.copy(weights, other)
    save_weights(other, {k: v * 1.01 for k, v in read_weights(weights).state.items()}, {})
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[[rule]]\nmatch = "wide.png"\nmodel = "{other.as_posix()}"\n')
    unmeasured = sha256_of(other)
    monkeypatch.setattr(devices, "precision_for", lambda model, *_: "fp32" if model.sha256 == unmeasured else "bf16")
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, *ARGUMENTS, "--rules", rules)
    assert result.code == 0
    assert {fact["precision"] for fact in facts(tmp_path / "out").values()} == {"bf16", "fp32", None}
    assert "nets ran" not in result.err
    (tmp_path / "out" / "cut.tga").unlink()
    monkeypatch.setattr(devices, "precision_for", lambda *_: "fp32")
    again = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, *ARGUMENTS, "--rules", rules)
    assert again.err.count("warning: nets ran ") == 1


@pytest.fixture(scope="module")
def compact(tmp_path_factory) -> Path:
    """A compact net, whose bfloat16 has a way of its own on CPUs."""
    torch.manual_seed(3)
    net = SRVGGNetCompact(num_feat=16, num_conv=3, identity=True)
    path = tmp_path_factory.mktemp("compact") / "compact.safetensors"
    save_weights(path, net.state_dict(), {})
    return path


@pytest.mark.parametrize("net", ["weights", "compact"])
def test_p20_bfloat16_gives_the_same_bytes_by_any_threads_and_batches(request, texup, pack, tmp_path, monkeypatch, net):
    """Also where the CPU has no instructions for it, and torch takes others."""
    arguments = ("upscale", pack, *ARGUMENTS, "--model", request.getfixturevalue(net), "--precision", "bf16", "-o")
    found = []
    for k, (jobs, batch, lanes) in enumerate([(1, 1, 1), (2, 5000, 2), (5, 1 << 20, 7)]):
        monkeypatch.setattr(os, "cpu_count", lambda lanes=lanes: lanes)
        assert texup(*arguments, tmp_path / str(k), "--jobs", jobs, "--batch", batch).code == 0
        found.append((tree(tmp_path / str(k)), facts(tmp_path / str(k))))
    assert found[0] == found[1] == found[2]
    assert {fact["precision"] for fact in found[0][1].values()} == {"bf16", None}


def test_p20_what_was_recorded_before_devices_were_is_no_mixture(command, texup, pack, weights, tmp_path):
    out = tmp_path / "out"
    command(pack, out)
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    lines = [{k: v for k, v in line.items() if k not in ("device", "check")} for line in lines]
    (out / MANIFEST).write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = texup("upscale", pack, "-o", out, "--model", weights, *ARGUMENTS, "--json")
    assert result.code == 0
    assert set(result.json["counts"]) <= {"unchanged", "skipped"}
    assert "nets ran" not in result.err


@pytest.mark.parametrize(("total", "fits"), [(8 << 30, 600), (80 << 30, 1024), (2 << 30, 300)])
def test_p20_tiles_depend_on_the_card_and_not_on_what_is_free_today(nearest_model, monkeypatch, total, fits):
    sizes = {}
    for share in (0.1, 0.5, 0.99):
        monkeypatch.setattr(
            "texup.engines.devices.device.memory_of", lambda _, share=share: (int(total * share), total)
        )
        device = Device([nearest_model(4)], torch.device("cpu"))
        sizes[device.tile] = device.batch_pixels
    assert len(sizes) == 1
    assert max(sizes) <= fits


def apart(one: Path, other: Path) -> tuple[int, float]:
    """Return the most levels that a colour differs by, and the share of colours that differ by more than one."""
    most, over, count = 0, 0, 0
    for path in sorted(one.rglob("*.png")):
        ours, theirs = (read_texture(p / path.relative_to(one)).pixels.astype(int) for p in (one, other))
        step = 257 if ours.max() > 255 else 1
        levels = np.abs(ours - theirs)[..., : 3 if ours.shape[2] > 2 else 1] / step
        most, over, count = max(most, int(np.ceil(levels.max()))), over + int((levels > 1).sum()), count + levels.size
    return most, over / count


VARIANTS = {  # levels of 255 that a colour differs by at most, here and with the weights that texup ships
    "kernels": (1, ()),
    "tiles": (1, ("--tile", "16")),
    "fp16": (2, ("--precision", "fp16")),
    "bf16": (8, ("--precision", "bf16")),
}


@pytest.mark.filterwarnings("ignore:TF32")  # torch's own switch for kernels warns of a card that nobody asked for
@pytest.mark.parametrize("name", VARIANTS)
def test_p20_what_may_differ_differs_by_a_few_levels(command, pack, whole, tmp_path, name):
    levels, options = VARIANTS[name]
    with torch.backends.mkldnn.flags(enabled=name != "kernels"):
        command(pack, tmp_path / "out", *options)
    most, over = apart(whole, tmp_path / "out")
    assert most <= levels
    assert over <= 0.05
