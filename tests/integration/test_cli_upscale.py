"""``texup upscale``: whole commands over real files of every format, good and bad."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from texup.cli.main import main
from texup.engines.devices.device import Device
from texup.models.loading import load_model
from texup.textures.codecs.files import decode, read_texture

MANIFEST = "texup-manifest.jsonl"
UNGATED = ("--gate", "off")  # to the gate the noise of tiny nets looks wrong, which it says in more lines


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
    return picture


def records_of(out: Path) -> list[dict]:
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    return [line for line in lines if "path" in line]


def outcomes_of(out: Path) -> dict[str, str]:
    """Return the outcome of each file; every file has exactly one line."""
    records = records_of(out)
    assert len({r["path"] for r in records}) == len(records)
    return {r["path"]: r["outcome"] for r in records}


def last_of(out: Path) -> dict[str, dict]:
    return {r["path"]: r for r in records_of(out)}


def times(out: Path) -> dict[str, int]:
    return {
        p.relative_to(out).as_posix(): p.stat().st_mtime_ns
        for p in out.rglob("*")
        if p.is_file() and p.name != MANIFEST
    }


@pytest.fixture(scope="module")
def pictures(wall, disc) -> dict[str, Image.Image]:
    """One picture of each kind, as Pillow knows it."""
    dice = np.random.default_rng(2)
    brick, hard, soft = wall(16, 24), disc(16, 24, radius=6), disc(16, 24, radius=6, soft=True)
    level = (hard * 255).astype(np.uint8)
    return {
        "rgb.png": Image.fromarray(brick),
        "sub/cutout.png": Image.fromarray(np.dstack((wall(16, 24, seed=1), level))),
        "sub/deep/grey.PNG": Image.fromarray(brick[..., 0]),
        "veil.png": Image.merge("LA", [Image.fromarray(x) for x in (brick[..., 1], (soft * 255).astype(np.uint8))]),
        "palette.png": Image.fromarray(wall(16, 24, seed=2)).quantize(16),
        "sixteen.png": Image.fromarray(dice.integers(0, 1 << 16, (12, 8), np.uint16)),
        "wall.tga": Image.fromarray(wall(16, 24, seed=3)),
        "photo.jpg": Image.fromarray(wall(16, 24, seed=4)),
        "soft.webp": Image.fromarray(np.dstack((wall(16, 24, seed=6), (soft * 255).astype(np.uint8)))),
        "old.bmp": Image.fromarray(wall(16, 24, seed=7)),
    }


@pytest.fixture
def good(tmp_path, pictures) -> Path:
    """A pack in which everything is sound."""
    folder = tmp_path / "pack"
    for name, picture in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, **({"lossless": True} if path.suffix == ".webp" else {}))
    (folder / "notes.txt").write_text("by hand")
    return folder


BAD = {
    "cut.png": "damaged PNG",
    "named.png": "wrong extension, the content is JPEG",
    "pipe.png": "neither a file nor a folder",
    "way.png": "a link",
}


@pytest.fixture
def pack(good) -> Path:
    """The sound pack and some files that cannot be done."""
    (good / "cut.png").write_bytes((good / "rgb.png").read_bytes()[:-300])
    shutil.copy(good / "photo.jpg", good / "named.png")
    os.mkfifo(good / "pipe.png")
    (good / "way.png").symlink_to("rgb.png")
    return good


def invoke(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], standalone_mode=False)


@pytest.mark.usefixtures("catalog")
def test_a_pack_is_done_and_what_is_bad_is_named(pack, pictures, tmp_path):
    before = {p: (p.stat().st_mtime_ns, p.is_file() and not p.is_symlink() and p.read_bytes()) for p in pack.rglob("*")}
    result = invoke("upscale", pack, *UNGATED)
    assert result.exit_code == 0, result.output  # outside of the entry point the code is the return value
    assert result.return_value == 3
    out = tmp_path / "pack_x4"
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == len(BAD) + 1
    for name, reason in BAD.items():
        (line,) = (line for line in lines if line.startswith(f"failed: {name}: "))
        assert reason in line
    assert lines[-1].startswith("10 upscaled, 1 skipped, 4 failed in ")
    outcomes = outcomes_of(out)
    assert outcomes == dict.fromkeys(pictures, "upscaled") | dict.fromkeys(BAD, "failed") | {"notes.txt": "skipped"}
    assert times(out).keys() == set(pictures)
    for name, picture in pictures.items():
        source, ours = opened(pack / name), opened(out / name)
        assert (ours.format, ours.size) == (source.format, (4 * picture.width, 4 * picture.height))
        assert ours.mode == ("RGB" if source.mode == "P" else source.mode), name
        small, large = (np.asarray(p.convert("RGBA") if p.mode == "P" else p).astype(float) for p in (source, ours))
        if name != "photo.jpg" and "A" not in source.mode:
            means = large.reshape(small.shape[0], 4, small.shape[1], 4, -1).mean((1, 3)).squeeze()
            small = small[..., :3] if large.shape[-1] == 3 else small
            assert np.abs(means - small).mean() < np.ptp(small) / 40, name
    assert {
        p: (p.stat().st_mtime_ns, p.is_file() and not p.is_symlink() and p.read_bytes()) for p in pack.rglob("*")
    } == before


@pytest.mark.usefixtures("catalog")
def test_what_failed_is_tried_again_and_nothing_else(texup, pack, pictures, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out).code == 3
    written = times(out)
    shutil.copy(pack / "old.bmp", pack / "cut.bmp")
    (pack / "cut.png").unlink()
    shutil.copy(pack / "rgb.png", pack / "named.png")
    result = texup("upscale", pack, "-o", out, "--json")
    assert result.code == 3
    assert result.json["counts"] == {"unchanged": 11, "failed": 2, "upscaled": 2}
    now = times(out)
    assert {name: now[name] for name in written} == written
    assert now.keys() - written.keys() == {"named.png", "cut.bmp"}
    assert (out / "named.png").read_bytes() == (out / "rgb.png").read_bytes()
    assert last_of(out)["named.png"]["outcome"] == "upscaled"
    again = texup("upscale", pack, "-o", out, "--json").json
    assert again["counts"] == {"unchanged": 13, "failed": 2}


@pytest.mark.usefixtures("catalog")
def test_a_changed_source_alone_is_done_again(texup, good, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", good, "-o", out).code == 0
    written = times(out)
    opened(good / "rgb.png").rotate(180).save(good / "rgb.png")
    (out / "old.bmp").unlink()
    (out / "wall.tga").unlink()
    os.utime(good / "photo.jpg")
    assert texup("upscale", good, "-o", out, "--json").json["counts"] == {"upscaled": 3, "unchanged": 8}
    changed = {name for name, time in times(out).items() if time != written[name]}
    assert changed == {"rgb.png", "old.bmp", "wall.tga"}


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    "option",
    [
        *(["--scale", "2"], ["--alpha", "copy"], ["--blend", "0.5"], ["--model", "tiny-psnr"], ["--edges", "mirror"]),
        *(["--no-color-fix"], ["--palette", "keep"], ["--overlap", "16"], ["--tile", "24"], ["--precision", "fp32"]),
        *(["--grain", "0"], ["--grain", "1.5"]),
    ],
    ids=" ".join,
)
def test_a_changed_setting_does_all_again(texup, good, tmp_path, option):
    out = tmp_path / "out"
    chosen = [good, "-o", out, "--include", "*.png", "--json"]
    assert texup("upscale", *chosen).json["counts"]["upscaled"] == 6
    assert texup("upscale", *chosen, *option).json["counts"] == {"upscaled": 6, "skipped": 5}
    assert texup("upscale", *chosen, *option).json["counts"] == {"unchanged": 11}


@pytest.mark.usefixtures("catalog")
def test_small_pngs_are_asked_for_of_a_finished_pack(texup, good, tmp_path):
    def made():
        return {path.name: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*.png"))}

    chosen = [good, "-o", tmp_path / "out", "--include", "*.png", "--json"]
    assert texup("upscale", *chosen).json["counts"]["upscaled"] == 6
    fast = made()
    assert texup("upscale", *chosen, "--png", "small").json["counts"]["upscaled"] == 6
    small = made()
    assert small.keys() == fast.keys()
    assert sum(map(len, small.values())) < 0.97 * sum(map(len, fast.values()))
    for name, data in small.items():
        assert np.array_equal(decode(data, name).pixels, decode(fast[name], name).pixels)
    assert texup("upscale", *chosen, "--png", "small").json["counts"] == {"unchanged": 11}
    assert texup("upscale", *chosen).json["counts"]["upscaled"] == 6
    assert made() == fast


@pytest.mark.usefixtures("catalog")
def test_settings_that_change_no_pixel_do_nothing_again(texup, good, tmp_path):
    assert texup("upscale", good, "-o", tmp_path / "out").code == 0
    options = ("--batch", "1000", "--jobs", "3", "--device", "cpu", "--fail-fast", "-v", "--json")
    result = texup("upscale", good, "-o", tmp_path / "out", *options)
    assert result.json["counts"] == {"unchanged": 11}


@pytest.mark.usefixtures("catalog")
def test_force_does_all_again(texup, good, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", good, "-o", out).code == 0
    written = times(out)
    assert texup("upscale", good, "-o", out, "--force", "--json").json["counts"] == {"upscaled": 10, "skipped": 1}
    assert all(time != written[name] for name, time in times(out).items())


@pytest.mark.usefixtures("catalog")
def test_copies_make_the_pack_complete(texup, good, tmp_path):
    out = tmp_path / "out"
    arguments = ("upscale", good, "-o", out, "--exclude", "sub/**", "--json")
    assert texup(*arguments).json["counts"] == {"upscaled": 8, "skipped": 3}
    assert texup(*arguments, "--copy-other").json["counts"] == {"unchanged": 8, "copied": 3}
    for name in ("notes.txt", "sub/cutout.png", "sub/deep/grey.PNG"):
        assert (out / name).read_bytes() == (good / name).read_bytes()
    assert texup(*arguments, "--copy-other").json["counts"] == {"unchanged": 11}
    assert texup("verify", out).code == 0


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("copied", [False, True])
def test_what_was_left_out_before_is_done_when_it_is_chosen(texup, good, tmp_path, copied):
    out, more = tmp_path / "out", ["--copy-other"] * copied
    assert texup("upscale", good, "-o", out, "--exclude", "sub/**", *more).code == 0
    result = texup("upscale", good, "-o", out, "--json", *more).json
    assert result["counts"] == {"upscaled": 2, "unchanged": 9}
    assert opened(out / "sub" / "cutout.png").size == (96, 64)


@pytest.mark.usefixtures("catalog")
def test_globs_choose(texup, good, tmp_path):
    out = tmp_path / "out"
    result = texup(
        "upscale", good, "-o", out, "--include", "*.PNG", "--include", "*.tga", "--exclude", "sub/*", "--json"
    )
    assert result.json["counts"] == {"upscaled": 6, "skipped": 5}
    done = {path for path, outcome in outcomes_of(out).items() if outcome == "upscaled"}
    assert done == {"rgb.png", "veil.png", "palette.png", "sixteen.png", "sub/deep/grey.PNG", "wall.tga"}


@pytest.mark.usefixtures("catalog")
def test_fail_fast_stops_at_the_first_failure(texup, pack, tmp_path):
    out = tmp_path / "out"
    result = texup("upscale", pack, "-o", out, "--fail-fast", "--jobs", "1", "--json")
    assert result.code == 3
    assert len(result.json["failures"]) == 1
    assert list(outcomes_of(out).values()).count("failed") == 1
    assert len(outcomes_of(out)) < 15
    assert not list(out.rglob(".*"))
    assert texup("upscale", pack, "-o", out, "--json").json["counts"]["failed"] == 4


@pytest.mark.usefixtures("catalog")
def test_a_dry_run_writes_nothing_and_says_what_would_be_done(texup, pack, tmp_path, monkeypatch):
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.01)
    before = sorted(tmp_path.rglob("*"))
    result = texup("upscale", pack, "--dry-run", "-o", tmp_path / "out")
    assert result.code == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert "upscale: 10, refuse: 4, skip: 1" in result.out
    assert texup("inspect", pack).out.splitlines()[:-2] == result.out.splitlines()[:-2]
    described = texup("upscale", pack, "--dry-run", "--json").json
    assert described["counts"]["actions"] == {"upscale": 10, "refuse": 4, "skip": 1}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("catalog")
def test_json_is_one_object_and_all_of_standard_output(texup, pack, tmp_path, tiny_weights):
    result = texup("upscale", pack, "--json", "-v", "--scale", "2")
    values = json.loads(result.out)
    assert result.out.count("\n{") == 0
    assert values["counts"] == {"upscaled": 10, "skipped": 1, "failed": 4}
    assert {f["path"] for f in values["failures"]} == set(BAD)
    assert all(BAD[f["path"]] in f["reason"] for f in values["failures"])
    assert values["output"] == str(tmp_path / "pack_x2")
    assert (values["scale"], values["twins"], values["redone"]) == (2, 0, 0)
    assert values["settings"]["scale"] == 2
    assert [m["name"] for m in values["models"]] == ["tiny-gan"]
    assert values["megapixels"] == round((9 * 48 * 32 + 16 * 24) / 1e6, 3)


@pytest.mark.usefixtures("catalog")
def test_quiet_says_nothing_but_failures_and_verbose_everything(texup, good, tmp_path):
    quiet = texup("upscale", good, "-q", "-o", tmp_path / "a")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    (good / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    quiet = texup("upscale", good, "-q", "-o", tmp_path / "a")
    assert (quiet.code, quiet.out) == (3, "")
    assert quiet.err.startswith("failed: cut.png: ")
    assert quiet.err.count("\n") == 1
    verbose = texup("upscale", good, "-v", "-o", tmp_path / "b", *UNGATED)
    lines = verbose.err.splitlines()
    assert len(lines) == 13
    assert {line.split(": ")[1] for line in lines[:-1]} == {p.relative_to(good).as_posix() for p in good.rglob("*.*")}


@pytest.mark.usefixtures("catalog")
def test_one_file_goes_beside_itself_or_where_it_is_told(texup, tmp_path, wall):
    source = tmp_path / "wall.png"
    Image.fromarray(wall(16, 16)).save(source)
    (tmp_path / "folder").mkdir()
    result = texup("upscale", source)
    assert (result.code, result.out) == (0, "")
    expected = (tmp_path / "wall_x4.png").read_bytes()
    assert opened(tmp_path / "wall_x4.png").size == (64, 64)
    targets = {"other.png": "other.png", "folder": "folder/wall.png", "new": "new/wall.png", "a/b.PNG": "a/b.PNG"}
    for output, target in targets.items():
        assert texup("upscale", source, "-o", tmp_path / output).code == 0
        assert (tmp_path / target).read_bytes() == expected
    assert texup("upscale", source, "--scale", "3").code == 0
    assert opened(tmp_path / "wall_x3.png").size == (48, 48)
    assert not list(tmp_path.rglob(MANIFEST))
    assert not list(tmp_path.rglob(".texup*"))


@pytest.mark.usefixtures("catalog")
def test_a_file_that_fails_is_not_said_to_be_written(texup, tmp_path):
    (tmp_path / "wall.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = texup("upscale", tmp_path / "wall.png")
    assert result.code == 3
    assert result.err.splitlines()[-1].endswith("; nothing written")
    assert "wall_x4" not in result.err


@pytest.mark.usefixtures("catalog")
def test_a_file_that_exists_is_not_replaced_unasked(texup, tmp_path, wall):
    source, target = tmp_path / "wall.png", tmp_path / "wall_x4.png"
    Image.fromarray(wall(16, 16)).save(source)
    target.write_bytes(b"precious")
    result = texup("upscale", source)
    assert result.code == 2
    assert result.err == f"texup: error: {target}: exists already; give another place with --output, or --force\n"
    assert target.read_bytes() == b"precious"
    assert texup("upscale", source, "--force").code == 0
    assert opened(target).size == (64, 64)
    assert texup("upscale", source, "-o", source, "--force").code == 2


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8, 16])
def test_every_scale_has_the_right_size_and_mean(texup, tmp_path, wall, disc, scale):
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    pixels = np.dstack((wall(9, 11), (disc(9, 11, radius=4) * 255).astype(np.uint8)))
    Image.fromarray(pixels).save(source)
    assert texup("upscale", source, "-o", target, "--scale", scale).code == 0
    ours = np.asarray(opened(target)).astype(float)
    assert ours.shape == (9 * scale, 11 * scale, 4)
    assert set(np.unique(ours[..., 3])) == {0, 255}
    assert np.abs((ours[..., 3] > 0).mean() - (pixels[..., 3] > 0).mean()) < 0.02
    visible = ours[..., 3] > 0
    assert np.abs(ours[visible][:, :3].mean(0) - pixels[pixels[..., 3] > 0][:, :3].mean(0)).max() < 4


@pytest.mark.usefixtures("catalog")
def test_models_chain_without_rounding_between(texup, tmp_path, wall, tiny_weights):
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    pixels = wall(12, 12)
    Image.fromarray(pixels).save(source)
    models = ("--model", "tiny-psnr", "--model", tiny_weights / "tiny-gan.safetensors")
    arguments = ("upscale", source, *models, "--no-color-fix", "--edges", "mirror", "--overlap", "0", "--json")
    result = texup(*arguments, "-o", target)
    assert (result.code, result.json["scale"]) == (0, 16)
    assert [m["name"] for m in result.json["models"]] == ["tiny-psnr", "tiny-gan"]
    first, second = (load_model(tiny_weights / f"tiny-{name}.safetensors").net for name in ("psnr", "gan"))
    with torch.inference_mode():
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        exact = second(first(x).clamp(0, 1)).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
        rounded = second((first(x).clamp(0, 1) * 255).round() / 255).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    ours = read_texture(target).pixels.astype(float)
    assert np.abs(ours - exact).max() <= 0.51
    assert np.abs(ours - rounded).max() > 0.51
    swapped = ("--model", "tiny-gan", "--model", "tiny-psnr", *arguments[6:])
    assert texup("upscale", source, *swapped, "-o", tmp_path / "c.png").code == 0
    assert target.read_bytes() != (tmp_path / "c.png").read_bytes()


@pytest.mark.usefixtures("catalog")
def test_a_blend_is_the_mixture_of_the_pair(texup, tmp_path, wall):
    source = tmp_path / "a.png"
    Image.fromarray(wall(12, 12)).save(source)

    def made(name, *options):
        assert texup("upscale", source, "-o", tmp_path / f"{name}.png", *options).code == 0
        return (tmp_path / f"{name}.png").read_bytes()

    assert made("zero", "--blend", "0") == made("psnr", "--model", "tiny-psnr")
    assert made("one", "--blend", "1.0") == made("gan", "--model", "tiny-gan")
    half = made("half", "--blend", "0.5")
    assert half not in (made("zero2", "--blend", "0.0"), made("one2", "--blend", "1"))
    mixed = tmp_path / "mixed.safetensors"
    assert texup("interpolate", "--alpha", "0.5", "-o", mixed).code == 0
    assert made("file", "--model", mixed, "--overlap", "8") == half
    for alpha in ("1.5", "-0.1", "nan"):
        result = texup("upscale", source, "--blend", alpha, "--force")
        assert result.code == 2
        assert result.err.startswith(f"texup: error: --blend {alpha} is not possible")
        assert result.err.count("\n") == 1
    assert texup("upscale", source, "--blend", "0.5", "--model", "tiny-gan", "--force").code == 2


@pytest.mark.usefixtures("catalog")
def test_a_palette_may_be_kept(texup, good, tmp_path):
    assert texup("upscale", good, "-o", tmp_path / "out", "--palette", "keep", "--include", "*.png").code == 0
    source, ours = opened(good / "palette.png"), opened(tmp_path / "out" / "palette.png")
    assert (ours.mode, ours.size) == ("P", (96, 64))
    assert ours.getpalette() == source.getpalette()
    assert opened(tmp_path / "out" / "rgb.png").mode == "RGB"
    near = np.asarray(ours.convert("RGB")).reshape(16, 4, 24, 4, 3).mean((1, 3)) - np.asarray(source.convert("RGB"))
    assert np.abs(near).mean() < 6


NAMES = [
    *(
        "a wall.png",
        "#1.png",
        "$HOME.png",
        "tex[x].png",
        "[/bold].png",
        "%s{0}.png",
        "a.b.c.png",
        "'q\"'.png",
        "-f.png",
    ),
    *(
        "壁.png",
        "🧱.png",
        "e\u0301.png",
        "new\nline.png",
        "tab\there.png",
        "\x1b[31mred.png",
        ".hidden.png",
        "x" * 251 + ".png",
    ),
]


@pytest.mark.usefixtures("catalog")
def test_names_are_kept_whatever_they_are(texup, tmp_path):
    folder, out = tmp_path / "pack", tmp_path / "out"
    folder.mkdir()
    names = [*map(os.fsencode, NAMES), b"\xff\xfe.png", b"d\xe9j\xe0 vu/w\xe4ll.png", b"deep [x]/#/a.png"]
    for k, name in enumerate(names):
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), k).save(folder / "t.png")
        os.replace(folder / "t.png", path)
    (folder / "\x1b[2J\nbroken.png").write_bytes(b"no picture")
    result = texup("upscale", folder, "-o", out, "--json", "-v")
    assert result.code == 3
    lines = [line for line in result.err.splitlines() if not line.startswith("warning: ")]  # names that Windows cannot
    assert len(lines) == len(names) + 2
    assert result.err.isprintable() or set(result.err) - {c for c in result.err if c.isprintable()} == {"\n"}
    found = {p.relative_to(os.fsencode(out).decode()) for p in out.rglob("*.png")}
    assert {os.fsencode(p) for p in found} == set(names)
    assert {os.fsencode(r["path"]) for r in records_of(out)} == {*names, b"\x1b[2J\nbroken.png"}
    assert texup("upscale", folder, "-o", out, "--json").json["counts"] == {"unchanged": len(names), "failed": 1}
    assert texup("verify", out).code == 3


GUARDED = """
import sys
from texup.cli.main import run
try:
    run()
except SystemExit as done:
    print("torch" in sys.modules, file=sys.stderr)
    raise
"""


def test_a_finished_pack_needs_no_torch_even_as_a_process_of_its_own(tmp_path, wall):
    (tmp_path / "pack").mkdir()
    Image.fromarray(wall(8, 8)).save(tmp_path / "pack" / "wall.png")
    (tmp_path / "pack" / "notes.txt").write_text("x")
    command = [sys.executable, "-c", GUARDED, "upscale", "pack", "--overlap", "4", "--json"]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    for counts, loaded in (({"upscaled": 1, "skipped": 1}, "True"), ({"unchanged": 2}, "False")):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["counts"] == counts
        assert done.stderr.splitlines()[-1] == loaded
        assert len(done.stderr.splitlines()) == 2
    assert opened(tmp_path / "pack_x4" / "wall.png").size == (32, 32)


@pytest.mark.usefixtures("catalog")
def test_several_inputs_share_the_nets(texup, tmp_path, wall, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.fromarray(wall(16, 24)).save(tmp_path / name / f"{name}.png")
    Image.fromarray(wall(8, 8)).save(tmp_path / "three.png")
    made = []
    device = Device.__init__
    monkeypatch.setattr(Device, "__init__", lambda self, *args: made.append(1) or device(self, *args))
    sources = [tmp_path / "one", tmp_path / "missing", tmp_path / "two", tmp_path / "three.png"]
    result = texup("upscale", *sources, "-o", tmp_path / "out", "--json")
    assert result.code == 2, "the missing one"
    assert [line for line in result.errors if "missing" in line] == [
        f"texup: error: {tmp_path / 'missing'}: no such file or folder"
    ]
    runs = json.loads(result.out)["runs"]
    assert [run["counts"] for run in runs] == [{"upscaled": 1}] * 3
    assert len(made) == 1
    for name in ("one/one.png", "two/two.png", "three.png"):
        assert (tmp_path / "out" / name).exists()
    beside = texup("upscale", *sources[::2])
    assert beside.code == 0
    assert (tmp_path / "one_x4" / "one.png").exists()
    assert (tmp_path / "two_x4" / "two.png").exists()


def test_several_inputs_of_one_place_are_refused(texup, tmp_path):
    (tmp_path / "a" / "pack").mkdir(parents=True)
    (tmp_path / "b" / "pack").mkdir(parents=True)
    sources = [tmp_path / "a" / "pack", tmp_path / "b" / "pack"]
    result = texup("upscale", *sources, "-o", tmp_path / "out")
    assert (result.code, len(result.errors)) == (2, 1)
    assert "pack: 2 inputs of this name would be written to one place" in result.errors[0]
    assert texup("upscale", *sources, "-o", tmp_path / "out.zip").code == 2
    assert not (tmp_path / "out").exists()
