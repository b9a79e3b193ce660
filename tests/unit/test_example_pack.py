"""The committed example pack is what its script draws, and holds the kinds of file that real packs hold."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATA = Path(__file__).parents[1] / "data"
PACK = DATA / "n64_textures"
DUMPED = re.compile(r"[^#]+#[0-9A-F]{8}#[0-4]#[0-3](_all|#[0-9A-F]{8}_ciByRGBA)\.png")
TILES = [
    *(f"walls/{name}.png" for name in ("brick_wall", "stone_wall", "castle_blocks", "planks", "roof_tiles")),
    *(
        f"nature/{name}"
        for name in ("grass.png", "dirt.png", "sand.png", "ice.png", "lava.png", "water.png", "BARK.PNG")
    ),
]


def textures() -> list[Path]:
    return sorted(path for path in PACK.rglob("*") if path.suffix.lower() in (".png", ".tga"))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def opened() -> Iterator[tuple[str, Image.Image]]:
    for path in textures():
        with Image.open(path) as image:
            image.load()
            yield path.relative_to(PACK).as_posix(), image


@pytest.mark.slow
def test_the_script_draws_the_committed_pack(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "error", DATA / "draw_n64_textures.py", tmp_path], check=True, timeout=300)
    drawn = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert drawn == {path.relative_to(PACK) for path in PACK.rglob("*") if path.is_file()}
    assert (tmp_path / "notes.txt").read_bytes() == (PACK / "notes.txt").read_bytes()
    for committed in textures():
        again = tmp_path / committed.relative_to(PACK)
        with Image.open(committed) as first, Image.open(again) as second:
            assert (first.mode, first.size) == (second.mode, second.size), committed.name
        # Another processor's sine may round a few texels to the neighbouring step of colour.
        assert np.mean(np.abs(pixels(committed) - pixels(again)).max(-1) > 0) < 0.02, committed.name


def test_sizes_are_the_consoles() -> None:
    sizes = {name: image.size for name, image in opened()}
    assert len(sizes) >= 24
    assert {side for size in sizes.values() for side in size} == {16, 32, 64, 128}
    assert {(16, 16), (32, 32), (64, 64), (64, 32), (32, 64), (128, 64)} <= set(sizes.values())
    assert sum(path.stat().st_size for path in PACK.rglob("*")) < 200_000


def test_every_kind_of_pixel_is_there() -> None:
    modes = [image.mode for _, image in opened()]
    assert set(modes) == {"RGB", "RGBA", "L", "LA", "P"}
    palettes = [(len(image.getcolors()), "transparency" in image.info) for _, image in opened() if image.mode == "P"]
    assert any(colours <= 16 and not cut for colours, cut in palettes)
    assert any(colours <= 16 and cut for colours, cut in palettes)
    assert any(16 < colours <= 256 for colours, _ in palettes)


def test_cut_outs_are_binary_and_glass_is_not() -> None:
    alphas = {path.stem: set(np.unique(pixels(path)[..., 3])) for path in textures()}
    for name in ("foliage", "fern", "pine_tree", "chain_link", "iron_fence", "heart", "coin", "key", "font"):
        assert alphas[name] == {0, 255}, name
    for name in ("window", "fire_strip", "button_a", "flare", "runes", "EMBERKEEP#7F03C2E9#3#1_all"):
        assert len(alphas[name]) > 8, name


def test_colour_under_cut_outs_is_one_colour() -> None:
    for name, under in (("nature/fern.png", (0, 0, 0)), ("nature/foliage.png", (0, 255, 0))):
        picture = pixels(PACK / name)
        assert (picture[picture[..., 3] == 0][:, :3] == under).all()


def test_the_oddities_of_real_packs_are_there() -> None:
    names = [path.name for path in textures()]
    assert sum(DUMPED.fullmatch(name) is not None for name in names) >= 3
    assert {Path(name).suffix for name in names} == {".png", ".PNG", ".tga"}
    with Image.open(PACK / "walls/window.tga") as window:
        assert (window.format, window.mode) == ("TGA", "RGBA")
    hashes = [sha256(path.read_bytes()).hexdigest() for path in textures()]
    assert len(set(hashes)) == len(hashes) - 1
    assert [path.stem for path in textures() if (pixels(path) == pixels(path)[0, 0]).all()] == ["plain"]
    assert [path.name for path in PACK.rglob("*.*") if path not in textures()] == ["notes.txt"]


@pytest.mark.parametrize("name", TILES)
def test_tiles_join_without_a_seam(name: str) -> None:
    picture = pixels(PACK / name)
    for axis in (0, 1):
        steps = np.abs(np.diff(picture, axis=axis)).mean(axis=(1 - axis, 2))
        seam = np.abs(picture.take(0, axis) - picture.take(-1, axis)).mean()
        assert seam < 1.1 * steps.max(), f"{name}, axis {axis}"
