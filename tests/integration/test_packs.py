"""Dumps of every emulator become packs that its loader reads: names, places, sizes, alpha and what stands beside."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texup.textures.codecs.dds import encode_levels
from texup.textures.mips import smaller_levels
from texup.textures.texture import Container, Texture

DATA = Path(__file__).parents[1] / "data" / "n64_textures"
MANIFEST = "texup-manifest.jsonl"


def rgb(name: str, width: int, height: int) -> Image.Image:
    with Image.open(DATA / name) as picture:
        return picture.convert("RGB").resize((width, height), Image.Resampling.BOX)


def shape(width: int, height: int, levels: tuple[int, ...]) -> np.ndarray:
    """Return rings of alpha from the centre out, one of each level."""
    y, x = np.mgrid[:height, :width]
    far = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5) / 0.72
    return np.array(levels, np.uint8)[np.minimum((far * len(levels)).astype(int), len(levels) - 1)]


def rgba(name: str, width: int, height: int, *levels: int) -> Image.Image:
    picture = rgb(name, width, height).convert("RGBA")
    picture.putalpha(Image.fromarray(shape(width, height, levels)))
    return picture


def soft(name: str, width: int, height: int, top: int = 255) -> Image.Image:
    ramp = np.linspace(0, top, width).round().astype(np.uint8)
    picture = rgb(name, width, height).convert("RGBA")
    picture.putalpha(Image.fromarray(np.broadcast_to(ramp, (height, width)).copy()))
    return picture


def intensity(name: str, width: int, height: int) -> Image.Image:
    grey = rgb(name, width, height).convert("L")
    return Image.merge("RGBA", (grey,) * 4)


def write(folder: Path, files: dict[str, Image.Image | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path)
    return folder


def files_of(out: Path) -> dict[str, tuple[int, int] | None]:
    """Return the size of every picture of a folder by its path, None for other files."""
    found: dict[str, tuple[int, int] | None] = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            name = path.relative_to(out).as_posix()
            found[name] = None
            if path.suffix in (".png", ".tga", ".dds", ".jpg"):
                with Image.open(path) as picture:
                    found[name] = picture.size
    return found


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "RGBA", (path.name, picture.mode)
        return np.asarray(picture)


def alphas(path: Path) -> set[int]:
    return {int(level) for level in np.unique(pixels(path)[..., 3])}


def records_of(out: Path) -> dict[str, dict]:
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    records = [line for line in lines if "path" in line]
    assert len({record["path"] for record in records}) == len(records)
    return {record["path"]: record for record in records}


@pytest.fixture
def done(texup, tmp_path, catalog):
    """Upscales a dump, and holds what is true of every one: all files accounted for, checks and ``verify`` pass."""

    def run(dump: Path, *options, code=0) -> tuple[Path, dict[str, dict]]:
        out = tmp_path / "out"
        before = {path: path.read_bytes() for path in dump.rglob("*") if path.is_file()}
        result = texup("upscale", dump, "-o", out, *options)
        assert result.code == code, result.err
        assert {path: path.read_bytes() for path in dump.rglob("*") if path.is_file()} == before
        records = records_of(out)
        assert {path.relative_to(dump).as_posix() for path in before} <= set(records)
        assert texup("verify", out).code == 0
        again = texup("upscale", dump, "-o", out, *options)
        assert "upscaled" not in again.err.splitlines()[-1], again.err
        return out, records

    return run


def skipped(records: dict[str, dict]) -> dict[str, str]:
    return {path: record["reason"] for path, record in records.items() if record["outcome"] == "skipped"}


DOLPHIN = {
    "tex1_64x32_00112233445566aa_14.png": rgb("walls/brick_wall.png", 64, 32),
    "tex1_16x16_m_00112233445566bb_6.png": soft("effects/flare.png", 16, 16),
    "tex1_16x16_m_00112233445566bb_6_mip1.png": soft("effects/flare.png", 8, 8),
    "tex1_16x16_m_00112233445566cc_14_arb.png": rgb("nature/grass.png", 16, 16),
    "tex1_16x16_m_00112233445566cc_14_arb_mip1.png": rgb("nature/lava.png", 8, 8),
    "tex1_64x64_00112233445566dd_fedcba9876543210_9.png": rgb("walls/planks.png", 64, 64),
    "tex1_32x32_00112233445566ee_0.png": intensity("ui/font.png", 32, 32),
    "UI/tex1_8x8_00112233445566ff_$_8.png": rgb("ui/heart.png", 8, 8),
    "efb1_n000001_640x528.png": rgb("nature/sky.png", 64, 52),
    "notes.txt": b"by hand",
    "tex1_64x64_00112233445566dd_fedcba9876543210_9 old.png": rgb("walls/planks.png", 64, 64),
}


def test_dolphin(done, tmp_path):
    out, records = done(write(tmp_path / "Dump" / "Textures" / "GALE01", DOLPHIN))
    home = "Load/Textures/GALE01/"
    stem = f"{home}tex1_16x16_m_00112233445566bb_6"
    expected = {
        f"{home}tex1_64x32_00112233445566aa_14.png": (256, 128),
        f"{stem}.png": (64, 64),
        **{f"{stem}_mip{k}.png": (64 >> k, 64 >> k) for k in range(1, 7)},
        f"{home}tex1_16x16_m_00112233445566cc_14_arb.png": (64, 64),
        f"{home}tex1_16x16_m_00112233445566cc_14_arb_mip1.png": (32, 32),
        f"{home}tex1_64x64_00112233445566dd_fedcba9876543210_9.png": (256, 256),
        f"{home}tex1_32x32_00112233445566ee_0.png": (128, 128),
        f"{home}UI/tex1_8x8_00112233445566ff_$_8.png": (32, 32),
    }
    assert files_of(out) == expected
    levels = pixels(out / home / "tex1_32x32_00112233445566ee_0.png")
    assert (levels == levels[..., :1]).all()
    reasons = skipped(records)
    assert set(reasons) == {
        "tex1_16x16_m_00112233445566bb_6_mip1.png",
        "efb1_n000001_640x528.png",
        "notes.txt",
        "tex1_64x64_00112233445566dd_fedcba9876543210_9 old.png",
    }
    assert "level 0" in reasons["tex1_16x16_m_00112233445566bb_6_mip1.png"]
    arb = np.asarray(Image.open(out / home / "tex1_16x16_m_00112233445566cc_14_arb_mip1.png").convert("RGB"), float)
    lava = np.asarray(rgb("nature/lava.png", 8, 8), float)
    assert np.abs(arb.mean((0, 1)) - lava.mean((0, 1))).max() < 12, "each level comes from its own source"


def test_dolphin_as_dds(done, tmp_path):
    out, _ = done(write(tmp_path / "Dump" / "Textures" / "GALE01", DOLPHIN), "--dds", "auto")
    home = out / "Load" / "Textures" / "GALE01"
    names = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert not any("_mip" in name for name in names)
    levels = {
        name: int.from_bytes((home / name).read_bytes()[28:32], "little") for name in names if name.endswith(".dds")
    }
    assert levels["tex1_16x16_m_00112233445566bb_6.dds"] == 7
    assert levels["tex1_16x16_m_00112233445566cc_14_arb.dds"] == 2


def test_the_home_is_not_repeated_where_the_output_is_it(texup, tmp_path, catalog):
    dump = write(tmp_path / "Dump" / "Textures" / "GALE01", {k: DOLPHIN[k] for k in list(DOLPHIN)[:1]})
    out = tmp_path / "User" / "Load" / "Textures" / "GALE01"
    assert texup("upscale", dump, "-o", out).code == 0
    assert files_of(out) == {"tex1_64x32_00112233445566aa_14.png": (256, 128)}


def test_a_dolphin_resource_pack_is_a_zip_of_stored_members(texup, tmp_path, catalog):
    dump = write(tmp_path / "Dump" / "Textures" / "GALE01", {k: DOLPHIN[k] for k in list(DOLPHIN)[:3]})
    result = texup("upscale", dump, "-o", tmp_path / "out", "--resource-pack", "hd.gale")
    assert result.code == 0, result.err
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
        assert "textures/GALE01/tex1_64x32_00112233445566aa_14.png" in archive.namelist()
        assert json.loads(archive.read("manifest.json"))["id"] == "hd.gale"


PCSX2 = {
    "a12c6273bb2704a5-9cc5a928efa767d0-00005993.png": rgba("walls/castle_blocks.png", 64, 64, 128),
    "789110728129f4-d565036946364224-000061d4.png": rgba("nature/foliage.png", 128, 256, 128, 128, 0),
    "36fcd419707a35cf-3b0f5ac99a2574db-00006653.png": soft("effects/flare.png", 128, 128, 128),
    "0123456789abcdef-00001dc0.png": soft("effects/window_light.png", 32, 64, 200),
    "0123456789abcdef-fedcba9876543210-r128x64-00005993.png": rgba("nature/sky.png", 128, 64, 128),
    "a12c6273bb2704a5-9cc5a928efa767d0-00005993-mip1.png": rgba("walls/castle_blocks.png", 32, 32, 128),
    "16359c5c8834848d-d565036946364224-000061d4 (1).png": rgba("ui/coin.png", 16, 16, 128, 0),
}


def test_pcsx2(done, tmp_path):
    out, records = done(write(tmp_path / "textures" / "SLUS-21214" / "dumps", PCSX2))
    home = "textures/SLUS-21214/replacements/"
    names = list(PCSX2)[:5]
    assert files_of(out) == {home + name: tuple(4 * side for side in PCSX2[name].size) for name in names}
    opaque, cut, veil, high, region = (alphas(out / home / name) for name in names)
    assert (opaque, cut, region) == ({128}, {0, 128}, {128})
    assert max(veil) == 128
    assert max(high) == 200
    assert set(skipped(records)) == set(list(PCSX2)[5:])


def test_pcsx2_writes_no_palettes(done, tmp_path):
    indexed = rgb("walls/planks.png", 64, 64).quantize(16)
    dump = write(tmp_path / "textures" / "SLUS-21214" / "dumps", {next(iter(PCSX2)): indexed})
    out, _ = done(dump, "--palette", "keep")
    assert alphas(out / "textures/SLUS-21214/replacements" / next(iter(PCSX2))) == {128}


GLIDEN64 = {
    "SUPER MARIO 64#0A1B2C3D#0#2_all.png": rgba("nature/fern.png", 32, 32, 255, 0),
    "SUPER MARIO 64#0A1B2C3E#2#1#2DC66F47_ciByRGBA.png": rgba("ui/coin.png", 16, 16, 255, 0),
    "SUPER MARIO 64#0A1B2C3F#3#1_all.png": soft("effects/flare.png", 32, 32),
    "SUPER MARIO 64#0A1B2C40#0#3_rgb.png": rgb("walls/window.tga", 32, 32),
    "SUPER MARIO 64#0A1B2C40#0#3_a.png": Image.fromarray(shape(32, 32, (255, 0))).convert("RGB"),
    "SUPER MARIO 64#0A1B2C41#4#1_rgb.png": rgb("effects/blob_shadow.png", 16, 16).convert("L").convert("RGB"),
    "SUPER MARIO 64#0A1B2C42#2#1_ci.bmp": rgb("ui/key.png", 16, 16).quantize(16),
    "SUPER MARIO 64#0A1B2C43#0#2_a.png": Image.fromarray(shape(32, 32, (255, 0))).convert("RGB"),
    "SUPER MARIO 64#0a1b2c44#0#2_all.png": rgba("nature/dirt.png", 32, 32, 255),
    "SUPER MARIO 64#0A1B2C45#2#1#$_ciByRGBA.png": rgba("ui/heart.png", 16, 16, 255, 0),
}


def test_gliden64(done, tmp_path):
    out, records = done(write(tmp_path / "texture_dump" / "SUPER MARIO 64" / "GLideNHQ", GLIDEN64))
    home = "hires_texture/SUPER MARIO 64/SUPER MARIO 64#"
    assert files_of(out) == {
        f"{home}0A1B2C3D#0#2_all.png": (128, 128),
        f"{home}0A1B2C3E#2#1#2DC66F47_ciByRGBA.png": (64, 64),
        f"{home}0A1B2C3F#3#1_all.png": (128, 128),
        f"{home}0A1B2C40#0#3_all.png": (128, 128),
        f"{home}0A1B2C41#4#1_all.png": (64, 64),
        f"{home}0A1B2C44#0#2_all.png": (128, 128),
        f"{home}0A1B2C45#2#1#$_ciByRGBA.png": (64, 64),
    }
    assert alphas(out / f"{home}0A1B2C3D#0#2_all.png") == {0, 255}
    assert alphas(out / f"{home}0A1B2C40#0#3_all.png") == {0, 255}
    assert len(alphas(out / f"{home}0A1B2C3F#3#1_all.png")) > 8
    ghost = pixels(out / f"{home}0A1B2C41#4#1_all.png")
    assert (ghost[..., 3] == ghost[..., 0]).all(), "alpha of an intensity texture is its intensity"
    assert records["SUPER MARIO 64#0A1B2C40#0#3_a.png"]["outcome"] == "joined"
    assert set(skipped(records)) == {"SUPER MARIO 64#0A1B2C42#2#1_ci.bmp", "SUPER MARIO 64#0A1B2C43#0#2_a.png"}


def test_a_pair_of_unequal_sizes_fails_and_names_both(texup, tmp_path, catalog):
    pair = {
        "GAME#0A1B2C40#0#3_rgb.png": rgb("walls/window.tga", 32, 32),
        "GAME#0A1B2C40#0#3_a.png": rgb("walls/window.tga", 16, 16),
        "GAME#0A1B2C41#0#3_all.png": rgba("walls/window.tga", 16, 16, 255),
    }
    dump = write(tmp_path / "texture_dump" / "GAME", pair)
    result = texup("upscale", dump, "-o", tmp_path / "out")
    assert result.code == 3
    line = next(line for line in result.err.splitlines() if line.startswith("failed: GAME#0A1B2C40#0#3_rgb.png"))
    assert "_a.png" in line
    assert set(files_of(tmp_path / "out")) == {"hires_texture/GAME/GAME#0A1B2C41#0#3_all.png"}


INI = (
    b"\xef\xbb\xbf[options]\r\nversion = 1\r\nhash = xxh64\r\nignoreMipmap = true\r\n\r\n[hashes]\r\n"
    b"0000000000000000ecaaece3 = MS\\A\\a_1.png\r\n099bf1c000000909 =\r\n094b5a707dcca1a5ee284131_1 = x/m1.png\r\n"
)


def test_ppsspp(done, tmp_path):
    dump = write(
        tmp_path / "PSP" / "TEXTURES" / "ULUS10000",
        {
            "textures.ini": INI,
            "MS/A/a_1.png": rgb("walls/metal_panel.png", 32, 32),
            "new/08d3961000000909ba70b2af.png": rgba("ui/sign.png", 32, 32, 255, 0),
            "new/08d3961000000909ba70b2af_1.png": rgba("ui/sign.png", 16, 16, 255, 0),
            "loose/readme.png": rgb("ui/sign.png", 16, 16),
        },
    )
    out, records = done(dump)
    home = "PSP/TEXTURES/ULUS10000/"
    assert files_of(out) == {
        f"{home}textures.ini": None,
        f"{home}MS/A/a_1.png": (128, 128),
        f"{home}08d3961000000909ba70b2af.png": (128, 128),
    }
    text = (out / home / "textures.ini").read_bytes()
    assert text == INI[3:].replace(b"MS\\A\\a_1.png", b"MS/A/a_1.png")
    assert {"loose/readme.png", "new/08d3961000000909ba70b2af_1.png"} == set(skipped(records))
    assert records["textures.ini"]["outcome"] == "written"


DUCKSTATION = {
    "dumps/texupload-P8-F5F3557223CD3F4A-EAFB5B4F0E007E25-128x256-0-0-256x112-P0-255.png": rgb(
        "nature/sky.png", 256, 112
    ).convert("RGBA"),
    "dumps/texpage-P4-A11813EA8B413CE2-E9C11EE79B72F5C0-64x256-128-32-64x64-P0-15.png": rgba(
        "nature/pine_tree.png", 64, 64, 255, 0
    ),
    "dumps/texupload-STP4-AAAAAAAAAAAAAAAA-BBBBBBBBBBBBBBBB-64x256-0-192-64x64-P0-14.png": rgba(
        "nature/ice.png", 64, 64, 255, 128, 0
    ),
    "dumps/vram-write-0123456789ABCDEF0123456789ABCDEF.png": rgb("ui/goblin.png", 64, 32),
    "config.yaml": b"DumpFullTexturePages: true\n# kept\n",
}


def test_duckstation(done, tmp_path):
    out, _ = done(write(tmp_path / "textures" / "SLUS-00067", DUCKSTATION))
    home = "textures/SLUS-00067/"
    names = {name: name.replace("dumps/", "replacements/") for name in DUCKSTATION}
    sizes = {home + names[n]: tuple(4 * s for s in p.size) for n, p in DUCKSTATION.items() if not isinstance(p, bytes)}
    assert files_of(out) == sizes | {f"{home}config.yaml": None}
    assert (out / home / "config.yaml").read_bytes() == DUCKSTATION["config.yaml"]
    opaque, cut, half, _ = (out / name for name in sizes)
    assert (alphas(opaque), alphas(cut), alphas(half)) == ({255}, {0, 255}, {0, 128, 255})
    hidden = pixels(half)
    assert not hidden[hidden[..., 3] == 0].any()


CITRA = {
    "tex1_64x64_F305C9338867CC37_13_mip0.png": rgba("ui/runes.png", 64, 64, 255, 0),
    "tex1_32x32_0A4B083BF0B35A78_13_mip1.png": rgba("ui/runes.png", 32, 32, 255, 0),
    "tex1_128x128_083287DDE382AE8F_13_mip0.png": rgba("walls/stone_wall.png", 128, 128, 255),
    "tex1_128x128_083287DDE382AE8F_13_mip0.norm.png": Image.new("RGBA", (128, 128), (128, 128, 255, 255)),
    "pack.json": b'{"author": "a", "version": "1", "description": "",'
    b' "options": {"skip_mipmap": false, "flip_png_files": true, "use_new_hash": true}}',
}


def test_citra(done, tmp_path):
    out, records = done(write(tmp_path / "dump" / "textures" / "0004000000030800", CITRA))
    home = "load/textures/0004000000030800/"
    sizes = {home + n: tuple(4 * s for s in p.size) for n, p in CITRA.items() if not isinstance(p, bytes)}
    assert files_of(out) == sizes | {f"{home}pack.json": None}
    assert (out / home / "pack.json").read_bytes() == CITRA["pack.json"]
    assert records["tex1_128x128_083287DDE382AE8F_13_mip0.norm.png"]["policy"]["kind"] == "normal"


def test_citra_without_its_database_is_told_so(texup, tmp_path, catalog):
    dump = write(
        tmp_path / "dump" / "textures" / "0004000000030800", {k: v for k, v in CITRA.items() if k != "pack.json"}
    )
    result = texup("upscale", dump, "-o", tmp_path / "out")
    assert result.code == 3
    assert any(line.startswith("error:") and "pack.json" in line for line in result.err.splitlines())


def frames(*colours: tuple[int, int, int]) -> Image.Image:
    return Image.fromarray(np.repeat(np.array(colours, np.uint8)[:, None], 16, 1).repeat(16, 0))


BLOCKS = "assets/minecraft/textures/block/"
MINECRAFT = {
    "pack.mcmeta": b'{"pack": {"pack_format": 34, "description": "test"}}',
    "pack.png": rgb("walls/stone_wall.png", 64, 64),
    f"{BLOCKS}stone.png": rgb("walls/stone_wall.png", 16, 16),
    f"{BLOCKS}fire_0.png": frames(*[(250, 20, 10), (10, 20, 250)] * 16),
    f"{BLOCKS}fire_0.png.mcmeta": b'{"animation": {"frames": [16, 17, 0]}}',
    f"{BLOCKS}sea.png": rgb("nature/water.png", 32, 64),
    f"{BLOCKS}sea.png.mcmeta": b'{"animation": {"width": 32, "height": 16, "frametime": 2}}',
    f"{BLOCKS}leaves.png": rgba("nature/foliage.png", 16, 16, 255, 0),
    f"{BLOCKS}stone_n.png": Image.merge(
        "RGBA", [Image.linear_gradient("L").resize((16, 16)).point(lambda v: v // 2 + 64)] * 2
        + [Image.new("L", (16, 16), 255)] * 2
    ),
    f"{BLOCKS}stone_s.png": rgba("walls/metal_panel.png", 16, 16, 255, 0),
    "assets/minecraft/textures/colormap/grass.png": rgb("nature/grass.png", 64, 64),
    "assets/minecraft/textures/gui/sprites/button.png": rgb("ui/button_a.png", 16, 16),
    "assets/minecraft/textures/gui/sprites/button.png.mcmeta": b'{"gui": {"scaling": {"type": "nine_slice",'
    b' "width": 200, "height": 20, "border": 3}}}',
    "assets/minecraft/optifine/emissive.properties": b"suffix.emissive=_e\n",
    "assets/minecraft/lang/x.json": b"{}",
}  # fmt: skip


def test_minecraft(done, tmp_path):
    out, _ = done(write(tmp_path / "faithful", MINECRAFT))
    sizes = {name: p.size for name, p in MINECRAFT.items() if isinstance(p, Image.Image)}
    kept = ("pack.png", "assets/minecraft/textures/colormap/grass.png")
    expected = {name: size if name in kept else (4 * size[0], 4 * size[1]) for name, size in sizes.items()}
    assert files_of(out) == expected | {name: None for name in MINECRAFT if name not in sizes}
    fire = np.asarray(Image.open(out / BLOCKS / "fire_0.png"), int).reshape(32, 64, 64, 3)
    assert np.abs(fire[0::2] - (250, 20, 10)).max() <= 1, "no frame bleeds into its neighbour"
    assert np.abs(fire[1::2] - (10, 20, 250)).max() <= 1
    assert json.loads((out / BLOCKS / "sea.png.mcmeta").read_bytes())["animation"] == {
        "width": 128,
        "height": 64,
        "frametime": 2,
    }
    for name in ("assets/minecraft/textures/gui/sprites/button.png.mcmeta", f"{BLOCKS}fire_0.png.mcmeta", *kept[1:]):
        assert (out / name).read_bytes() == (tmp_path / "faithful" / name).read_bytes(), name
    assert alphas(out / BLOCKS / "leaves.png") == {0, 255}
    green = pixels(out / BLOCKS / "stone_s.png")[..., 1]
    assert set(np.unique(green)) == set(np.unique(np.asarray(MINECRAFT[f"{BLOCKS}stone_s.png"])[..., 1]))
    x, y = (pixels(out / BLOCKS / "stone_n.png")[..., k] / 127.5 - 1 for k in (0, 1))
    assert (x**2 + y**2 <= 1.02).all()


def test_a_frame_is_the_frame_alone(texup, tmp_path, catalog):
    strip = rgb("effects/fire_strip.png", 16, 48)
    alone = strip.crop((0, 16, 16, 32))
    meta = b'{"animation": {}}'
    pack = {f"{BLOCKS}fire.png": strip, f"{BLOCKS}fire.png.mcmeta": meta, f"{BLOCKS}one.png": alone}
    folder = write(tmp_path / "pack", pack | {"pack.mcmeta": MINECRAFT["pack.mcmeta"]})
    assert texup("upscale", folder, "-o", tmp_path / "out", "--edges", "clamp").code == 0
    whole, one = (np.asarray(Image.open(tmp_path / "out" / BLOCKS / name)) for name in ("fire.png", "one.png"))
    assert np.array_equal(whole[64:128], one)


def test_a_strip_that_is_no_multiple_of_its_frame_is_copied(texup, tmp_path, catalog):
    pack = {f"{BLOCKS}bad.png": rgb("effects/fire_strip.png", 16, 40), f"{BLOCKS}bad.png.mcmeta": b'{"animation": {}}'}
    folder = write(tmp_path / "pack", pack | {f"{BLOCKS}stone.png": MINECRAFT[f"{BLOCKS}stone.png"]})
    result = texup("upscale", folder, "-o", tmp_path / "out")
    assert any("bad.png" in line and "16x40" in line for line in result.err.splitlines())
    assert (tmp_path / "out" / BLOCKS / "bad.png").read_bytes() == (folder / BLOCKS / "bad.png").read_bytes()


def test_a_zip_goes_in_and_a_zip_comes_out(texup, tmp_path, catalog):
    with zipfile.ZipFile(tmp_path / "faithful.zip", "w") as archive:
        for path in sorted(write(tmp_path / "faithful", MINECRAFT).rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "faithful"))
    result = texup("upscale", tmp_path / "faithful.zip")
    assert result.code == 0, result.err
    with zipfile.ZipFile(tmp_path / "faithful_x4.zip") as archive:
        assert set(archive.namelist()) == set(MINECRAFT)
    first = hashlib.sha256((tmp_path / "faithful_x4.zip").read_bytes()).digest()
    again = texup("upscale", tmp_path / "faithful.zip")
    assert again.code == 0
    assert "unchanged" in again.err
    assert hashlib.sha256((tmp_path / "faithful_x4.zip").read_bytes()).digest() == first


def sprite() -> bytes:
    """Return a palette PNG with offsets, as Doom has them."""
    import struct
    import zlib
    from io import BytesIO

    buffer = BytesIO()
    rgba("ui/goblin.png", 41, 57, 255, 0).quantize(32).save(buffer, "PNG")
    data = buffer.getvalue()
    body = struct.pack(">ii", 21, -3)
    chunk = struct.pack(">I", 8) + b"grAb" + body + struct.pack(">I", zlib.crc32(b"grAb" + body))
    return data[:33] + chunk + data[33:]


GZDOOM = {
    "sprites/TROOA1.png": sprite(),
    "sprites/VILE^1.png": sprite(),
    "textures/STARTAN2.png": rgb("walls/metal_panel.png", 64, 64),
    "flats/FLOOR4_8.png": rgb("walls/marble_floor.png", 64, 64),
    "graphics/TITLEPIC.png": rgb("nature/sky.png", 64, 40),
    "sprites/readme.txt": b"x",
}


def test_gzdoom(done, tmp_path):
    out, records = done(write(tmp_path / "doom", GZDOOM))
    assert files_of(out) == {
        "hires/TROOA1.png": (164, 228),
        "hires/VILE^1.png": (164, 228),
        "hires/STARTAN2.png": (256, 256),
        "hires/FLOOR4_8.png": (256, 256),
        "hires/TITLEPIC.png": (256, 160),
    }
    assert alphas(out / "hires" / "TROOA1.png") == {0, 255}
    assert b"grAb" not in (out / "hires" / "TROOA1.png").read_bytes()
    assert records["flats/FLOOR4_8.png"]["policy"]["edges"] == ["wrap", "wrap"]


def test_gzdoom_with_a_lump(done, tmp_path):
    out, _ = done(write(tmp_path / "doom", GZDOOM), "--textures-lump")
    text = (out / "TEXTURES.txt").read_text()
    assert 'Patch "texup/TROOA1.png", 0, 0' in text
    assert "Offset 84, -12" in text
    data = (out / "texup" / "TROOA1.png").read_bytes()
    assert data.index(b"grAb") < data.index(b"IDAT")
    assert not (out / "sprites").exists()


def test_two_textures_of_one_name_in_hires_are_refused(texup, tmp_path, catalog):
    folder = write(tmp_path / "doom", GZDOOM | {"flats/STARTAN2.png": rgb("walls/planks.png", 64, 64)})
    result = texup("upscale", folder, "-o", tmp_path / "out")
    assert result.code == 2
    assert "STARTAN2.png" in result.errors[0]
    assert not (tmp_path / "out").exists()


def test_what_is_kept_keeps_its_suffix_though_dds_is_wished(texup, tmp_path, catalog):
    texture = DOLPHIN["tex1_64x32_00112233445566aa_14.png"]
    folder = write(tmp_path / "pack", {"wall.png": texture, "lut.png": texture.rotate(180)})
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nmatch = "lut.png"\ntreat_as = "lookup"')
    result = texup("upscale", folder, "-o", tmp_path / "out", "--dds", "bc1", "--rules", rules)
    assert result.code == 0, result.err
    assert files_of(tmp_path / "out") == {"wall.dds": (256, 128), "lut.png": (64, 32)}
    assert texup("verify", tmp_path / "out").code == 0


@pytest.mark.parametrize(("kind", "grey"), [("mask", 127.5), ("height", 127.5), ("interface", 188)])
def test_smaller_levels_of_data_are_means_of_numbers_and_those_of_colour_of_light(texup, tmp_path, catalog, kind, grey):
    checks = (np.indices((8, 8)).sum(axis=0) % 2 * 255).astype(np.uint8)
    source = Texture(np.repeat(checks[..., None], 3, axis=2), Container("dds", mips=True))
    levels = [source, *smaller_levels(source, alpha="none", is_data=False)]
    folder = write(
        tmp_path / "pack", {"checks.dds": encode_levels([level.pixels for level in levels], source.container)}
    )
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[[rule]]\nmatch = "*"\ntreat_as = "{kind}"\nmethod = "nearest"')
    result = texup("upscale", folder, "-o", tmp_path / "out", "--format", "plain", "--rules", rules)
    assert result.code == 0, result.err
    data = (tmp_path / "out" / "checks.dds").read_bytes()
    assert int.from_bytes(data[28:32], "little") == 6, "32 x 32 and five smaller levels"
    np.testing.assert_allclose(list(data[-3:]), grey, atol=1)


def test_the_last_line_says_what_to_copy_where(texup, tmp_path, catalog):
    dump = write(tmp_path / "Dump" / "Textures" / "GALE01", DOLPHIN)
    told = texup("upscale", dump, "-o", tmp_path / "out").err.splitlines()[-1]
    assert f"written to {tmp_path / 'out'}; copy the folder Load in it beside the folder Dump of Dolphin" in told
    there = texup("upscale", dump, "-o", tmp_path / "Load" / "Textures" / "GALE01").err.splitlines()[-1]
    assert there.endswith(f"written to {tmp_path / 'Load' / 'Textures' / 'GALE01'}"), "it is the right place"
    plain = write(tmp_path / "plain", {"wall.png": rgb("walls/planks.png", 16, 16)})
    assert "copy the folder" not in texup("upscale", plain).err


def test_the_user_folder_of_an_emulator_is_refused_with_the_place_in_it(texup, tmp_path, catalog):
    dump = write(tmp_path / "User" / "Dump" / "Textures" / "GALE01", DOLPHIN)
    result = texup("upscale", dump, "-o", tmp_path / "User")
    place = tmp_path / "User" / "Load" / "Textures" / "GALE01"
    assert "writes       Load/Textures/GALE01\n" in texup("inspect", dump).out
    assert (result.code, len(result.errors)) == (2, 1)
    assert result.errors[0].endswith(f"Dolphin (GameCube, Wii) reads {place}: give that as --output")
    assert texup("upscale", dump, "-o", place).code == 0
    assert sorted(path.name for path in (tmp_path / "User").iterdir()) == ["Dump", "Load"]
